import { expect, it } from "vitest";
import { hostTasks, type Survey } from "../../../cli/configure/host.ts";

const SURVEY: Survey = {
  step: "survey",
  revision: 0,
  host: "home",
  addresses: ["203.0.113.10"],
  immich: ["127.0.0.1:2283"],
  networks: [],
  openings: [],
  originPort: 443,
  portHolder: null,
  sites: [],
  closing: [],
  refusals: [],
  unclear: [],
};

it("a host that the first up would take has no tasks", () => {
  expect(hostTasks(SURVEY, "photos.example.com")).toEqual([]);
});

it("everything that the first up would refuse is a task, with what mends it; what is not known is one too", () => {
  const survey: Survey = {
    ...SURVEY,
    refusals: [{ problem: "caddy (caddy.service) has port 443", remedy: "stop it" }],
    openings: [{ rule: "allow 443", port: 443, delete: "ufw delete allow 443" }],
    sites: ["/etc/nginx/conf.d/photos.conf"],
    unclear: ["port 80 (caddy) did not answer in time"],
  };
  expect(hostTasks(survey, "photos.example.com")).toEqual([
    "caddy (caddy.service) has port 443: stop it",
    `ufw's rule "allow 443" opens port 443 to everyone: run \`ufw delete allow 443\` on the host`,
    expect.stringContaining("nginx has another server for photos.example.com in /etc/nginx/conf.d/photos.conf"),
    "check whether there is another way to Immich: port 80 (caddy) did not answer in time",
  ]);
});

// A way in to Immich that comes after the deployment is found by each step, the daily refresh, the doctor and the survey.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Answer } from "../../components/origin-host/answer.ts";
import { startTestHost, type TestHost } from "../support/host.ts";
import { LINE, PAYLOAD, RANGES } from "./firewall-support.ts";
import { Doors, proxy, TLS } from "./support/doors.ts";
import { certificatesPayload, nginxPayload, serverCertificate } from "./support/origin.ts";
import { listed, RangesApi } from "./support/ranges-api.ts";

let host: TestHost;
let doors: Doors;
let api: RangesApi;

const { hostname } = PAYLOAD;
const CERTIFICATES = certificatesPayload(serverCertificate(hostname), { hostname });
const NGINX = { ...nginxPayload, hostname };
const DOCTOR = { ...PAYLOAD, ...NGINX, tokenCheck: false };
const FILE = "/etc/nginx/conf.d/owner.conf";

beforeAll(async () => {
  host = await startTestHost();
  doors = new Doors(host);
  await doors.prepare();
  api = await RangesApi.start(host);
  await api.trust();
  for (const [step, payload] of [
    ["firewall", PAYLOAD],
    ["certificates", CERTIFICATES],
    ["nginx", NGINX],
  ] as const)
    expect(await host.step(step, payload)).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await api.close();
  await host.close();
});

async function check(name: string): Promise<{ status: string; says: string } | undefined> {
  const { code, said, answer } = await host.step("doctor", DOCTOR);
  expect({ code, said }).toMatchObject({ code: 0 });
  const { checks, sites } = answer as Answer<"doctor">;
  return checks[name] ?? sites[hostname]?.checks[name];
}

const refresh = () => api.refresh(listed(RANGES.ipv4, RANGES.ipv6));
const survey = async () => (await host.step("survey", { hostname, sshPort: 22 })).answer as Answer<"survey">;

test("a host as it was deployed has none, and each says what it asked", async () => {
  expect(await check("ways-in")).toEqual({
    status: "ok",
    says: "asked 1 port that others can reach: none leads past nginx's guard",
  });
  expect(await check("guard")).toEqual({
    status: "ok",
    says: "has just turned away a client without a certificate, and an unknown name",
  });
  expect(await refresh()).toMatchObject({ code: 0, said: "Cloudflare has 3 IPv4 and 2 IPv6 ranges\n" });
  expect((await survey()).refusals).toEqual([]);
});

test("the guide's own server, put beside ours, is named by all of them", async () => {
  // nginx takes no second default server, so the owner has put his in place of ours.
  await host.inside("rm /etc/nginx/sites-enabled/immich-access-unknown-names.conf");
  const listen = "listen 443 ssl http2 default_server; listen [::]:443 ssl http2 default_server;";
  await doors.nginx(proxy(`${listen} server_name _; ${TLS}`));
  expect((await host.fromEdge("curl -sk https://198.51.100.10/api/server/ping")).stdout).toContain("pong");

  const named = `nginx (${FILE}:1) passes requests on port 443 to Immich, past Access`;
  for (const [step, payload] of [
    ["firewall", PAYLOAD],
    ["nginx", NGINX],
  ] as const) {
    const { code, said } = await host.step(step, payload);
    expect({ code, said }).toMatchObject({ code: 1 });
    expect(said).toContain(named);
    expect(said).toContain("nothing has been changed");
  }
  const { says, status } = (await check("ways-in")) ?? {};
  expect({ status, says }).toMatchObject({ status: "wrong", says: expect.stringContaining(named) as string });
  expect((await check("guard"))?.says).toBe(
    `has just turned away a client without a certificate; ${FILE} answers unknown names, and was not asked here`,
  );
  expect((await survey()).refusals.map(({ problem }) => problem)).toEqual([expect.stringContaining(named)]);

  // The refresh does its work first, and fails then.
  const { code, said } = await api.refresh(listed([...RANGES.ipv4, "188.114.96.0/20"], RANGES.ipv6));
  expect(code).not.toBe(0);
  expect(said).toContain(named);
  expect((await host.inside("ufw status")).stdout).toContain("188.114.96.0/20");
  expect((await host.inside("systemctl --failed --no-legend")).stdout).toContain("immich-access-ranges.service");
});

test("once it is gone, all is well again", async () => {
  await host.inside(`rm ${FILE}`);
  // nginx still serves what it has read.
  expect((await host.step("firewall", PAYLOAD)).said).toContain("nginx (nginx.service) answers as Immich on port 443");
  await host.inside("systemctl reload nginx; sleep 0.3");
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0 });
  expect(await host.step("nginx", NGINX)).toMatchObject({ code: 0 });
  expect(await refresh()).toMatchObject({ code: 0 });
  expect(await check("ways-in")).toMatchObject({ status: "ok" });
});

test("our own server without its client certificate is one", async () => {
  const file = `/etc/nginx/sites-available/immich-access-${hostname}.conf`;
  const change = "s/ssl_verify_client on;/ssl_verify_client off;/; s/client_verify != SUCCESS/client_verify = SUCCESS/";
  await host.inside(`cp ${file} /run/kept; sed -i '${change}' ${file}`);
  await doors.nginx("");
  expect(await check("ways-in")).toMatchObject({
    status: "wrong",
    says: expect.stringMatching(/answers as Immich on port 443 under photos\.example\.com, past Access/) as string,
  });
  await host.inside(`cp /run/kept ${file}; systemctl reload nginx; sleep 0.3`);
});

test("another program, once a rule of ufw's lets everyone in to it", async () => {
  await doors.web("proxy", 9000);
  expect(await check("ways-in")).toMatchObject({ status: "ok" });
  await host.inside("ufw allow 9000/tcp");
  expect(await check("ways-in")).toMatchObject({
    status: "wrong",
    says: expect.stringContaining("python3 (web-9000.service) answers as Immich on port 9000") as string,
  });
  expect((await refresh()).code).not.toBe(0);
});

test("with Immich down nobody says that all is well, and the refresh does not fail", async () => {
  await host.inside("systemctl stop immich");
  const says =
    "Immich does not answer on 127.0.0.1:2283 now, so whether port 9000 (python3 (web-9000.service)) leads there " +
    "cannot be seen";
  expect(await check("ways-in")).toEqual({ status: "unknown", says });
  expect(await refresh()).toMatchObject({ code: 0, said: expect.stringContaining(`; not known: ${says}`) as string });
  await host.inside("systemctl start immich; systemctl stop web-9000; ufw delete allow 9000/tcp");
});

test("with ufw disabled every port counts", async () => {
  await doors.web("proxy", 9001);
  await host.inside("ufw disable");
  expect(await check("ways-in")).toMatchObject({
    status: "wrong",
    says: expect.stringContaining(
      "on port 9001 under any name, past Access, and ufw, which is disabled, opens",
    ) as string,
  });
  await host.inside("ufw --force enable; systemctl stop web-9001");
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(2));
});

import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { fingerprint, LINE, ONLY_SSH, PAYLOAD, reach, strangerTries } from "./firewall-support.ts";
import { CONTAINER, installDocker } from "./support/docker.ts";

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  await installDocker(host);
});
afterAll(() => host.close());

const DROP = { ...PAYLOAD, dockerPublishedPort: "drop" };
const TOOLS = ["iptables", "ip6tables"];

const fromStranger = () => reach((command) => host.fromStranger(command));
const chain = async (tool: string) => (await host.inside(`${tool} -S DOCKER-USER | grep '^-A'`)).stdout.split("\n");
const ours = (line: string | undefined) => line?.includes("immich-access") ?? false;

/** What a stranger gets of the published port while the body runs: nothing, if all is well. */
async function watched(body: () => Promise<unknown>): Promise<string> {
  const stop = strangerTries(host, { shut: [2283] });
  return body().then(stop, async (error: unknown) => {
    await stop();
    throw error;
  });
}

test("without the setting it is refused, with the line and the setting, and nothing changes", async () => {
  expect(await fromStranger()).toMatchObject({ "2283-v4": "open", "2283-v6": "open" });
  const before = await fingerprint(host);
  expect(await host.step("firewall", PAYLOAD)).toEqual({
    code: 1,
    answer: "",
    said:
      "immich-access: Docker publishes Immich on port 2283 to everyone, past the firewall; write " +
      '"127.0.0.1:2283:2283" under `ports:` of immich-server in docker-compose.yml and run `docker compose up -d` ' +
      "there, or set dockerPublishedPort to drop; then run `pulumi up` again; nothing has been changed\n",
  });
  expect(await fingerprint(host)).toBe(before);
});

test("a chain that comes too late is refused", async () => {
  await host.inside("ip6tables -I FORWARD -o br-1 -j ACCEPT");
  const { code, said } = await host.step("firewall", DROP);
  expect({ code, said }).toMatchObject({
    code: 1,
    said: expect.stringMatching(/ip6tables's FORWARD .* restart docker/) as string,
  });
  await host.inside("ip6tables -D FORWARD 1");
});

test("with it the port is closed to strangers over both IP versions, and open to nginx", async () => {
  expect(await host.step("firewall", DROP)).toMatchObject({ code: 0, said: LINE(1) });
  expect(await fromStranger()).toEqual(ONLY_SSH);
  for (const place of ["127.0.0.1:2283", "198.51.100.10:2283", ...Object.values(CONTAINER)]) {
    expect((await host.inside(`curl -s http://${place}/`, { timeout: 10_000 })).stdout, place).toBe("pong");
  }
  const rules = () => host.inside("iptables-save -c | grep DOCKER-USER; ip6tables-save -c | grep DOCKER-USER");
  const before = (await rules()).stdout;
  expect(before).toMatch(/^\[[1-9]\d*:\d+\] -A DOCKER-USER .*--ctorigdstport 2283/m);
  expect((await host.step("firewall", DROP)).said).toBe(LINE(1));
  expect((await rules()).stdout).toBe(before);
});

test("it stays the first rule, and the owner's own stay behind it", async () => {
  for (const tool of TOOLS) {
    await host.inside(`${tool} -I DOCKER-USER -i wan0 -j ACCEPT; ${tool} -A DOCKER-USER -p tcp --dport 25 -j DROP`);
  }
  expect(await fromStranger()).toMatchObject({ "2283-v4": "open", "2283-v6": "open" });
  expect((await host.step("firewall", DROP)).said).toBe(LINE(1));
  expect(await fromStranger()).toEqual(ONLY_SSH);
  for (const tool of TOOLS) {
    const [first, ...others] = await chain(tool);
    expect(ours(first)).toBe(true);
    expect(others.slice(0, 2)).toEqual([
      "-A DOCKER-USER -i wan0 -j ACCEPT",
      "-A DOCKER-USER -p tcp -m tcp --dport 25 -j DROP",
    ]);
  }
});

test("a restart of Docker keeps it closed, also after somebody flushed the chain", async () => {
  expect(await watched(() => host.inside("systemctl restart docker"))).toBe("");
  await host.inside("systemctl stop docker; iptables -F DOCKER-USER; ip6tables -F DOCKER-USER");
  expect(await watched(() => host.inside("systemctl start docker && sleep 0.5"))).toBe("");
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect((await host.inside("curl -s http://127.0.0.1:2283/")).stdout).toBe("pong");
});

test("a reboot keeps it closed from the first moment", async () => {
  const opened = await watched(async () => {
    await host.reboot();
    await host.inside("systemctl is-active --wait docker; sleep 0.5", { timeout: 30_000 });
  });
  expect(opened).toBe("");
  expect((await host.inside("systemctl is-active docker; curl -s http://127.0.0.1:2283/")).stdout).toBe("active\npong");
  expect(await fromStranger()).toEqual(ONLY_SSH);
  for (const tool of TOOLS) expect(ours((await chain(tool))[0])).toBe(true);
});

test("where the rule cannot be put back, Docker does not start", async () => {
  await host.inside("systemctl stop docker; mv /usr/local/lib/immich-access /run/kept");
  expect((await host.inside("systemctl start docker")).code).not.toBe(0);
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect((await host.inside("systemctl --failed --no-legend")).stdout).toContain("immich-access-docker-user.service");
  await host.inside("mv /run/kept /usr/local/lib/immich-access; systemctl start docker");
});

test("the setting cannot be taken back while the port is published", async () => {
  expect((await host.step("firewall", PAYLOAD)).code).toBe(1);
  expect(await fromStranger()).toEqual(ONLY_SSH);
});

test("a site of another stack on the host keeps the rule, its own SSH port and port 443", async () => {
  await host.inside(
    "printf 'Port 22\\nPort 2222\\n' >/etc/ssh/sshd_config.d/immich-access-port.conf; systemctl restart ssh",
  );
  const album = { ...PAYLOAD, hostname: "album.example.com", sshPort: 2222, upstreamPort: 2284 };
  const rules = async (tool: string) => (await chain(tool)).filter(ours).length;
  expect((await host.step("firewall", album)).said).toBe(LINE(2, "22 and 2222"));
  expect((await host.step("firewall", DROP)).said).toBe(LINE(2, "22 and 2222"));
  const both = { ...ONLY_SSH, "2222-v4": "open", "2222-v6": "open" };
  const ports = () => reach((command) => host.fromStranger(command), [22, 80, 443, 2222, 2283]);
  expect(await ports()).toEqual(both);

  expect((await host.step("firewall", { ...album, dockerPublishedPort: "drop" })).said).toBe(LINE(2, "22 and 2222"));
  for (const tool of TOOLS) expect(await rules(tool)).toBe(2);
  expect(await watched(() => host.inside("systemctl restart docker"))).toBe("");

  expect((await host.step("firewall-remove", album)).said).toBe(
    "port 443 stays open to Cloudflare for photos.example.com\n",
  );
  for (const tool of TOOLS) expect(await rules(tool)).toBe(1);
  expect(await ports()).toEqual(both);
  expect((await host.inside("ufw status")).stdout).toMatch(/^443\/tcp +ALLOW +103\.21\.244\.0\/22/m);
});

test("removal takes the rule and its unit away, and leaves Docker and the owner's rules alone", async () => {
  await host.inside("iptables -A DOCKER-USER -p tcp --dport 25 -j DROP");
  const started = () => host.inside("systemctl show docker -p ActiveEnterTimestampMonotonic -p ActiveState");
  const before = (await started()).stdout;
  expect(await host.step("firewall-remove", DROP)).toMatchObject({ code: 0 });
  expect((await started()).stdout).toBe(before);
  expect(before).toContain("ActiveState=active");
  expect(await chain("iptables")).toEqual(["-A DOCKER-USER -p tcp -m tcp --dport 25 -j DROP", ""]);
  expect((await host.inside("find /etc/systemd -name 'immich-access*'; systemctl restart docker")).code).toBe(0);
  expect((await host.inside("find /etc/systemd -name 'immich-access*'")).stdout).toBe("");
  // As it was before the first step: what Docker publishes is the owner's business again.
  expect(await fromStranger()).toMatchObject({ "443-v4": "silent", "2283-v4": "open", "2283-v6": "open" });
});

test("without Docker the chain goes with the rule", async () => {
  await host.inside(
    "systemctl disable --now docker; iptables -t nat -F; ip6tables -t nat -F; iptables -F FORWARD; ip6tables -F FORWARD",
  );
  await host.inside("for tool in iptables ip6tables; do $tool -F DOCKER-USER; $tool -X DOCKER-USER; done");
  expect((await host.step("firewall", DROP)).said).toBe(LINE(1));
  expect(ours((await chain("iptables"))[0])).toBe(true);
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1));
  expect((await host.inside("iptables -S; ip6tables -S")).stdout).not.toContain("DOCKER-USER");
  expect((await host.inside("systemctl is-enabled immich-access-docker-user")).stdout).toBe("disabled\n");
});

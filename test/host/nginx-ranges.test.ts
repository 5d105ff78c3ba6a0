import { afterAll, beforeAll, expect, test } from "vitest";
import { agentCommand, agentInput, agentModules, packModules } from "../../components/origin-host/agent.ts";
import { EGRESS } from "../../dev/sandbox/network/network.ts";
import {
  certificatesPayload,
  firewallPayload,
  nginxPayload,
  Origin,
  RANGES,
  serverCertificate,
} from "./support/origin.ts";

const FILE = "/etc/nginx/immich-access/cloudflare-ranges.conf";
const VISITOR = "192.0.2.7";
/** Without the addresses from which the test's edge comes. */
const OTHERS = { ipv4: ["104.16.0.0/13"], ipv6: ["2606:4700::/32"] };

let origin: Origin;

beforeAll(async () => {
  origin = await Origin.start();
});
afterAll(() => origin.close());

/** Calls the function that the firewall calls after its own work, without that. */
function install(ranges: typeof RANGES) {
  const main =
    "import sys\nfrom agent.errors import HostError\nfrom agent.nginx import real_ip\n" +
    "def main(step, r):\n  try:\n    real_ip.install(**r['payload'])\n" +
    "  except HostError as error:\n    print(error, file=sys.stderr)\n    return 1\n  return 0\n";
  const archive = packModules({ ...agentModules(), "agent/main.py": main });
  const input = agentInput({ payload: ranges }, "request", archive);
  return origin.host.ssh(agentCommand("ranges"), { input });
}

async function address(): Promise<unknown> {
  return (await origin.seen("/", { headers: { "cf-connecting-ip": VISITOR } })).headers["x-real-ip"];
}

test("the firewall step writes nginx's ranges, without looking at nginx before there is a site", async () => {
  expect(await origin.run(`grep -v '^#' ${FILE}`)).toBe(
    ["104.16.0.0/13", "173.245.48.0/20", "2400:cb00::/32", "2606:4700::/32"]
      .map((range) => `set_real_ip_from ${range};`)
      .join("\n"),
  );
  await origin.run("echo 'nonsense;' >/etc/nginx/conf.d/owner.conf");
  expect(await install(OTHERS)).toMatchObject({ code: 0 });
  await origin.run("rm /etc/nginx/conf.d/owner.conf");
});

test("changed ranges are in use when the call returns, and unchanged ones reload nothing", async () => {
  await origin.apply("certificates", certificatesPayload(serverCertificate()));
  await origin.apply("nginx", nginxPayload);
  // The nginx step has put the firewall's own ranges back.
  expect(await address()).toBe(VISITOR);
  expect(await install(OTHERS)).toMatchObject({ code: 0 });
  expect(await address()).toBe(EGRESS.ipv4);
  expect(await install(RANGES)).toMatchObject({ code: 0 });
  expect(await address()).toBe(VISITOR);
  const before = await origin.snapshot();
  expect(await install({ ...RANGES, ipv4: [...RANGES.ipv4].reverse() })).toMatchObject({ code: 0 });
  expect(await origin.snapshot()).toBe(before);
});

test("invalid ranges change nothing in nginx", async () => {
  const before = await origin.snapshot();
  const everybody = await install({ ...RANGES, ipv4: ["0.0.0.0/0"] });
  expect(everybody).toMatchObject({ code: 1, stderr: expect.stringContaining("wider than /8") as string });
  expect(await origin.snapshot()).toBe(before);
});

test("ranges that nginx cannot load, because of somebody else's mistake, are rolled back", async () => {
  await origin.run("echo 'nonsense;' >/etc/nginx/conf.d/owner.conf");
  const before = await origin.run(`sha256sum ${FILE}`);
  const { code, stderr } = await install(OTHERS);
  expect(code).toBe(1);
  expect(stderr).toMatch(/unknown directive "nonsense" in .*owner\.conf:1/);
  expect(await origin.run(`sha256sum ${FILE}`)).toBe(before);
  expect(await address()).toBe(VISITOR);
  await origin.run("rm /etc/nginx/conf.d/owner.conf");
  expect(await install(RANGES)).toMatchObject({ code: 0 });
});

test("nginx's ranges stay as long as a site includes them, and are removed with the last", async () => {
  // A site of which the firewall knows nothing is somebody's.
  await origin.run("rm /var/lib/immich-access/firewall-sites.json");
  await origin.apply("firewall-remove", { ...firewallPayload, hostname: "gone.home.localhost" });
  await origin.run(`test -e ${FILE} && nginx -t`);
  await origin.apply("firewall-remove", firewallPayload);
  await origin.run("test ! -e /etc/nginx/immich-access");
});

import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { listen, PAYLOAD } from "./firewall-support.ts";
import { installDocker } from "./support/docker.ts";
import { SILENT, Surroundings } from "./support/guard.ts";

// The management network, which is private, stands for the home network.

let host: TestHost;
let around: Surroundings;
beforeAll(async () => {
  host = await startTestHost();
  around = new Surroundings(host);
});
afterAll(() => host.close());

/** Our rules of ufw for home networks. */
const rules = async () =>
  (await around.on("ufw status | sed -n 's/^\\(.*[^ ]\\) *# immich-access: home network$/\\1/p'"))
    .trim()
    .split("\n")
    .filter((rule) => rule !== "")
    .map((rule) => rule.replace(/ +/g, " "));

/** What the home network gets of the port over both IP versions, in HTTP's first digits. */
async function fromHome(port = 2283): Promise<string[]> {
  return [await around.lan("ipv4", port), await around.lan("ipv6", port)].map((said) => (said === "" ? "" : "answer"));
}

const deploy = async (homeNetworks: string[], change: object = {}) => {
  const { code, said } = await host.step("firewall", { ...PAYLOAD, homeNetworks, ...change });
  expect(said).toContain("port 443 is open");
  expect(code).toBe(0);
};

test("a home network reaches a program of the host, and nobody else does", async () => {
  await listen(host);
  const { ipv4, ipv6 } = around.lanNetworks;
  await deploy([]);
  expect(await fromHome()).toEqual(["", ""]);
  expect(await rules()).toEqual([]);
  await deploy([ipv4]);
  expect(await fromHome()).toEqual(["answer", ""]);
  await deploy([ipv4, ipv6]);
  expect(await fromHome()).toEqual(["answer", "answer"]);
  expect(await rules()).toEqual(
    [`2283/tcp ALLOW ${ipv4}`, `2283/tcp (v6) ALLOW ${ipv6}`].map(
      (rule) => expect.stringContaining(rule.split(" ").at(-1) ?? "") as string,
    ),
  );
  expect(await around.stranger()).toEqual(SILENT);
});

test("a second step changes nothing, and another network takes the place of the first", async () => {
  const { ipv4, ipv6 } = around.lanNetworks;
  const state = () =>
    around.on(
      "cat /etc/ufw/user*.rules; stat -c %Y /etc/ufw/user.rules; nft -a list table inet immich_access | grep -o 'handle.*'",
    );
  const before = await state();
  await deploy([ipv4, ipv6]);
  expect(await state()).toBe(before);
  await deploy(["192.168.77.0/24", ipv6]);
  expect(await fromHome()).toEqual(["", "answer"]);
  expect(await rules()).toHaveLength(2);
});

test("ufw's own rules of the owner stay, and the same rule is not made twice", async () => {
  const { ipv4 } = around.lanNetworks;
  await around.on(`ufw allow proto tcp from ${ipv4} to any port 2283 comment mine`);
  await deploy([ipv4]);
  expect(await fromHome()).toEqual(["answer", ""]);
  expect(await rules()).toEqual([]);
  await deploy([]);
  expect(await fromHome()).toEqual(["", ""]);
  expect(await around.on("ufw status")).toContain("# mine");
  await around.on(`ufw delete allow proto tcp from ${ipv4} to any port 2283`);
});

test("an owner's rule that would keep the home network out is named", async () => {
  await around.on("ufw deny 2283/tcp");
  const { ipv4 } = around.lanNetworks;
  const { code, said } = await host.step("firewall", { ...PAYLOAD, homeNetworks: [ipv4] });
  expect(code).toBe(1);
  expect(said).toBe(
    `immich-access: the rule \`deny 2283/tcp\` would keep the home network ${ipv4} out of port 2283; run ` +
      "`ufw delete deny 2283/tcp` on the host and `pulumi up` again; nothing has been changed\n",
  );
  await around.on("ufw delete deny 2283/tcp");
});

test("each stack's home networks reach its own port alone, and go with it", async () => {
  const { ipv4, ipv6 } = around.lanNetworks;
  await around.on(
    "systemd-run -q --unit album /usr/bin/python3 -m http.server -d /run -b :: 2284; " +
      "until ss -Hltn sport = 2284 | grep -q .; do sleep 0.1; done",
  );
  const album = { hostname: "album.example.com", upstream: "127.0.0.1:2284", owner: "immich-access/album/zone/" };
  await deploy([ipv4]);
  await deploy([ipv6], album);
  expect(await fromHome(2283)).toEqual(["answer", ""]);
  expect(await fromHome(2284)).toEqual(["", "answer"]);
  expect(await host.step("firewall-remove", { ...PAYLOAD, ...album })).toMatchObject({ code: 0 });
  expect(await fromHome(2283)).toEqual(["answer", ""]);
  expect(await rules()).toHaveLength(1);
  // Whoever has no site here any more has no port closed here.
  expect(await around.set("host_ports")).toEqual(["2283"]);
  await around.on("systemctl stop album");
});

test("a home network reaches a container by its published port, and not by the container's address", async () => {
  await around.on("systemctl stop listen-2283");
  await installDocker(host);
  const { ipv4, ipv6 } = around.lanNetworks;
  await deploy([ipv4, ipv6]);
  expect(await around.lan("ipv4")).toBe("pong");
  expect(await around.lan("ipv6")).toBe("pong");
  await around.on("systemctl restart docker");
  expect(await around.lan("ipv4")).toBe("pong");
  expect(await around.stranger()).toEqual(SILENT);
});

test("the doctor says when the port answers nobody there", async () => {
  const { ipv4 } = around.lanNetworks;
  const site = { hostname: PAYLOAD.hostname, serves: "immich", upstream: PAYLOAD.upstream };
  const doctor = {
    ...PAYLOAD,
    homeNetworks: [ipv4],
    sites: [{ ...site, tokenCheck: false, audience: null }],
  };
  const says = async () => {
    const { answer } = await host.step("doctor", doctor);
    return (answer as { checks: Record<string, { says: string }> }).checks["port-guard"]?.says;
  };
  await deploy([ipv4]);
  const closed = `the table in force closes port 2283 to all but this host, its containers and ${ipv4}`;
  expect(await says()).toBe(closed);
  await around.on("systemctl stop docker; iptables -t nat -F; ip6tables -t nat -F");
  await around.on(
    "systemctl stop docker; for one in $(ss -Hltnp sport = 2283 | grep -o 'pid=[0-9]*' | cut -d= -f2); do kill $one; done; " +
      "systemd-run -q --unit local-2283 /usr/bin/python3 -m http.server -d /run -b 127.0.0.1 2283; " +
      "until ss -Hltn sport = 2283 | grep -q .; do sleep 0.1; done",
  );
  await deploy([ipv4]);
  expect(await says()).toBe(`${closed}, but it answers on loopback alone`);
});

test("removal takes the rules away", async () => {
  await host.step("firewall-remove", PAYLOAD);
  expect(await rules()).toEqual([]);
  expect(await around.table()).toBe("");
});

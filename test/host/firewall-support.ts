// What the firewall's tests share.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { SshOptions } from "../../dev/sandbox/host/host.ts";
import { commandAt } from "../../dev/sandbox/network/network.ts";
import { run } from "../../dev/sandbox/run.ts";
import type { CommandResult } from "../../dev/sandbox/sandbox.ts";
import type { TestHost } from "../support/host.ts";
import { PYTHON } from "../support/python.ts";

/** Ranges that hold the sandbox edge's addresses, and some that do not. */
export const RANGES = {
  ipv4: ["103.21.244.0/22", "104.16.0.0/13", "173.245.48.0/20"],
  ipv6: ["2400:cb00::/32", "2606:4700::/32"],
};

export const PAYLOAD = {
  hostname: "photos.example.com",
  serves: "immich",
  ranges: RANGES,
  sshPort: 22,
  upstream: "127.0.0.1:2283",
  confirmSeconds: 600,
};

type IpVersion = "v4" | "v6";

const ADDRESSES: Readonly<Record<IpVersion, string>> = { v4: "198.51.100.10", v6: "2001:db8:77::10" };

export const LINE = (change: number, sshPort: number | string = 22, ssh = "to everyone") =>
  `firewall change ${change}: port 443 is open to 3 IPv4 and 2 IPv6 ranges of Cloudflare, SSH on port ${sshPort} ${ssh}\n`;

/** What the line says of SSH where no rule of ours is needed. */
export const BY_OWN_RULES = "as your own rules say";

/** Confirms as the certificates step (`final` false) and the nginx step do, from a new connection. */
export const confirm = (host: TestHost, final: boolean, way?: SshOptions): Promise<CommandResult> =>
  host.ssh(
    '/usr/bin/python3 -I -B -c \'import sys; sys.path.insert(0, "/usr/local/lib/immich-access")\n' +
      "from agent.errors import HostError\nfrom agent.firewall.confirmation import confirm_firewall_change\n" +
      `try: print(confirm_firewall_change(${final ? "True" : "False"}))\nexcept HostError as error: sys.exit(str(error))'`,
    way,
  );

/** Waits until the undo service has done its work. */
export const undone = (host: TestHost): Promise<CommandResult> =>
  host.inside("while [ -e /var/lib/immich-access/firewall-armed.json ]; do sleep 0.2; done", { timeout: 60_000 });

/** Has nginx listen on port 443 and something on Immich's, on every address. */
export async function listen(host: TestHost): Promise<void> {
  const server = "server { listen 443; listen [::]:443; return 204; }";
  await host.inside(`echo '${server}' >/etc/nginx/conf.d/listen.conf; systemctl restart nginx`);
  await host.inside("systemd-run -q --unit listen-2283 /usr/bin/python3 -m http.server -d /run -b :: 2283");
  const ready = 'until [ "$(ss -Hltn sport = 443 or sport = 2283 | wc -l)" = 3 ]; do sleep 0.1; done';
  await host.inside(ready, { timeout: 20_000 });
}

const KNOCK = join(import.meta.dirname, "support/knock.py");

/** The same as `reach` from a place in the host's own network. */
export const reachFromLan = (host: TestHost, ports: readonly number[]): Promise<Record<string, string>> =>
  reach((command) => run(["sh", "-c", command]), ports, { v4: host.address, v6: `fd77:${host.number}::2` });

/** Places where an IP version's packets for a port go, by names that tell both. */
const ways = (ports: readonly number[], versions: readonly IpVersion[], addresses = ADDRESSES) =>
  Object.fromEntries(
    versions.flatMap((version) => ports.map((port) => [`${port}-${version}`, [addresses[version], port]])),
  );

/**
 * Connects to the host's ports from outside: `open`, or `silent` where no answer comes within a second, or `refused`,
 * by port and IP version.
 */
export async function reach(
  from: (command: string) => Promise<CommandResult>,
  ports: readonly number[] = [22, 80, 443, 2283],
  addresses = ADDRESSES,
): Promise<Record<string, string>> {
  const { code, stdout, stderr } = await from(
    `${PYTHON} -IB '${KNOCK}' once '${JSON.stringify(ways(ports, ["v4", "v6"], addresses))}'`,
  );
  if (code !== 0) throw new Error(`nobody knocked: ${stderr}`);
  return JSON.parse(stdout) as Record<string, string>;
}

const both = (port: number, state: string) => ({ [`${port}-v4`]: state, [`${port}-v6`]: state });

/** What a stranger gets of a closed host. */
export const ONLY_SSH = { ...both(22, "open"), ...both(80, "silent"), ...both(443, "silent"), ...both(2283, "silent") };

/** What Cloudflare gets of it. */
export const SSH_AND_HTTPS = { ...ONLY_SSH, ...both(443, "open") };

/** What everyone gets without a firewall, when `listen` has been called. */
export const ALL_OPEN = { ...both(22, "open"), ...both(80, "open"), ...both(443, "open"), ...both(2283, "open") };

/**
 * Has a stranger try the host's ports again and again, until the function that this returns is called. That gives what
 * went wrong: each port of `shut` that answered, each of `open` that did not, on a line each. On an open port one SYN
 * may get lost while rules change; a client sends another.
 */
export function strangerTries(
  host: TestHost,
  { shut = [], open = [], over = ["v4", "v6"] }: { shut?: number[]; open?: number[]; over?: IpVersion[] },
): () => Promise<string> {
  const expected = [shut, open].map((ports) => JSON.stringify(ways(ports, over)));
  const [file = "", ...args] = commandAt(host.number, "out", [PYTHON, "-IB", KNOCK, "watch", ...expected]);
  // Ends with its standard input, so with the test, however that ends.
  const stranger = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  stranger.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const closed = once(stranger, "close");
  return async () => {
    stranger.stdin.end();
    const [code] = (await closed) as [number | null];
    if (code !== 0) throw new Error(`nobody knocked: ${file} ended with ${code ?? "a signal"}`);
    return output;
  };
}

/** Puts a folder on a disk of its own with only `free` KiB left for the body. */
export async function withFullDisk(
  host: TestHost,
  folder: string,
  free: number,
  body: () => Promise<void>,
): Promise<void> {
  await host.inside(
    `mkdir -p ${folder}; cp -a ${folder} /run/kept; mount -t tmpfs -o size=512k,mode=755 full ${folder}; ` +
      `cp -a /run/kept/. ${folder}/; left=$(df -k --output=avail ${folder} | tail -1); ` +
      `head -c $((left - ${free}))k /dev/zero >${folder}/filler`,
  );
  try {
    await body();
  } finally {
    await host.inside(`umount ${folder}; rm -rf /run/kept`);
  }
}

/** Everything about the firewall that a step which fails must leave as it was. */
export async function fingerprint(host: TestHost): Promise<string> {
  const files = "/etc/ufw/*.rules /etc/ufw/ufw.conf /etc/default/ufw";
  const kernel =
    "iptables -S; ip6tables -S; iptables -t nat -S; nft -s list table inet immich_access; cat /etc/immich-access/guard.nft";
  const ours = "ls -A /var/lib/immich-access; systemctl is-active immich-access-undo.service | grep -x active";
  return (await host.inside(`stat -c '%n %a %U' ${files}; cat ${files}; ${kernel}; ${ours}`)).stdout;
}

/** The user's rules in ufw's files, as text, without ours. */
export async function foreignRules(host: TestHost): Promise<string> {
  const { stdout } = await host.inside("cat /etc/ufw/user.rules /etc/ufw/user6.rules");
  const rules = stdout.match(/^### tuple ###.*\n(?:-A .*\n)*/gm) ?? [];
  return rules.filter((rule) => !rule.includes(Buffer.from("immich-access: ").toString("hex"))).join("");
}

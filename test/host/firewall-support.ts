// What the firewall's tests share.
import type { SshOptions } from "../../dev/sandbox/host/host.ts";
import type { CommandResult } from "../../dev/sandbox/sandbox.ts";
import type { TestHost } from "../support/host.ts";

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
  upstreamPort: 2283,
  confirmSeconds: 600,
};

const ADDRESSES = { v4: "198.51.100.10", v6: "2001:db8:77::10" };

export const LINE = (change: number, sshPort: number | string = 22) =>
  `firewall change ${change}: port 443 is open to 3 IPv4 and 2 IPv6 ranges of Cloudflare, SSH on port ${sshPort} to everyone\n`;

/** Confirms as the certificates step (`final` false) and the nginx step do, from a new connection. */
export const confirm = (host: TestHost, final: boolean, way?: SshOptions): Promise<CommandResult> =>
  host.ssh(
    '/usr/bin/python3 -I -B -c \'import sys; sys.path.insert(0, "/usr/local/lib/immich-access")\n' +
      "from agent.errors import HostError\nfrom agent.firewall.confirmation import confirm\n" +
      `try: print(confirm(${final ? "True" : "False"}))\nexcept HostError as error: sys.exit(str(error))'`,
    way,
  );

/** Waits until the undo service has done its work. */
export const undone = (host: TestHost): Promise<CommandResult> =>
  host.inside("while [ -e /var/lib/immich-access/firewall-armed.json ]; do sleep 0.2; done", { timeout: 60_000 });

/** Has something listen on the ports of nginx and Immich, on every address. */
export async function listen(host: TestHost): Promise<void> {
  for (const port of [443, 2283]) {
    await host.inside(`systemd-run -q --unit listen-${port} /usr/bin/python3 -m http.server -d /run -b :: ${port}`);
  }
  const ready = 'until [ "$(ss -Hltn sport = 443 or sport = 2283 | wc -l)" = 2 ]; do sleep 0.1; done';
  await host.inside(ready, { timeout: 20_000 });
}

/**
 * Connects to the host's ports from outside: `open`, or `silent` where no answer comes within a second, or `refused`,
 * by port and IP version.
 */
export async function reach(
  from: (command: string) => Promise<CommandResult>,
  ports: readonly number[] = [22, 80, 443, 2283],
): Promise<Record<string, string>> {
  const attempts = Object.entries(ADDRESSES).flatMap(([version, address]) =>
    ports.map(
      (port) => `(timeout 1 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null; echo ${port}-${version} $?) & `,
    ),
  );
  const { stdout } = await from(`${attempts.join("")} wait`);
  const meaning: Record<string, string> = { 0: "open", 1: "refused", 124: "silent" };
  return Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .map(([port = "", code = ""]) => [port, meaning[code] ?? code]),
  );
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
  { shut = [], open = [], over = ["v4", "v6"] }: { shut?: number[]; open?: number[]; over?: ("v4" | "v6")[] },
): () => Promise<string> {
  const attempt = (address: string, port: number, seconds: number) =>
    `timeout ${seconds} bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null`;
  const round = over
    .map((version) => ADDRESSES[version])
    .flatMap((address) => [
      ...shut.map((port) => `${attempt(address, port, 0.3)} && echo ${port} open over ${address}; `),
      ...open.map(
        (port) =>
          `${attempt(address, port, 0.3)} || ${attempt(address, port, 3)} || echo ${port} shut over ${address}; `,
      ),
    ]);
  const end = `/tmp/immich-access-stop-${host.number}-${[...shut, ...open].join("-")}`;
  const tries = host.fromStranger(`rm -f ${end}; until [ -e ${end} ]; do ${round.join("")} done; rm ${end}`, {
    timeout: 280_000,
  });
  return async () => {
    await host.fromStranger(`touch ${end}`);
    return (await tries).stdout;
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
  const kernel = "iptables -S; ip6tables -S; iptables -t nat -S";
  const ours = "ls -A /var/lib/immich-access; systemctl is-active immich-access-undo.service | grep -x active";
  return (await host.inside(`stat -c '%n %a %U' ${files}; cat ${files}; ${kernel}; ${ours}`)).stdout;
}

/** The user's rules in ufw's files, as text, without ours. */
export async function foreignRules(host: TestHost): Promise<string> {
  const { stdout } = await host.inside("cat /etc/ufw/user.rules /etc/ufw/user6.rules");
  const rules = stdout.match(/^### tuple ###.*\n(?:-A .*\n)*/gm) ?? [];
  return rules.filter((rule) => !rule.includes(Buffer.from("immich-access: ").toString("hex"))).join("");
}

// No user of the host who is not root gets in the way of a step, the refresh or the undo.
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { ALL_OPEN, LINE, listen, PAYLOAD, RANGES, reach, undone } from "./firewall-support.ts";

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  await listen(host);
});
afterAll(() => host.close());

/** Locks a file in every way that a user can, as long as the unit runs, under a name that would turn a terminal red. */
const HOLD = `
import ctypes, fcntl, os, sys, time
ctypes.CDLL(None).prctl(15, b"\\x1b[31mbusy\\r")
stream = open(sys.argv[1])
fcntl.lockf(stream, fcntl.LOCK_SH)
os.set_inheritable(stream.fileno(), True)
print("held", flush=True)
time.sleep(1000)
`;

async function hold(path: string, user: string, unit: string): Promise<string> {
  await host.inside("cat >/run/hold.py", { input: HOLD });
  await host.inside(`systemd-run -q --unit ${unit} -p User=${user} /usr/bin/python3 -u /run/hold.py ${path}`);
  const ended = `systemctl is-active -q ${unit} && ! journalctl -q -o cat -u ${unit} | grep -q held`;
  await host.inside(`sleep 0.5; while ${ended}; do sleep 0.2; done`);
  return (await host.inside(`systemctl is-active ${unit}`)).stdout.trim();
}

const changed = (part: number) => ({ ...PAYLOAD, ranges: { ...RANGES, ipv4: [`104.16.${part}.0/24`] } });

test("ufw's lock, which a user has locked for reading: no step waits, and afterwards nobody else can open it", async () => {
  await host.inside("ufw status; ls -l /run/ufw.lock");
  expect((await host.inside("stat -c %a /run/ufw.lock")).stdout).toBe("644\n");
  expect(await hold("/run/ufw.lock", "nosudo", "reader")).toBe("active");
  const started = Date.now();
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1));
  expect((await host.inside("stat -c '%a %U' /run/ufw.lock; ls /run | grep -c 'immich-access.ufw'")).stdout).toBe(
    "600 root\n0\n",
  );
  expect(Date.now() - started).toBeLessThan(60_000);
  // ufw itself takes the same file, and the user no longer can.
  expect((await host.inside("timeout 60 ufw status")).code).toBe(0);
  expect((await host.inside("stat -c %a /run/ufw.lock")).stdout).toBe("600\n");
  expect(await hold("/run/ufw.lock", "nosudo", "second")).not.toBe("active");
  await host.inside("systemctl stop reader; systemctl reset-failed second");
});

test("an undo goes on likewise", async () => {
  await host.inside("rm /run/ufw.lock; ufw status");
  expect((await host.step("firewall-remove", PAYLOAD)).code).toBe(0);
  await host.inside("ufw --force disable; rm /run/ufw.lock; ufw status");
  expect((await host.step("firewall", { ...PAYLOAD, confirmSeconds: 3 })).code).toBe(0);
  await host.inside("chmod 644 /run/ufw.lock");
  expect(await hold("/run/ufw.lock", "nosudo", "reader")).toBe("active");
  await undone(host);
  expect(await reach((command) => host.fromStranger(command))).toEqual(ALL_OPEN);
  await host.inside("systemctl stop reader");
});

test("a ufw at work is waited for all the same, even where a user has locked what was there before", async () => {
  await host.inside("rm -f /run/ufw.lock; : >/run/ufw.lock; chmod 644 /run/ufw.lock");
  const ufw = "import fcntl, time\nlock = open('/run/ufw.lock', 'w')\nfcntl.lockf(lock, fcntl.LOCK_EX)\n";
  const write = `${ufw}open('/run/held', 'w')\ntime.sleep(1000)`;
  await host.inside(`systemd-run -q --unit ufw-at-work /usr/bin/python3 -c "${write}"`);
  await host.inside("until [ -e /run/held ]; do sleep 0.1; done");
  const busy = await host.step("firewall", changed(1));
  expect(busy.said).toMatch(/^immich-access: ufw is busy: python3 \(process \d+\) holds \/run\/ufw.lock; /);
  await host.inside("systemctl stop ufw-at-work; rm /run/held");

  // A ufw that waits behind the reader comes after the step, not beside it.
  expect(await hold("/run/ufw.lock", "nosudo", "reader")).toBe("active");
  await host.inside(`systemd-run -q --unit waiting /usr/bin/python3 -c "${write}"`);
  expect((await host.step("firewall", changed(2))).code).toBe(0);
  expect((await host.inside("ls /run/held; systemctl stop reader waiting")).stdout).toBe("");
});

test("the name of a lock's holder is printed without the characters that a terminal obeys", async () => {
  await host.inside("cat >/run/write.py", {
    input: HOLD.replace("open(sys.argv[1])", 'open(sys.argv[1], "r+")').replace("LOCK_SH", "LOCK_EX"),
  });
  await host.inside("systemd-run -q --unit writer /usr/bin/python3 -u /run/write.py /run/ufw.lock");
  await host.inside("until journalctl -q -o cat -u writer | grep -q held; do sleep 0.2; done");
  const { said } = await host.step("firewall", changed(3));
  expect(said).toMatch(/^immich-access: ufw is busy: \[31mbusy \(process \d+\) holds/);
  await host.inside("systemctl stop writer");
});

test("no lock or file that the steps use can be opened or made by another user", async () => {
  expect((await host.step("firewall", changed(4))).code).toBe(0);
  const locks =
    "/run/immich-access.lock /run/ufw.lock /run/xtables.lock /var/lib/dpkg/lock /var/lib/dpkg/lock-frontend";
  const more = "/var/lib/apt/lists/lock /var/cache/apt/archives/lock";
  const readable = `for file in ${locks} ${more}; do [ ! -e $file ] || ! su -s /bin/sh nosudo -c "test -r $file" || echo $file; done`;
  expect((await host.inside(readable)).stdout).toBe("");
  const folders = "/run /etc/ufw /etc/default /etc/nginx /var/lib/immich-access /usr/local/lib/immich-access";
  const writable = `su -s /bin/sh nosudo -c "find ${folders} -maxdepth 1 -type d -writable ! -path /run/lock 2>/dev/null"`;
  expect((await host.inside(writable)).stdout).toBe("");
});

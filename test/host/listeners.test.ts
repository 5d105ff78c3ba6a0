// What the host agent finds that listens on a host.
import { afterAll, beforeAll, expect, test } from "vitest";
import { agentModules } from "../../components/origin-host/agent.ts";
import { startTestHost, type TestHost } from "../support/host.ts";
import { installDocker } from "./support/docker.ts";

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  for (const [path, text] of Object.entries(agentModules()))
    await host.inside(`mkdir -p "$(dirname /run/agent/${path})"; cat >/run/agent/${path}`, { input: text });
});
afterAll(() => host.close());

interface Found {
  address: string;
  port: number;
  protocol: string;
  programs: string[];
  unit: string;
  container: string;
  pid: number | null;
}

/** What the agent finds on a port. */
async function listening(port: number): Promise<Found[]> {
  const program =
    'import sys, json; sys.path.insert(0, "/run/agent"); from agent.listeners.sockets import all_listeners; ' +
    "print(json.dumps([one._asdict() for one in all_listeners()]))";
  const { code, stdout, stderr } = await host.inside(`/usr/bin/python3 -I -B -c '${program}'`);
  if (code !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as Found[]).filter((one) => one.port === port);
}

const PYTHON = "/usr/bin/python3 -c";

test("a service with its unit, once for each IP version, and not once for each worker", async () => {
  const nginx = { programs: ["nginx"], unit: "nginx.service", container: "", protocol: "tcp" };
  expect(await listening(80)).toMatchObject([
    { ...nginx, address: "0.0.0.0" },
    { ...nginx, address: "::" },
  ]);
  const [ssh] = await listening(22);
  expect(ssh).toMatchObject({ programs: ["sshd"], unit: "ssh.service" });
  expect((await host.inside(`cat /proc/${ssh?.pid}/comm`)).stdout).toBe("sshd\n");
});

test("every kind of address, over TCP and UDP", async () => {
  const socket = (family: string, kind: string, address: string, only = 1) =>
    `s=socket.socket(socket.AF_${family},socket.SOCK_${kind});` +
    (family === "INET6" ? `s.setsockopt(41,26,${only});` : "") +
    `s.bind(("${address}",7000));${kind === "STREAM" ? "s.listen();" : ""}all.append(s);`;
  const sockets =
    socket("INET", "DGRAM", "0.0.0.0") +
    socket("INET", "STREAM", "127.0.0.9") +
    socket("INET6", "STREAM", "::1") +
    socket("INET6", "STREAM", "2001:db8:77::10");
  await host.inside(`systemd-run -q --unit several ${PYTHON} 'import socket,time;all=[];${sockets}time.sleep(999)'`);
  await host.inside(
    `systemd-run -q --unit both ${PYTHON} 'import socket,time;s=socket.socket(socket.AF_INET6,socket.SOCK_STREAM);` +
      's.setsockopt(41,26,0);s.bind(("::",7001));s.listen();time.sleep(999)\'',
  );
  await expect.poll(() => listening(7000)).toHaveLength(4);
  const found = (await listening(7000)).map(({ protocol, address, unit }) => `${protocol} ${address} ${unit}`);
  expect(found.sort()).toEqual(
    ["udp 0.0.0.0", "tcp 127.0.0.9", "tcp ::1", "tcp 2001:db8:77::10"].map((one) => `${one} several.service`).sort(),
  );
  await expect.poll(() => listening(7001)).toMatchObject([{ address: "*" }]);
});

test("the name that a program has given itself has no control characters, and fakes nobody else", async () => {
  const named =
    'import socket,time;open("/proc/self/comm","w").write("\\x1b[2Jx\\",pid=1,f");' +
    's=socket.socket();s.bind(("127.0.0.1",7002));s.listen();time.sleep(999)';
  await host.inside(`systemd-run -q --unit named -p User=nobody ${PYTHON} '${named}'`);
  await expect.poll(() => listening(7002)).toMatchObject([{ programs: ['[2Jx",pid=1,f'], unit: "named.service" }]);
});

test("a socket of the kernel's has no process", async () => {
  // Wherever WireGuard's module is, it listens like this tunnel.
  await host.inside("ip link add vxlan7 type vxlan id 7 dstport 7003 dev wan0 && ip link set vxlan7 up");
  const found = await listening(7003);
  expect(found.length).toBeGreaterThan(0);
  for (const one of found)
    expect(one).toMatchObject({ protocol: "udp", programs: ["the kernel"], pid: null, unit: "" });
});

test("a socket that systemd keeps for a service has the service's unit", async () => {
  await host.inside(
    "printf '[Socket]\\nListenStream=7004\\n' >/run/systemd/system/waits.socket; " +
      "printf '[Service]\\nExecStart=/usr/bin/sleep 999\\n' >/run/systemd/system/waits.service; " +
      "systemctl daemon-reload; systemctl start waits.socket",
  );
  expect(await listening(7004)).toMatchObject([{ address: "*", programs: ["systemd"], unit: "waits.service" }]);
});

test("what runs in a container has its id, and docker-proxy the name of the container behind it", async () => {
  await installDocker(host);
  const id = "c".repeat(64);
  await host.inside(
    `systemd-run -q --scope --slice machine.slice --unit docker-${id} setsid ${PYTHON} ` +
      "'import socket,time;s=socket.socket();s.bind((\"0.0.0.0\",7005));s.listen();time.sleep(999)' >/dev/null 2>&1 &",
  );
  await expect.poll(() => listening(7005)).toMatchObject([{ container: "c".repeat(12) }]);
  // No engine answers there yet, so nobody knows the name.
  expect(await listening(2283)).toMatchObject([{ address: "*", programs: ["docker-proxy"], container: "" }]);
  const listing = [
    { Id: id, Names: ["/in-the-hosts-network"], Ports: [], NetworkSettings: { Networks: { host: { IPAddress: "" } } } },
    {
      Id: "d".repeat(64),
      Names: ["/immich_server"],
      Ports: [{ IP: "0.0.0.0", PrivatePort: 2283, PublicPort: 2283, Type: "tcp" }],
      NetworkSettings: { Networks: { immich_default: { IPAddress: "172.18.0.2" } } },
    },
  ];
  const engine = `import http.server, socketserver
class Engine(http.server.BaseHTTPRequestHandler):
    def address_string(self): return ""
    def do_GET(self):
        self.send_response(200 if self.path == "/containers/json" else 404)
        self.end_headers()
        self.wfile.write(open("/run/listing.json", "rb").read())
socketserver.UnixStreamServer("/run/docker.sock", Engine).serve_forever()
`;
  await host.inside("cat >/run/listing.json", { input: JSON.stringify(listing) });
  await host.inside("cat >/run/engine.py", { input: engine });
  await host.inside("systemd-run -q --unit engine /usr/bin/python3 /run/engine.py");
  await expect.poll(() => listening(7005)).toMatchObject([{ container: "in-the-hosts-network" }]);
  expect(await listening(2283)).toMatchObject([{ container: "immich_server" }]);
  // An engine that is not running is not started by a look at its socket.
  await host.inside("systemctl stop docker");
  expect(await listening(7005)).toMatchObject([{ container: "c".repeat(12) }]);
});

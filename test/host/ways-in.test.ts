// What leads to Immich past our guarded server is refused before anything changes.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { fingerprint, LINE, PAYLOAD } from "./firewall-support.ts";
import { Doors, proxy, TLS } from "./support/doors.ts";

let host: TestHost;
let doors: Doors;
beforeAll(async () => {
  host = await startTestHost();
  doors = new Doors(host);
  await doors.prepare();
});
afterEach(() => doors.clear());
afterAll(() => host.close());

const FILE = "/etc/nginx/conf.d/owner.conf";
const CLOUDFLARE =
  "this program's own rule opens that port to Cloudflare's addresses, from which each of its customers can send";
const TAKE_OUT = (line: number) =>
  `take the server at ${FILE}:${line} out of nginx's files and run \`systemctl reload nginx\` on the host`;
const AGAIN = "; then run `pulumi up` again; nothing has been changed\n";

/** What the step says that refuses the host; it must have left the firewall alone. */
async function refused(): Promise<string> {
  const before = await fingerprint(host);
  const { code, said } = await host.step("firewall", PAYLOAD);
  expect({ code, said }).toMatchObject({ code: 1 });
  expect(await fingerprint(host)).toBe(before);
  return said.replace(/^immich-access: /, "");
}

/** What the agent finds is nothing. */
const NOTHING = { ways: [], unclear: [], silent: [], obstacles: [], holder: null };

describe("a server of nginx's on port 443", () => {
  test("the guide's own, for every name", async () => {
    const listen = "listen 443 ssl http2 default_server; listen [::]:443 ssl http2 default_server;";
    await doors.nginx(proxy(`${listen} server_name _; ${TLS}`));
    expect(await refused()).toBe(
      `nginx (${FILE}:1) passes requests on port 443 to Immich, past Access, and ${CLOUDFLARE}: ${TAKE_OUT(1)}${AGAIN}`,
    );
  });

  test("one that asks for a certificate of the authority that all customers of Cloudflare share", async () => {
    const verify = "ssl_client_certificate /run/web.pem; ssl_verify_client on;";
    await doors.nginx(proxy(`listen 443 ssl default_server; server_name _; ${TLS} ${verify}`));
    expect(await doors.ways()).toContain(`nginx (${FILE}:1) passes requests on port 443 to Immich`);
  });

  test("one with a name of its own", async () => {
    await doors.nginx(`\n\n${proxy(`listen 443 ssl; server_name photos.lan; ${TLS}`)}`);
    expect(await doors.ways()).toContain(`nginx (${FILE}:3) passes requests on port 443 to Immich`);
  });

  test("one that asks for a password", async () => {
    const password = 'auth_basic "x"; auth_basic_user_file /run/users;';
    await doors.nginx(proxy(`listen 443 ssl; server_name photos.lan; ${TLS} ${password}`));
    expect(await doors.ways()).toContain(`nginx (${FILE}:1) passes`);
  });

  test("one that leads elsewhere is no way in", async () => {
    await doors.nginx(proxy(`listen 443 ssl; server_name cloud.lan; ${TLS}`, "http://127.0.0.1:8080"));
    expect(await doors.look()).toMatchObject(NOTHING);
  });
});

describe("a server of nginx's on a port that ufw opens", () => {
  const HTTP = "listen 8080; listen [::]:8080; server_name _;";

  test("names the rule, and the command that takes it away", async () => {
    await doors.nginx(proxy(HTTP));
    await doors.allow("allow 8080/tcp");
    expect(await refused()).toBe(
      `nginx (${FILE}:1) passes requests on port 8080 to Immich, past Access, and ufw's rule \`allow 8080/tcp\` opens ` +
        `that port to everyone: ${TAKE_OUT(1)}, or run \`ufw delete allow 8080/tcp\` there${AGAIN}`,
    );
  });

  test.each([
    [
      "on port 80, by the profile of nginx's package",
      "listen 80; server_name own.home.localhost;",
      'allow "Nginx HTTP"',
    ],
    ["over IPv6 alone", "listen [::]:8080 ipv6only=on; server_name _;", "allow 8080/tcp"],
    ["on another port for TLS", `listen 8443 ssl; server_name x.lan; ${TLS}`, "allow 8443/tcp"],
    ["on one address", "listen 198.51.100.10:8080;", "allow 8080/tcp"],
    ["on a range of ports", "listen 8080-8082;", "allow 8081/tcp"],
    ["to Cloudflare's addresses alone", HTTP, "allow from 104.16.0.0/13 to any port 8080 proto tcp"],
    ["by a rate limit", HTTP, "limit 8080/tcp"],
    ["by half of the internet", HTTP, "allow from 0.0.0.0/1 to any port 8080"],
  ])("%s", async (_, lines, rule) => {
    await doors.nginx(proxy(lines));
    await doors.allow(rule);
    expect(await doors.ways()).toMatch(
      /^nginx \(\/etc\/nginx\/conf\.d\/owner\.conf:1\) passes requests on port \d+ to Immich/,
    );
  });

  test.each([
    ["a block `upstream`", "http://photos", "upstream photos {\n    server 127.0.0.1:2283;\n}\n"],
    ["a variable", "http://$backend:2283", "map $host $backend {\n    default 127.0.0.1;\n}\n"],
    ["a variable that only a request decides", "http://$host:2283", ""],
    ["another address of the host", "http://198.51.100.10:2283", ""],
    ["a name", "http://localhost:2283", ""],
    ["IPv6", "http://[::1]:2283", ""],
  ])("by way of %s", async (_, target, before) => {
    await doors.nginx(`${before}${proxy(HTTP, target)}`);
    await doors.allow("allow 8080/tcp");
    const line = before.split("\n").length;
    expect(await doors.ways()).toContain(`nginx (${FILE}:${line}) passes requests on port 8080 to Immich`);
  });

  test("by way of another program, which its answer tells", async () => {
    await doors.web("proxy", 9000);
    await doors.nginx(proxy("listen 8080; server_name own.lan;", "http://127.0.0.1:9000"));
    await doors.allow("allow 8080/tcp");
    expect(await doors.ways()).toContain(
      `nginx (${FILE}:1) answers as Immich on port 8080 under any name, past Access, and ufw's rule`,
    );
  });

  test("that speaks HTTP/2 and nothing older", async () => {
    await doors.web("proxy", 9000);
    await doors.nginx(proxy("listen 8080 http2;", "http://127.0.0.1:9000"));
    await doors.allow("allow 8080/tcp");
    expect(await doors.ways()).toContain(`(${FILE}:1) answers as Immich on port 8080`);
  });

  test.each([
    ["the home network alone, by ufw's rule", "", "allow from 192.168.0.0/16 to any port 8080"],
    ["the home network alone, by its own rule", "allow 192.168.0.0/16; allow 127.0.0.1; deny all;", "allow 8080/tcp"],
    ["the interface of a VPN alone", "", "allow in on wg0 to any port 8080"],
    ["nobody", "", "deny 8080/tcp"],
  ])("is no way in if it is for %s", async (_, lines, rule) => {
    await doors.nginx(proxy(`${HTTP} ${lines}`));
    await doors.allow(rule);
    expect(await doors.look()).toMatchObject(NOTHING);
  });

  test("is no way in on loopback", async () => {
    await doors.nginx(proxy("listen 127.0.0.1:8080; listen [::1]:8080;"));
    await doors.allow("allow 8080/tcp");
    expect(await doors.look()).toMatchObject(NOTHING);
  });
});

describe("any other program", () => {
  test("is named with its unit", async () => {
    await doors.web("proxy", 9000);
    await doors.allow("allow 9000/tcp");
    expect(await refused()).toBe(
      "python3 (web-9000.service) answers as Immich on port 9000 under any name, past Access, and ufw's rule " +
        "`allow 9000/tcp` opens that port to everyone: have python3 (web-9000.service) listen on 127.0.0.1 alone, or run " +
        `\`ufw delete allow 9000/tcp\` there${AGAIN}`,
    );
  });

  test.each([
    ["for the site's name alone", "named", PAYLOAD.hostname],
    ["over TLS for the name in its certificate alone", "tls", "own.home.localhost"],
    ["over an older TLS", "tls-old", ""],
  ])("that answers %s", async (_, kind, name) => {
    await doors.web(kind, 9000, name);
    await doors.allow("allow 9000/tcp");
    expect(await doors.ways()).toContain(
      `python3 (web-9000.service) answers as Immich on port 9000 under ${name === "" ? "any name" : name}, past Access`,
    );
  });

  test("that a rule of the kernel's lets in, outside ufw", async () => {
    await doors.web("proxy", 9000);
    await host.inside("iptables -I INPUT -p tcp --dport 9000 -j ACCEPT");
    expect(await doors.ways()).toContain(
      "and the kernel's rule that `iptables -D INPUT -p tcp -m tcp --dport 9000 -j ACCEPT`",
    );
    await host.inside("iptables -D INPUT 1");
  });

  test("is no way in if the firewall keeps it shut", async () => {
    await doors.web("proxy", 9000);
    expect(await doors.look()).toMatchObject(NOTHING);
  });

  test.each([
    ["that redirects", "redirect"],
    ["with pages of its own", "files"],
    ["that sends back what it gets", "echo"],
  ])("%s is no way in", async (_, kind) => {
    await doors.web(kind, 9000);
    await doors.allow("allow 9000/tcp");
    expect(await doors.look()).toMatchObject(NOTHING);
  });
});

test("a program that speaks first, such as a mail server, is sent nothing and is no way in", async () => {
  await doors.web("smtp", 9025);
  await doors.allow("allow 9025/tcp");
  expect(await doors.look()).toMatchObject(NOTHING);
  expect(await host.journal("web-9025", "-g got")).toBe("got b''\ngot b''\n");
});

test("a program that wants a client certificate cannot be asked, and is said", async () => {
  await doors.web("client", 9000);
  await doors.allow("allow 9000/tcp");
  const silent = [
    "port 9000 (python3 (web-9000.service)) closes every connection over TLS; it may want a client certificate",
  ];
  expect(await doors.look()).toMatchObject({ ...NOTHING, silent });
});

test("fifty listeners that hang or are slow take five seconds, and are no ways in", async () => {
  await Promise.all([doors.web("hang", 9100, 40), doors.web("slow", 9140, 10), doors.web("proxy", 9200)]);
  await doors.allow("allow 9100:9200/tcp");
  const { ways, silent, unclear, seconds } = await doors.look();
  expect({ ways: ways.length, silent: silent.length, unclear }).toEqual({ ways: 1, silent: 50, unclear: [] });
  expect(silent[0]).toMatch(/^port \d+ \(python3 \(web-\d+\.service\)\) did not answer in time$/);
  expect(seconds).toBeLessThan(6);
});

test("while Immich is down, the step says what it cannot know, and nginx's files still tell", async () => {
  await host.inside("systemctl stop immich");
  await doors.web("proxy", 9000);
  await doors.allow("allow 9000/tcp");
  const unclear =
    "Immich does not answer on 127.0.0.1:2283 now, so whether port 9000 (python3 (web-9000.service)) leads there " +
    "cannot be seen";
  expect(await doors.look()).toMatchObject({ ...NOTHING, unclear: [unclear] });
  await doors.nginx(proxy("listen 8080;"));
  await doors.allow("allow 8080/tcp");
  expect(await refused()).toContain(`nginx (${FILE}:1) passes requests on port 8080 to Immich`);
  await doors.nginx("");
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({
    code: 0,
    said: `${LINE(1).trimEnd()}; not known: ${unclear}\n`,
  });
  await host.step("firewall-remove", PAYLOAD);
  await host.inside("ufw disable; systemctl start immich");
});

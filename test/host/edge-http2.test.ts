// The sandbox's edge speaks HTTP/2 with nginx on a real host: the site as the agent sets it up, and a server of the test's
// own, which ends a connection after three requests.

import { once } from "node:events";
import type http from "node:http";
import net from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { passBytes } from "../../dev/sandbox/api/forward.ts";
import { certificate, type Fixture, openRequest, startFixtureWith } from "../../dev/sandbox/test/edge-fixture.ts";
import { certificatesPayload, clientCertificate, nginxPayload, Origin, SITE } from "./support/origin.ts";

const BRIEF = "brief.home.localhost";
const SITE_FILE = `/etc/nginx/sites-enabled/immich-access-${SITE}.conf`;
const LOG = "/var/log/nginx/access.log";

let origin: Origin;
let edge: Fixture<net.Server>;
/** Connections that the edge has opened. */
let connections = 0;

beforeAll(async () => {
  origin = await Origin.start();
  edge = await startFixtureWith(() =>
    net.createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      connections += 1;
      passBytes(near, net.connect({ path: origin.way("ipv4"), allowHalfOpen: true }));
    }),
  );
  await origin.apply("certificates", certificatesPayload(certificate(edge.world.cas.originCa, [SITE, BRIEF])));
  await origin.apply("nginx", nginxPayload);
  await origin.run(`cat > /etc/nginx/sites-enabled/brief.conf <<END
server {
    $(grep -E '^ *(listen|http2|ssl_certificate|ssl_certificate_key) ' ${SITE_FILE})
    server_name ${BRIEF};
    keepalive_requests 3;
    client_max_body_size 0;
    location / { proxy_pass http://127.0.0.1:2283; proxy_request_buffering off; }
    location /misdirected { return 421; }
}
END`);
  await origin.reloadNginx();
  const client = clientCertificate();
  await edge.change((state) => {
    const pulls = state.zones[0]!.origin_pulls;
    pulls.hostname_certificates = [
      {
        id: "1",
        certificate: client.certificate,
        private_key: client.privateKey,
        uploaded_on: "",
        active_from: new Date(0).toISOString(),
      },
    ];
    state.dns_records.push({ ...state.dns_records[0]!, id: "2", name: BRIEF });
  });
  await pulls(true);
  await forget();
});
afterAll(async () => {
  await edge.close();
  await origin.close();
});
beforeEach(() => {
  connections = 0;
});

const pulls = (enabled: boolean): Promise<void> =>
  edge.change((state) => {
    const hostname = { hostname: SITE, cert_id: "1", enabled, created_at: "", updated_at: "" };
    state.zones[0]!.origin_pulls.hostnames = [hostname];
  });

/** How often each status came. */
async function statuses(
  count: number,
  options: Parameters<typeof edge.visit>[1] = {},
): Promise<Record<number, number>> {
  const seen: Record<number, number> = {};
  const visits = Array.from({ length: count }, (_, index) => edge.visit(`/${index}`, options));
  for (const { status } of await Promise.all(visits)) seen[status] = (seen[status] ?? 0) + 1;
  return seen;
}

/** The versions of HTTP in nginx's log, with how often each came, since `forget`. */
const versions = (): Promise<string> =>
  origin.run(`grep -o 'HTTP/[0-9.]*"' ${LOG} | sort | uniq -c | tr -s ' \\n' ' '`);

/** Empties nginx's log. */
const forget = (): Promise<string> => origin.run(`truncate -s 0 ${LOG}`);

test("requests and uploads at once share one HTTP/2 connection to nginx", async () => {
  expect(await statuses(60)).toEqual({ 200: 60 });
  expect(await statuses(60, { method: "POST", body: Buffer.alloc(100_000) })).toEqual({ 200: 60 });
  expect(connections).toBe(1);
  await expect.poll(versions).toBe('120 HTTP/2.0"');
});

test("large uploads and downloads at once arrive whole", async () => {
  await edge.change((state) => {
    state.zones[0]!.settings["max_upload"] = { value: 1000, modified_on: null };
  });
  const before = origin.received;
  const transfer = async (method: string, path: string, chunks: number): Promise<string> => {
    const request = openRequest(edge, { method, path });
    const answered = once(request, "response");
    const chunk = Buffer.alloc(1 << 20);
    for (let sent = 0; sent < chunks; sent += 1) if (!request.write(chunk)) await once(request, "drain");
    request.end();
    const [response] = (await answered) as [http.IncomingMessage];
    let received = 0;
    for await (const part of response) received += (part as Buffer).length;
    return `${response.statusCode ?? 0} ${received >> 20} MiB`;
  };
  const transfers = [transfer("POST", "/up", 120), transfer("GET", "/large", 0), transfer("POST", "/up", 120)];
  expect((await edge.visit("/")).status).toBe(200);
  expect(await Promise.all(transfers)).toEqual(["200 0 MiB", "200 64 MiB", "200 0 MiB"]);
  expect(origin.received - before).toBe(240 << 20);
  expect(connections).toBeLessThanOrEqual(1);
});

test("nginx's refusal of a connection without the certificate reaches the visitor as it is, and so does its 421", async () => {
  await pulls(false);
  const refused = await edge.visit("/");
  expect(refused.status).toBe(400);
  expect(refused.body).toContain("No required SSL certificate was sent");
  await pulls(true);
  expect((await edge.visit("/")).status).toBe(200);
  expect((await edge.visit("/misdirected", { host: BRIEF })).status).toBe(421);
});

test("no request is lost to an nginx that ends each connection after three, nor to its reload", async () => {
  const load = async (host: string, rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      expect(await statuses(3, { host })).toEqual({ 200: 3 });
      expect(await statuses(2, { host, method: "POST", body: Buffer.alloc(200_000) })).toEqual({ 200: 2 });
    }
  };
  await load(BRIEF, 20);
  expect(connections).toBeGreaterThan(20);
  const loaded = load(SITE, 40);
  for (let reload = 0; reload < 3; reload += 1) await origin.reloadNginx();
  await loaded;
});

test("a site without HTTP/2 is served over HTTP/1.1, and over HTTP/2 again once it has it", async () => {
  const stash = "/root/site.conf";
  await forget();
  const without = `sed -i 's/ http2;/;/; /^ *http2 on;/d' ${SITE_FILE} /etc/nginx/sites-enabled/brief.conf`;
  await origin.reloadNginx(`cp ${SITE_FILE} ${stash} && ${without}`);
  expect(await statuses(10)).toEqual({ 200: 10 });
  expect(await statuses(10, { method: "POST", body: "hello" })).toEqual({ 200: 10 });
  await expect.poll(versions).toBe('20 HTTP/1.1"');
  await origin.reloadNginx(`cp ${stash} ${SITE_FILE} && rm /etc/nginx/sites-enabled/brief.conf`);
  await expect.poll(async () => (await forget(), await statuses(5), await versions())).toBe('5 HTTP/2.0"');
});

// A test host with its firewall up, a stand-in Immich on it, and Cloudflare's end of the connections to it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { issue, type KeyPairPem, newKey, selfSigned } from "../../../dev/sandbox/certificates/x509.ts";
import { ORIGIN } from "../../../dev/sandbox/network/network.ts";
import type { Told } from "../../support/payloads.ts";
import { startTestHost, type TestHost, type TestHostOptions } from "../../support/host.ts";

export const SITE = "photos.home.localhost";
export const UPSTREAM = "127.0.0.1:2283";
export const RANGES = { ipv4: ["173.245.48.0/20", "104.16.0.0/13"], ipv6: ["2400:cb00::/32", "2606:4700::/32"] };

const DAY = 86_400_000;
export const VALID = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + 90 * DAY) };

/** CAs of a test: the client trusts the first one's server certificates, nginx the second one's client certificates. */
export const ORIGIN_CA = selfSigned({ subject: [["CN", "origin CA"]], ...VALID });
const PULLS_CA = selfSigned({ subject: [["CN", "pulls CA"]], ...VALID }, newKey("rsa"));

/** A server certificate for a site, valid now unless `change` says otherwise. */
export function serverCertificate(site = SITE, change: Partial<Parameters<typeof issue>[1]> = {}): KeyPairPem {
  const key = newKey("ec");
  const args = { subject: [["CN", site] as ["CN", string]], publicKey: key.publicKey, hostnames: [site], ...VALID };
  return { certificate: issue(ORIGIN_CA, { ...args, ...change }), privateKey: key.pem };
}

/** A client certificate as Cloudflare presents it. */
export function clientCertificate(ca = PULLS_CA): KeyPairPem {
  const key = newKey("rsa");
  const args = { subject: [["CN", "pulls"] as ["CN", string]], publicKey: key.publicKey, ...VALID };
  return { certificate: issue(ca, { ...args, usages: ["clientAuth"] }), privateKey: key.pem };
}

/** Payload of the step `certificates`. */
export function certificatesPayload(server: KeyPairPem, change: Record<string, unknown> = {}) {
  return {
    hostname: SITE,
    certificate: server.certificate,
    privateKey: server.privateKey,
    clientCa: PULLS_CA.certificate,
    ...change,
  };
}

/** What a visitor at 192.0.2.7 may have written into a request, with what Cloudflare adds. */
export const MADE_UP = {
  "cf-connecting-ip": "192.0.2.7",
  "x-forwarded-for": "10.0.0.1, 192.0.2.7",
  "x-forwarded-proto": "http",
  "x-forwarded-host": "evil.example",
  "x-real-ip": "10.0.0.1",
  forwarded: "for=10.0.0.1",
};

/** Payload of the step `firewall` and of its removal. */
export const firewallPayload = {
  hostname: SITE,
  serves: "immich",
  upstream: "127.0.0.1:2283",
  ranges: RANGES,
  sshPort: 22,
  confirmSeconds: 120,
};

/** Payload of the step `nginx`. */
export const nginxPayload = {
  hostname: SITE,
  serves: "immich",
  upstream: UPSTREAM,
  audience: null as string | null,
};

export interface ConnectOptions {
  /** Name in the TLS handshake, none if empty. Default: the site. */
  serverName?: string;
  /** Client certificate. Default: one from the CA that nginx trusts; null sends none. */
  client?: KeyPairPem | null;
  family?: "ipv4" | "ipv6";
  /** Whether to trust only the tests' CA. Default: true. */
  ca?: boolean;
  /** Default: ["http/1.1"]. */
  protocols?: string[];
  /** The one TLS version that the client offers. Default: what Node offers. */
  version?: tls.SecureVersion;
  /** Session to resume. Default: none. */
  session?: Buffer;
}

export interface RequestOptions extends ConnectOptions {
  method?: string;
  headers?: http.OutgoingHttpHeaders;
}

/** What a client gets. */
export interface Got {
  status: number;
  body: string;
}

/** A request as the stand-in Immich saw it. */
export interface Seen {
  url: string;
  headers: http.IncomingHttpHeaders;
}

const CLIENT = clientCertificate();

export class Origin {
  public readonly host: TestHost;
  /** Requests that have reached the stand-in, websockets not counted. */
  public requests = 0;
  /** Headers of the last websocket that has reached the stand-in. */
  public upgrade: http.IncomingHttpHeaders = {};
  /** Bytes of request bodies that have reached the stand-in. */
  public received = 0;
  private readonly folder: string;
  private readonly upstream: http.Server;
  private readonly relays: ChildProcess[] = [];

  private constructor(host: TestHost) {
    this.host = host;
    this.folder = mkdtempSync(join(tmpdir(), "immich-access-origin-"));
    this.upstream = http.createServer((request, response) => {
      this.requests += 1;
      request.on("data", (chunk: Buffer) => (this.received += chunk.length));
      request.on("end", () => {
        // For requests that last
        if (request.url?.startsWith("/held")) return;
        if (request.url?.startsWith("/large")) {
          response.end(Buffer.alloc(64 << 20));
          return;
        }
        response.end(JSON.stringify({ url: request.url, headers: request.headers }));
      });
    });
    const sockets = new WebSocketServer({ server: this.upstream });
    sockets.on("connection", (socket, request) => {
      this.upgrade = request.headers;
      socket.on("message", (data, binary) => socket.send(data, { binary }));
    });
  }

  /** Boots the host and puts its firewall up. */
  public static async start(options?: TestHostOptions): Promise<Origin> {
    const origin = new Origin(await startTestHost(options));
    try {
      origin.upstream.listen(join(origin.folder, "immich"));
      await origin.startRelays();
      await origin.apply("firewall", firewallPayload);
      return origin;
    } catch (error) {
      await origin.close();
      throw error;
    }
  }

  /** Runs a step that must succeed; returns its line. */
  public async apply(step: string, told: Told): Promise<string> {
    const { code, said } = await this.host.step(step, told);
    if (code !== 0) throw new Error(`${step}: ${said}`);
    return said.trim();
  }

  /** Runs a step that must fail; returns its error. */
  public async refuse(step: string, told: Told): Promise<string> {
    const { code, said } = await this.host.step(step, told);
    if (code === 0) throw new Error(`${step} did not fail: ${said}`);
    return said;
  }

  /** A shell command line on the host that must succeed; returns what it printed. */
  public async run(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.host.inside(command);
    if (code !== 0) throw new Error(`${command}: ${stderr}`);
    return stdout.trim();
  }

  /** Has nginx take its configuration, as the command changes it; from then on no worker with the former one serves. */
  public async reloadNginx(change = "true"): Promise<void> {
    await this.run(
      `${change} && ` +
        "workers() { pgrep -f '^nginx: worker process$'; }; before=$(workers); systemctl reload nginx && " +
        'until now=$(workers) && ! echo "$now" | grep -qxF "$before"; do sleep 0.05; done',
    );
  }

  /** Everything below nginx's and our folders with times and content, and nginx's processes: equal if nothing changed. */
  public snapshot(): Promise<string> {
    return this.run(
      "find /etc/nginx /etc/immich-access -printf '%p %y %m %T@ %l\\n' 2>/dev/null | sort; " +
        "find /etc/nginx /etc/immich-access -type f -exec sha256sum {} + 2>/dev/null | sort; " +
        "pgrep -f '^nginx: worker process$' || true",
    );
  }

  /** The socket that leads to the host's port 443 as from Cloudflare. */
  public way(family: "ipv4" | "ipv6"): string {
    return join(this.folder, family);
  }

  /** Cloudflare's TLS connection to the host. */
  public async connect(options: ConnectOptions = {}): Promise<tls.TLSSocket> {
    const {
      serverName = SITE,
      client = CLIENT,
      ca = true,
      family = "ipv4",
      protocols = ["http/1.1"],
      version,
      session,
    } = options;
    const socket = tls.connect({
      socket: net.connect(this.way(family)),
      ca: ORIGIN_CA.certificate,
      rejectUnauthorized: ca,
      checkServerIdentity: () => undefined,
      servername: serverName,
      cert: client?.certificate,
      key: client?.privateKey,
      ALPNProtocols: protocols,
      ...(version && { minVersion: version, maxVersion: version, ciphers: "DEFAULT:@SECLEVEL=0" }),
      session,
    });
    await once(socket, "secureConnect");
    return socket;
  }

  /** A request over a connection of its own, not yet ended. */
  public async request(path: string, options: RequestOptions = {}): Promise<http.ClientRequest> {
    const socket = await this.connect(options);
    const { method = "GET", headers = {} } = options;
    return http.request({ path, method, headers: { host: SITE, ...headers }, createConnection: () => socket });
  }

  public async get(path: string, options?: RequestOptions): Promise<Got> {
    const request = await this.request(path, options);
    request.end();
    return answer(request);
  }

  /** What the stand-in saw of a request that must reach it. */
  public async seen(path: string, options?: RequestOptions): Promise<Seen> {
    const { status, body } = await this.get(path, options);
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
    return JSON.parse(body) as Seen;
  }

  /** Ends everything, or what is there of it. */
  public async close(): Promise<void> {
    for (const relay of this.relays) relay.kill();
    this.upstream.close();
    this.upstream.closeAllConnections();
    rmSync(this.folder, { recursive: true, force: true });
    await this.host.close();
  }

  /** Puts the ways into the host's and the edge's networks up, also after a reboot, which takes the host's away. */
  public async startRelays(): Promise<void> {
    for (const relay of this.relays.splice(0)) relay.kill();
    for (const family of Object.keys(ORIGIN)) rmSync(join(this.folder, family), { force: true });
    await this.relay("host", [
      { listen: { host: "127.0.0.1", port: 2283 }, connect: { path: join(this.folder, "immich") } },
    ]);
    const ways = Object.entries(ORIGIN).map(([family, host]) => ({
      listen: { path: join(this.folder, family) },
      connect: { host, port: 443 },
    }));
    await this.relay("edge", ways);
    for (const family of Object.keys(ORIGIN)) await appeared(join(this.folder, family));
    await this.listening(UPSTREAM);
  }

  /** Waits until something on the host listens on `address:port`. */
  public async listening(endpoint: string): Promise<void> {
    await this.run(`until ss -Hltn 'src = ${endpoint}' | grep -q .; do sleep 0.05; done`);
  }

  /** Passes bytes from sockets in the host's or the edge's network to sockets elsewhere, from now to the next reboot. */
  public async relay(place: "host" | "edge", routes: object[]): Promise<void> {
    const program = join(import.meta.dirname, "relay.ts");
    const space = `ia${this.host.number}-${place}`;
    const relay = spawn("ip", ["netns", "exec", space, process.execPath, program, JSON.stringify(routes)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.relays.push(relay);
    await once(relay.stdout, "data");
  }
}

/** The answer to a request. */
export async function answer(request: http.ClientRequest): Promise<Got> {
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
}

async function appeared(path: string): Promise<void> {
  for (let tries = 0; !existsSync(path); tries++) {
    if (tries > 3000) throw new Error(`${path} did not appear`);
    await sleep(20);
  }
}

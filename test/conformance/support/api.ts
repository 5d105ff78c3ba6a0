// A small API that records what it is asked and answers as the one did with which the traces were recorded.
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as the traces have it. */
export interface Request {
  method: string;
  path: string;
  body?: Json | undefined;
  contentType?: string | undefined;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

export const zone = "023e105f4ecef8ad9ca31a8372d0c353";
export const account = "f037e56e89293a057740de681ac9abbe";

const now = "2026-11-24T01:52:45Z";
const later = "2027-11-23T00:00:00Z";

/** What the API knows of a collection's element beyond what was sent. */
const extras: Readonly<Record<string, (id: string, body: JsonObject) => JsonObject>> = {
  [`accounts/${account}/access/identity_providers`]: () => ({ scim_config: { enabled: false } }),
  [`accounts/${account}/access/policies`]: () => ({}),
  [`accounts/${account}/access/service_tokens`]: (id) => ({ client_id: `${id}.access`, expires_at: later }),
  [`accounts/${account}/access/apps`]: () => ({ aud: "bd".repeat(32), self_hosted_domains: ["immich.example.com"] }),
  [`zones/${zone}/dns_records`]: () => ({
    comment_modified_on: now,
    created_on: now,
    meta: {},
    modified_on: now,
    proxiable: true,
    settings: {},
    tags: [],
  }),
  certificates: () => ({
    certificate: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    expires_on: "2027-11-23 00:00:00 +0000 UTC",
  }),
  [`zones/${zone}/origin_tls_client_auth`]: () => ({
    enabled: true,
    expires_on: later,
    issuer: "CN=x",
    signature: "SHA256WithRSA",
    status: "active",
    uploaded_on: now,
  }),
  [`zones/${zone}/origin_tls_client_auth/hostnames/certificates`]: () => ({
    expires_on: later,
    issuer: "CN=x",
    serial_number: "1",
    signature: "ECDSA-SHA256",
    status: "active",
    uploaded_on: now,
  }),
};

/** Never answered again once it has been sent, by field. */
const writeOnly = ["private_key", "client_secret"];

async function readBody(request: IncomingMessage): Promise<Json | undefined> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk as string;
  return text === "" ? undefined : (JSON.parse(text) as Json);
}

/** The recording API on a loopback port. */
export class RecordingApi {
  /** Base address for the provider. */
  url = "";
  /** Every client secret that was ever given out. */
  readonly secrets: string[] = [];
  /** Problems to answer with instead, by "METHOD path"; each is used once. */
  readonly failures = new Map<string, { status: number; body: string }>();
  readonly #server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const { method = "", url = "" } = request;
      const contentType = request.headers["content-type"];
      this.#requests.push({
        method,
        path: url,
        body,
        contentType,
      });
      const failure = this.failures.get(`${method} ${url}`);
      this.failures.delete(`${method} ${url}`);
      const answer = failure ?? this.#answer(method, url.replace("/client/v4/", ""), body as JsonObject);
      response.writeHead(answer.status, { "Content-Type": "application/json", "x-should-retry": "false" });
      response.end(answer.body);
    });
  });
  readonly #elements = new Map<string, JsonObject>();
  readonly #roles = new Map<string, string>();
  #requests: Request[] = [];
  #count = 0;

  /** Starts to listen. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/client/v4`;
  }

  /** Stops. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The requests since the last call. */
  take(): Request[] {
    const taken = this.#requests;
    this.#requests = [];
    return taken;
  }

  /** `text` with this API's ids replaced by their names ("<devices>"). */
  nameIds(text: string): string {
    let named = text.replaceAll(zone, "ZONE").replaceAll(account, "ACCOUNT");
    for (const [id, role] of this.#roles) named = named.replaceAll(id, `<${role}>`);
    return named;
  }

  #answer(method: string, path: string, body: JsonObject): { status: number; body: string } {
    const result = this.#result(method, path, body);
    if (result === undefined) {
      return { status: 404, body: '{"success":false,"errors":[{"code":1000,"message":"not found"}],"result":null}' };
    }
    return { status: 200, body: JSON.stringify({ success: true, errors: [], messages: [], result }) };
  }

  #result(method: string, path: string, body: JsonObject): Json | undefined {
    const pulls = `zones/${zone}/origin_tls_client_auth`;
    if (path === "ips") return { etag: "e", ipv4_cidrs: ["173.245.48.0/20"], ipv6_cidrs: ["2400:cb00::/32"] };
    if (path.startsWith(`zones/${zone}/settings/`) || path === `${pulls}/settings`) {
      const id = path.split("/").at(-1)!;
      const kept = { id, editable: true, modified_on: now, ...this.#elements.get(path), ...body };
      this.#elements.set(path, kept);
      return kept;
    }
    if (path === `${pulls}/hostnames`) return [this.#association((body.config as JsonObject[])[0]!)];
    const host = new RegExp(`^${pulls}/hostnames/([^/]+\\.[^/]+)$`).exec(path)?.[1];
    if (host) return this.#elements.get(host);
    if (method === "POST" && extras[path]) return this.#create(path, body);

    const element = this.#elements.get(path);
    if (!element) return undefined;
    if (method === "DELETE") this.#elements.delete(path);
    if (method === "PUT") this.#replace(element, body);
    const shown = Object.entries(element).filter(([name]) => method === "PUT" || !writeOnly.includes(name));
    return Object.fromEntries(shown.filter(([, value]) => value !== null));
  }

  #create(collection: string, body: JsonObject): JsonObject {
    this.#count++;
    const id = `00000000-0000-4000-8000-${String(this.#count).padStart(12, "0")}`;
    const kind = collection.split("/").at(-1)!;
    this.#roles.set(id, typeof body.name === "string" ? body.name : `${kind} ${collection.split("/").length}`);
    const element: JsonObject = { ...extras[collection]!(id, body), ...body, id };
    if (kind === "service_tokens") element.client_secret = this.#secret();
    this.#elements.set(`${collection}/${id}`, element);
    return element;
  }

  #replace(element: JsonObject, body: JsonObject): void {
    const raised = Number(body.client_secret_version ?? 0) > Number(element.client_secret_version ?? 0);
    Object.assign(element, body);
    if (raised) element.client_secret = this.#secret();
  }

  #secret(): string {
    const secret = `client-secret-${this.secrets.length + 1}-${"x".repeat(40)}`;
    this.secrets.push(secret);
    return secret;
  }

  #association(config: JsonObject): JsonObject {
    const association = {
      ...config,
      cert_status: "active",
      cert_updated_at: now,
      cert_uploaded_on: now,
      certificate: "x",
      created_at: now,
      expires_on: later,
      issuer: "x",
      serial_number: "1",
      signature: "x",
      status: "active",
      updated_at: now,
    };
    this.#elements.set(config.hostname as string, association);
    return association;
  }
}

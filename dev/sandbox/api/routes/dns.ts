// DNS records: the names that the edge serves, and where it goes for them.

import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { Hono } from "hono";
import { z } from "zod";
import { ApiError, ok, page } from "../answers.ts";
import { check, jsonBody, now } from "../bodies.ts";
import { newId } from "../ids.ts";
import type { DnsRecord, State, Zone } from "../state.ts";
import type { Store } from "../store.ts";
import type { Variables } from "../tokens.ts";
import { isHostname, zoneFor } from "./scope.ts";

const PROXIABLE = ["A", "AAAA", "CNAME"];

const recordSchema = z.strictObject({
  name: z.string().min(1),
  type: z.enum(["A", "AAAA", "CNAME", "TXT", "MX", "NS", "CAA", "SRV"]),
  content: z.string().min(1).max(4096),
  ttl: z.int().default(1),
  proxied: z.boolean().nullish(),
  priority: z.int().min(0).max(65535).nullish(),
  comment: z.string().max(500).nullish(),
  tags: z.array(z.string()).nullish(),
  settings: z.record(z.string(), z.unknown()).nullish(),
});

/** The full name of a record in ASCII, whatever it was made with: `@` and bare names are relative to the zone. */
function fullName(name: string, zone: Zone): string {
  const plain = name.toLowerCase().replace(/\.$/, "");
  const lower = /^[ -~]*$/.test(plain) ? plain : domainToASCII(plain) || plain;
  if (lower === "@") return zone.name;
  return lower === zone.name || lower.endsWith(`.${zone.name}`) ? lower : `${lower}.${zone.name}`;
}

function refuse(code: number, message: string): never {
  throw new ApiError(400, code, message);
}

function parse(body: unknown, zone: Zone, before?: DnsRecord): DnsRecord {
  const given = check(recordSchema, body, { code: 1004, prefix: "DNS Validation Error: " });
  const name = fullName(given.name, zone);
  if (!isHostname(name)) refuse(9000, "DNS name is invalid.");
  if (given.type === "A" && !isIPv4(given.content)) refuse(9005, "Content for A record must be a valid IPv4 address.");
  if (given.type === "AAAA" && !isIPv6(given.content)) {
    refuse(9006, "Content for AAAA record must be a valid IPv6 address.");
  }
  if (given.type === "CNAME" && !isHostname(given.content.toLowerCase())) {
    refuse(9007, "Content for CNAME record is invalid.");
  }
  if (given.type === "MX" && given.priority == null) refuse(9009, "MX records must have a priority.");
  const proxied = given.proxied ?? false;
  if (proxied && !PROXIABLE.includes(given.type)) refuse(9004, "This record type cannot be proxied.");
  if (proxied && given.ttl !== 1) refuse(9021, "ttl must be set to 1 when `proxied` is true.");
  if (given.ttl !== 1 && (given.ttl < 60 || given.ttl > 86400)) {
    refuse(9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.");
  }
  const time = now();
  return {
    id: before?.id ?? newId(),
    zone_id: zone.id,
    name,
    type: given.type,
    content: given.type === "CNAME" ? given.content.toLowerCase() : given.content,
    proxied,
    ttl: given.ttl,
    priority: given.priority ?? undefined,
    comment: given.comment ?? null,
    tags: given.tags ?? [],
    settings: given.settings ?? {},
    created_on: before?.created_on ?? time,
    modified_on: time,
  };
}

/** Throws if the record conflicts with existing ones. */
function requireNoClash(state: Readonly<State>, record: DnsRecord): void {
  const others = state.dns_records.filter(
    (other) => other.zone_id === record.zone_id && other.name === record.name && other.id !== record.id,
  );
  const twin = others.find((other) => other.type === record.type && other.content === record.content);
  if (twin !== undefined) {
    const identical = twin.proxied === record.proxied && twin.ttl === record.ttl;
    refuse(identical ? 81058 : 81057, identical ? "An identical record already exists." : "Record already exists.");
  }
  if (record.type === "CNAME" && others.some((other) => PROXIABLE.includes(other.type))) {
    refuse(81053, "An A, AAAA, or CNAME record with that host already exists.");
  }
  if (PROXIABLE.includes(record.type) && others.some((other) => other.type === "CNAME")) {
    refuse(81054, "A CNAME record with that host already exists.");
  }
}

function shown(record: DnsRecord): object {
  const { zone_id: _zone, comment, ...rest } = record;
  return {
    ...rest,
    proxiable: PROXIABLE.includes(record.type),
    meta: {},
    comment,
    comment_modified_on: comment === null ? undefined : record.modified_on,
  };
}

export function dnsRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/zones/:zone{[0-9a-f]{32}}/dns_records");

  const find = (zone: Zone, id: string): DnsRecord => {
    const record = store.state.dns_records.find((candidate) => candidate.zone_id === zone.id && candidate.id === id);
    if (record === undefined) throw new ApiError(404, 81044, "Record does not exist.");
    return record;
  };
  const put = (record: DnsRecord): void => {
    store.change((state) => {
      requireNoClash(state, record);
      state.dns_records = [...state.dns_records.filter((other) => other.id !== record.id), record];
    });
  };

  routes.get("/", (c) => {
    const zone = zoneFor(store, c, "DNS Read");
    const { name, type, content, proxied } = c.req.query();
    const records = store.state.dns_records.filter(
      (record) =>
        record.zone_id === zone.id &&
        (name === undefined || record.name === name.toLowerCase()) &&
        (type === undefined || record.type === type) &&
        (content === undefined || record.content === content) &&
        (proxied === undefined || String(record.proxied) === proxied),
    );
    return page(c, records.map(shown));
  });

  routes.post("/", async (c) => {
    const zone = zoneFor(store, c, "DNS Write");
    const record = parse(await jsonBody(c), zone);
    put(record);
    return ok(c, shown(record));
  });

  routes.get("/:record", (c) => ok(c, shown(find(zoneFor(store, c, "DNS Read"), c.req.param("record")))));

  routes.on(["PUT", "PATCH"], "/:record", async (c) => {
    const zone = zoneFor(store, c, "DNS Write");
    const body = await jsonBody(c);
    const before = find(zone, c.req.param("record"));
    const { id: _id, zone_id: _zone, created_on: _created, modified_on: _modified, ...fields } = before;
    const record = parse(c.req.method === "PATCH" ? { ...fields, ...body } : body, zone, before);
    put(record);
    return ok(c, shown(record));
  });

  routes.delete("/:record", (c) => {
    const { id } = find(zoneFor(store, c, "DNS Write"), c.req.param("record"));
    store.change((state) => {
      state.dns_records = state.dns_records.filter((record) => record.id !== id);
    });
    return ok(c, { id });
  });

  return routes;
}

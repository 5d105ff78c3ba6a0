// Service tokens, for devices that cannot log in. A secret is returned once and stored as a hash.

import { Hono } from "hono";
import { z } from "zod";
import { ApiError, ok, page } from "../answers.ts";
import { goDuration, now, readBody, rfc3339 } from "../bodies.ts";
import { newId, newServiceTokenSecret, newUuid } from "../ids.ts";
import type { ServiceToken } from "../state.ts";
import type { Store } from "../store.ts";
import { hash, type Variables } from "../tokens.ts";
import { ACCESS_REFUSAL } from "./access-policies.ts";
import { accountFor } from "./scope.ts";

/** Cloudflare's limit of service tokens in an account. */
const LIMIT = 50;
const YEAR = "8760h";

const duration = z
  .string()
  .refine((text) => text === "forever" || (goDuration(text) ?? 0) > 0, 'is a duration such as "8760h", or "forever"');

const tokenSchema = z.strictObject({
  name: z.string().min(1).max(255),
  duration: duration.nullish(),
  enabled: z.boolean().nullish(),
  client_secret_version: z.int().min(1).nullish(),
  previous_client_secret_expires_at: z.iso.datetime({ offset: true }).nullish(),
});
const rotateSchema = z.strictObject({ previous_client_secret_expires_at: z.iso.datetime({ offset: true }).nullish() });

const READ = ["Access: Service Tokens Read"];
const WRITE = ["Access: Service Tokens Write"];

const expiry = (length: string): string | null =>
  length === "forever" ? null : rfc3339(new Date(Date.now() + (goDuration(length) ?? 0)));

function shown(token: ServiceToken, secret?: string): object {
  const { account_id: _account, secret_hash: _hash, previous_secret_hash: _previous, ...rest } = token;
  const { expires_at, previous_client_secret_expires_at, ...plain } = rest;
  return {
    ...plain,
    expires_at: expires_at ?? undefined,
    previous_client_secret_expires_at: previous_client_secret_expires_at ?? undefined,
    client_secret: secret,
  };
}

/** Gives the token a new secret. The old one stays valid until `previousUntil`; without it, it ends at once. */
function rotate(
  token: ServiceToken,
  version: number,
  previousUntil: string | null,
): { token: ServiceToken; secret: string } {
  const secret = newServiceTokenSecret();
  const rotated: ServiceToken = {
    ...token,
    secret_hash: hash(secret),
    client_secret_version: version,
    previous_secret_hash: previousUntil === null ? null : token.secret_hash,
    previous_client_secret_expires_at: previousUntil,
    updated_at: now(),
  };
  return { token: rotated, secret };
}

/** Applies a PUT. The secret is there only if the version rose. */
function update(before: ServiceToken, body: z.output<typeof tokenSchema>): { token: ServiceToken; secret?: string } {
  const length = body.duration ?? before.duration;
  const version = body.client_secret_version ?? before.client_secret_version;
  if (version < before.client_secret_version) {
    throw new ApiError(400, 12130, "access.api.error.invalid_request: client_secret_version cannot go down");
  }
  const token: ServiceToken = {
    ...before,
    name: body.name,
    enabled: body.enabled ?? before.enabled,
    duration: length,
    // As documented for a custom length: it counts from the update. An unchanged length moves nothing.
    expires_at: length === before.duration ? before.expires_at : expiry(length),
    updated_at: now(),
  };
  if (version === before.client_secret_version) return { token };
  return rotate(token, version, body.previous_client_secret_expires_at ?? null);
}

export function serviceTokenRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/accounts/:account{[0-9a-f]{32}}/access/service_tokens");

  const find = (accountId: string, id: string): ServiceToken => {
    const token = store.state.service_tokens.find((t) => t.account_id === accountId && t.id === id);
    if (token === undefined) throw new ApiError(404, 12134, "access.api.error.service_token_not_found");
    return token;
  };
  const put = (token: ServiceToken): void =>
    store.change((state) => {
      state.service_tokens = state.service_tokens.map((other) => (other.id === token.id ? token : other));
    });

  routes.get("/", (c) => {
    const account = accountFor(store, c, ...READ);
    const tokens = store.state.service_tokens.filter((token) => token.account_id === account.id);
    return page(
      c,
      tokens.map((token) => shown(token)),
    );
  });

  routes.post("/", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, tokenSchema, ACCESS_REFUSAL);
    const length = body.duration ?? YEAR;
    const secret = newServiceTokenSecret();
    const time = now();
    const token: ServiceToken = {
      id: newUuid(),
      account_id: account.id,
      name: body.name,
      duration: length,
      enabled: body.enabled ?? true,
      client_id: `${newId()}.access`,
      secret_hash: hash(secret),
      client_secret_version: body.client_secret_version ?? 1,
      previous_secret_hash: null,
      previous_client_secret_expires_at: null,
      expires_at: expiry(length),
      created_at: time,
      updated_at: time,
    };
    store.change((state) => {
      const own = state.service_tokens.filter((other) => other.account_id === account.id);
      if (own.length >= LIMIT) {
        throw new ApiError(400, 12135, `access.api.error.service_token_limit: an account has at most ${LIMIT} tokens`);
      }
      state.service_tokens.push(token);
    });
    return ok(c, shown(token, secret), 201);
  });

  routes.get("/:id", (c) => {
    const account = accountFor(store, c, ...READ);
    return ok(c, shown(find(account.id, c.req.param("id"))));
  });

  routes.put("/:id", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, tokenSchema, ACCESS_REFUSAL);
    const { token, secret } = update(find(account.id, c.req.param("id")), body);
    put(token);
    return ok(c, shown(token, secret));
  });

  routes.post("/:id/rotate", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, rotateSchema, ACCESS_REFUSAL);
    const before = find(account.id, c.req.param("id"));
    const { token, secret } = rotate(
      before,
      before.client_secret_version + 1,
      body.previous_client_secret_expires_at ?? null,
    );
    put(token);
    return ok(c, shown(token, secret));
  });

  // By a year, whatever the token's length is; the secret stays.
  routes.post("/:id/refresh", (c) => {
    const account = accountFor(store, c, ...WRITE);
    const token = { ...find(account.id, c.req.param("id")), expires_at: expiry(YEAR), updated_at: now() };
    put(token);
    return ok(c, shown(token));
  });

  routes.delete("/:id", (c) => {
    const account = accountFor(store, c, ...WRITE);
    const token = find(account.id, c.req.param("id"));
    store.change((state) => {
      state.service_tokens = state.service_tokens.filter((other) => other.id !== token.id);
    });
    return ok(c, shown(token));
  });

  return routes;
}

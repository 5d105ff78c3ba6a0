// The admin side of the API double, for the edge, the lifecycle and the tests; only its unix socket serves it.

import { Hono } from "hono";
import { z } from "zod";
import { ApiError, failed } from "./answers.ts";
import type { World } from "./app.ts";
import { check, jsonBody, now } from "./bodies.ts";
import { faultSchema } from "./faults.ts";
import { newApiToken, newId } from "./ids.ts";
import type { Mail, State } from "./state.ts";
import { hash, PROGRAM_PERMISSIONS } from "./tokens.ts";

const REFUSAL = { code: 1, prefix: "sandbox: " };
const KEPT_MAILS = 50;

const mailSchema = z.strictObject({
  to: z.string(),
  pin: z.string(),
  application: z.string(),
  expires_at: z.string(),
});
const endedSchema = z.strictObject({ nonce: z.string(), until: z.int() });
const tokenSchema = z.strictObject({
  name: z.string().min(1),
  permissions: z.array(z.string()).default([...PROGRAM_PERMISSIONS]),
  zones: z.array(z.string()).default(["*"]),
  accounts: z.array(z.string()).default(["*"]),
  status: z.enum(["active", "disabled"]).default("active"),
  usable_from: z.iso.datetime().nullable().default(null),
  expires_on: z.string().nullable().default(null),
});
const organizationSchema = z.strictObject({
  strict_service_token_auth: z.boolean().optional(),
  deny_unmatched_requests: z.boolean().optional(),
  session_duration: z.string().optional(),
});

export type ApiTokenRequest = z.input<typeof tokenSchema>;
export type OrganizationPatch = z.output<typeof organizationSchema>;

/** JSON merge patch (RFC 7386): objects are merged, `null` removes, everything else replaces. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

/** Milliseconds to wait, from the query, at most a minute. */
const patience = (text: string | undefined): number => Math.min(Math.max(Number(text ?? 0) || 0, 0), 60_000);

/** The routes under `/sandbox`. */
export function adminApp({ store, cas, journal, faults }: World): Hono {
  const admin = new Hono().basePath("/sandbox");
  admin.onError((error, c) => {
    if (error instanceof ApiError) return failed(c, error);
    console.error(`!!! INTERNAL ERROR ${c.req.method} ${c.req.path}:`, error);
    return failed(c, new ApiError(500, 1, "Internal error of the sandbox; its log says more"));
  });

  admin.get("/ready", (c) => c.json({ ready: true, pid: process.pid }));

  // What the edge runs on, with every key. Waits up to `wait` ms while the state still is the one named by `tag`.
  admin.get("/edge-state", async (c) => {
    const changed = await store.differs(c.req.query("tag") ?? "", patience(c.req.query("wait")));
    if (!changed) return c.body(null, 304);
    return c.json({ tag: store.tag, state: store.state, cas });
  });

  admin.get("/state", (c) => c.json(store.state));
  admin.patch("/state", async (c) => {
    const patch = await jsonBody(c);
    store.change((state) => Object.assign(state, merge(state, patch) as State));
    return c.json(store.state);
  });
  admin.patch("/organization", async (c) => {
    const patch = check(organizationSchema, await jsonBody(c), REFUSAL);
    store.change((state) => {
      for (const organization of state.organizations) Object.assign(organization, patch, { updated_at: now() });
    });
    return c.json({});
  });

  admin.post("/tokens", async (c) => {
    const body = check(tokenSchema, await jsonBody(c), REFUSAL);
    const [id, token] = [newId(), newApiToken()];
    store.change((state) => state.api_tokens.push({ id, secret_hash: hash(token), ...body }));
    return c.json({ id, token });
  });
  admin.delete("/tokens/:id", (c) => {
    store.change((state) => {
      state.api_tokens = state.api_tokens.filter((token) => token.id !== c.req.param("id"));
    });
    return c.json({});
  });

  admin.get("/faults", (c) => c.json(faults.list()));
  admin.post("/faults", async (c) => c.json(faults.add(check(faultSchema, await jsonBody(c), REFUSAL)), 201));
  // With `hits` and `wait` (ms): answers once the fault was hit that often, or when the time is up.
  admin.get("/faults/:id", async (c) => {
    const id = c.req.param("id");
    await faults.hit(id, Number(c.req.query("hits") ?? 0), patience(c.req.query("wait")));
    const fault = faults.get(id);
    if (fault === undefined) throw new ApiError(404, 1, `sandbox: no fault ${id}`);
    return c.json(fault);
  });
  admin.delete("/faults/:id?", (c) => {
    faults.remove(c.req.param("id"));
    return c.json({});
  });

  admin.get("/requests", (c) => c.json(journal.since(Number(c.req.query("after") ?? 0))));

  admin.get("/mailbox", (c) => {
    const to = c.req.query("to");
    return c.json(store.state.mailbox.filter((mail) => to === undefined || mail.to === to.toLowerCase()));
  });
  admin.post("/mailbox", async (c) => {
    const mail: Mail = { at: new Date().toISOString(), ...check(mailSchema, await jsonBody(c), REFUSAL) };
    store.change((state) => {
      state.mailbox = [mail, ...state.mailbox].slice(0, KEPT_MAILS);
    });
    return c.json({}, 201);
  });
  admin.post("/ended-sessions", async (c) => {
    const ended = check(endedSchema, await jsonBody(c), REFUSAL);
    const seconds = Date.now() / 1000;
    store.change((state) => {
      state.ended_sessions = [...state.ended_sessions.filter((session) => session.until > seconds), ended];
    });
    return c.json({}, 201);
  });

  return admin;
}

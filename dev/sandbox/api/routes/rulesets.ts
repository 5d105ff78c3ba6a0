// Origin rules: the rulesets of a zone, of which each phase has one at most, its entry point.

import { type Context, Hono } from "hono";
import { z } from "zod";
import { ApiError, ok } from "../answers.ts";
import { check, jsonBody, now } from "../bodies.ts";
import { newId } from "../ids.ts";
import { parseExpression } from "../origin-rules.ts";
import type { OriginRule, Ruleset, Zone } from "../state.ts";
import type { Store } from "../store.ts";
import type { Variables } from "../tokens.ts";
import { zoneFor } from "./scope.ts";

const PHASE = "http_request_origin";
/** By plan; Free may override the port only. */
const MOST_RULES = { Free: 10, Pro: 25, Business: 50, Enterprise: 300 } as const;
const REFUSAL = { code: 20120, prefix: "invalid JSON: " };

const ruleSchema = z.strictObject({
  ref: z.string().min(1).max(64).optional(),
  description: z.string().optional(),
  expression: z.string(),
  action: z.literal("route", { error: "the action is not allowed in this phase" }),
  action_parameters: z.strictObject({
    origin: z.strictObject({ host: z.string().optional(), port: z.int().min(1).max(65535).optional() }),
  }),
  enabled: z.boolean().default(true),
});
const rulesSchema = z.strictObject({
  name: z.string().optional(),
  description: z.string().optional(),
  kind: z.literal("zone").optional(),
  phase: z.literal(PHASE).optional(),
  rules: z.array(ruleSchema).default([]),
});

export function rulesetRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/zones/:zone{[0-9a-f]{32}}/rulesets");

  const missing = (what: string) => new ApiError(404, 10003, `could not find ${what}`);
  const find = (zone: Zone, id: string): Ruleset => {
    const found = zone.rulesets?.find((one) => one.id === id);
    if (!found) throw missing("ruleset");
    return found;
  };
  const ruleOf = ({ rules }: Ruleset, id: string): OriginRule => {
    const found = rules.find((one) => one.id === id);
    if (!found) throw missing("ruleset rule");
    return found;
  };

  /** A rule as it is kept, with the id of `before` if it is that rule. */
  const kept = (zone: Zone, body: unknown, before?: OriginRule): OriginRule => {
    const given = check(ruleSchema, body, REFUSAL);
    if (parseExpression(given.expression) === undefined) {
      throw new ApiError(400, 20127, `'${given.expression}' is not a valid value for expression`);
    }
    if ((zone.plan ?? "Free") === "Free" && given.action_parameters.origin.host !== undefined) {
      throw new ApiError(400, 20147, "not entitled to use the origin host override");
    }
    const id = before?.id ?? newId();
    const { ref = before?.ref ?? id, description = "", ...rest } = given;
    const version = before ? String(Number(before.version) + 1) : "1";
    return { ...rest, description, ref, id, version, last_updated: now() };
  };

  /** Puts a ruleset with these rules in place of the former one. */
  const put = (zone: Zone, former: Ruleset | undefined, changes: Partial<Pick<Ruleset, "name" | "rules">>): Ruleset => {
    const base = former ?? { id: newId(), name: "", kind: "zone", phase: PHASE, version: "0", rules: [] };
    const next: Ruleset = {
      ...base,
      ...changes,
      version: String(Number(base.version) + 1),
      last_updated: now(),
    };
    const most = MOST_RULES[zone.plan ?? "Free"];
    if (next.rules.length > most) {
      throw new ApiError(400, 20217, `exceeded maximum number of rules in the phase ${PHASE}: ${most.toString()}`);
    }
    if (new Set(next.rules.map(({ ref }) => ref)).size < next.rules.length) {
      throw new ApiError(400, 20119, "two rules have the same ref");
    }
    replace(zone, former, next);
    return next;
  };
  const replace = (zone: Zone, former: Ruleset | undefined, next: Ruleset | undefined): void => {
    store.change((state) => {
      const target = state.zones.find(({ id }) => id === zone.id);
      if (!target) return;
      const others = (target.rulesets ?? []).filter(({ id }) => id !== former?.id);
      target.rulesets = [...others, ...(next ? [next] : [])];
    });
  };

  const written = (c: Context<Variables>): Zone => zoneFor(store, c, "Origin Write");

  routes.get("/phases/http_request_origin/entrypoint", (c) => {
    const found = zoneFor(store, c, "Origin Read").rulesets?.find(({ phase }) => phase === PHASE);
    if (!found) throw missing(`entrypoint ruleset in the ${PHASE} phase`);
    return ok(c, found);
  });

  routes.put("/phases/http_request_origin/entrypoint", async (c) => {
    const zone = written(c);
    const given = check(rulesSchema, await jsonBody(c), REFUSAL);
    const former = zone.rulesets?.find(({ phase }) => phase === PHASE);
    const known = (ref: string | undefined) => former?.rules.find((one) => one.ref === ref);
    const rules = given.rules.map((rule) => kept(zone, rule, known(rule.ref)));
    return ok(c, put(zone, former, { ...(given.name !== undefined && { name: given.name }), rules }));
  });

  routes.post("/", async (c) => {
    const zone = written(c);
    const whole = rulesSchema.required({ name: true, kind: true, phase: true });
    const { name, rules } = check(whole, await jsonBody(c), REFUSAL);
    if (zone.rulesets?.some(({ phase }) => phase === PHASE)) {
      throw new ApiError(400, 20217, `exceeded maximum number of zone rulesets for phase ${PHASE}: 1`);
    }
    return ok(c, put(zone, undefined, { name, rules: rules.map((rule) => kept(zone, rule)) }));
  });

  routes.delete("/:ruleset{[0-9a-f]{32}}", (c) => {
    const zone = written(c);
    replace(zone, find(zone, c.req.param("ruleset")), undefined);
    return c.body(null, 204);
  });

  routes.post("/:ruleset{[0-9a-f]{32}}/rules", async (c) => {
    const zone = written(c);
    const ruleset = find(zone, c.req.param("ruleset"));
    const rule = kept(zone, await jsonBody(c));
    return ok(c, put(zone, ruleset, { rules: [...ruleset.rules, rule] }));
  });

  routes.patch("/:ruleset{[0-9a-f]{32}}/rules/:rule{[0-9a-f]{32}}", async (c) => {
    const zone = written(c);
    const ruleset = find(zone, c.req.param("ruleset"));
    const before = ruleOf(ruleset, c.req.param("rule"));
    const rule = kept(zone, await jsonBody(c), before);
    return ok(c, put(zone, ruleset, { rules: ruleset.rules.map((one) => (one.id === before.id ? rule : one)) }));
  });

  routes.delete("/:ruleset{[0-9a-f]{32}}/rules/:rule{[0-9a-f]{32}}", (c) => {
    const zone = written(c);
    const ruleset = find(zone, c.req.param("ruleset"));
    const gone = ruleOf(ruleset, c.req.param("rule"));
    return ok(c, put(zone, ruleset, { rules: ruleset.rules.filter((one) => one.id !== gone.id) }));
  });

  return routes;
}

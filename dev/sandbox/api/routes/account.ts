// Who the token is, which accounts it reaches, and Cloudflare's own address ranges.

import { type Context, Hono } from "hono";
import { ApiError, ok, page } from "../answers.ts";
import type { Store } from "../store.ts";
import { requireActive, type Variables } from "../tokens.ts";
import { accountFor } from "./scope.ts";

/** GET /ips needs no token. */
export function publicRoutes(store: Store): Hono<Variables> {
  return new Hono<Variables>().get("/ips", (c) => {
    const networks = c.req.query("networks");
    if (networks !== undefined && networks !== "jdcloud") throw new ApiError(400, 1004, "Invalid value for networks");
    return ok(c, networks === undefined ? store.state.ips : { ...store.state.ips, jdcloud_cidrs: [] });
  });
}

export function accountRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>();

  const verify = (c: Context<Variables>): Response => {
    const token = c.get("token");
    requireActive(token);
    return c.json({
      success: true,
      errors: [],
      messages: [{ code: 10000, message: "This API Token is valid and active", type: null }],
      result: {
        id: token.id,
        status: "active",
        expires_on: token.expires_on ?? undefined,
      },
    });
  };
  routes.get("/user/tokens/verify", verify);
  routes.get("/accounts/:account{[0-9a-f]{32}}/tokens/verify", verify);

  const shown = (account: { id: string; name: string }): object => ({
    id: account.id,
    name: account.name,
    type: "standard",
    settings: { enforce_twofactor: false },
  });
  // Any permission in an account allows reading its name.
  routes.get("/accounts", (c) => {
    const { accounts } = c.get("token");
    const visible = store.state.accounts.filter(({ id }) => accounts.includes("*") || accounts.includes(id));
    return page(c, visible.map(shown));
  });
  routes.get("/accounts/:account{[0-9a-f]{32}}", (c) =>
    ok(c, shown(accountFor(store, c, ...c.get("token").permissions))),
  );

  return routes;
}

import { setTimeout as sleep } from "node:timers/promises";
import { DEV } from "../../../dev/sandbox/api/world.ts";
import type { DeviceHeaders } from "../../../components/site-check/answers.ts";
import { SITE, type World } from "../support/world.ts";

/** How long the edge may take to apply a change. */
const KNOWN_MS = 20_000;

interface Created {
  id: string;
  client_id: string;
  client_secret: string;
}

/**
 * Service tokens that the site admitted and that were then revoked, by how, and one that it never admitted. The next `up`
 * restores the policies.
 */
export async function serviceTokens(world: World) {
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(`${world.sandbox.apiUrl}/accounts/${DEV.account}/access/service_tokens${path}`, {
      method,
      headers: { authorization: `Bearer ${world.sandbox.token}`, "content-type": "application/json" },
      body: body ? JSON.stringify(body) : null,
    });
    const { success, result, errors } = (await response.json()) as { success: boolean; result: T; errors: unknown };
    if (!success) throw new Error(`${method} ${path}: ${JSON.stringify(errors)}`);
    return result;
  };
  const create = (name: string) => call<Created>("POST", "", { name, duration: "8760h" });
  const headers = ({ client_id, client_secret }: Created): DeviceHeaders => ({
    clientId: client_id,
    clientSecret: client_secret,
  });
  const [rotated, deleted, disabled, expired, other] = [
    await create("rotated"),
    await create("deleted"),
    await create("disabled"),
    await create("expired"),
    await create("for another application"),
  ] as const;

  const { access_policies } = await world.api.state();
  const admitted = [rotated, deleted, disabled, expired].map(({ id }) => ({ service_token: { token_id: id } }));
  for (const policy of access_policies) if (policy.decision === "non_identity") policy.include.push(...admitted);
  await world.api.alter({ access_policies });
  const revoked = [rotated, deleted, disabled, expired].map(headers);
  await until(world, revoked, 200);

  const { client_secret } = await call<Created>("POST", `/${rotated.id}/rotate`, {});
  await call("DELETE", `/${deleted.id}`);
  await call("PUT", `/${disabled.id}`, { name: "disabled", enabled: false });
  const { service_tokens } = await world.api.state();
  for (const token of service_tokens) {
    if (token.id === expired.id) token.expires_at = new Date(Date.now() - 1000).toISOString();
  }
  await world.api.alter({ service_tokens });
  await until(world, revoked, 401);

  return {
    rotated: headers(rotated),
    renewed: headers({ ...rotated, client_secret }),
    deleted: headers(deleted),
    disabled: headers(disabled),
    expired: headers(expired),
    other: headers(other),
  };
}

/** Waits until the edge answers all tokens with one status. */
async function until(world: World, tokens: DeviceHeaders[], status: number): Promise<void> {
  const deadline = Date.now() + KNOWN_MS;
  for (;;) {
    const answers = await Promise.all(tokens.map((token) => world.visit("/api/server/ping", token)));
    if (answers.every((answer) => answer.status === status)) return;
    if (Date.now() > deadline) {
      const got = answers.map((answer) => answer.status).join(", ");
      throw new Error(`the edge still answers ${got} instead of ${status} for ${SITE}`);
    }
    await sleep(100);
  }
}

import { openAccount } from "../components/cloudflare-account.ts";
import { originRuleRef } from "../components/origin-rule/names.ts";
import { resolveValue } from "../components/resolve-value.ts";
import { userError } from "../settings/error.ts";
import { hostnamesOf, otherPort } from "../settings/topology.ts";
import type { StackContext } from "./context.ts";

/** Origin rules that a zone on the free plan may have. */
export const MOST_RULES = 10;

/** A zone as the API shows it, as far as its plan. */
interface ZonePlan {
  plan?: { name?: string };
}

/** The entry point of the phase `http_request_origin`. */
interface EntryPoint {
  rules?: readonly { ref?: string }[];
}

/**
 * Makes sure that each site can get its origin rule, before anything changes. Asks nothing for port 443.
 * @throws RunError if the zone has no room for them, or the token may not read them
 */
export async function requireRoomForRules({ settings, api }: StackContext): Promise<void> {
  if (otherPort(settings) === undefined) return;
  const refs = hostnamesOf(settings).map(originRuleRef);
  const zone = `zones/${settings.zoneId}`;
  const account = openAccount(api.url, await resolveValue(api.token));
  const [found, entryPoint] = await Promise.all([
    account.find<ZonePlan>(zone),
    account.find<EntryPoint>(`${zone}/rulesets/phases/http_request_origin/entrypoint`),
  ]).catch((error: unknown) => {
    const said = error instanceof Error ? error.message : String(error);
    const remedy = said.includes(": 403")
      ? `the API token may not read the zone's origin rules: add "Origin Rules > Edit" for the zone to it, or run ` +
        "`pulumi config rm originPort`"
      : "run it again once Cloudflare's API answers";
    throw userError(`originPort ${settings.originPort.toString()} needs origin rules; ${said}; ${remedy}`);
  });
  const others = (entryPoint?.rules ?? []).filter(({ ref }) => ref === undefined || !refs.includes(ref)).length;
  if (found?.plan?.name?.startsWith("Free") !== true || others + refs.length <= MOST_RULES) return;
  throw userError(
    `the zone has ${others.toString()} origin rules of its own and may have ${MOST_RULES.toString()}, so there is no room for ` +
      `${refs.length.toString()} more, one for each site; nothing has been changed. Delete some under Rules > Overview in ` +
      "Cloudflare's dashboard, or run `pulumi config rm originPort`",
  );
}

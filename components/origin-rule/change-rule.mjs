// Puts one origin rule into a zone, or takes it out, and leaves all others as they are. `pulumi destroy` runs it without
// the program and perhaps from a later version of it; so it needs nothing but Node. index.ts puts a line before this
// file, which declares `wanted`.
/* global wanted */

const { zone, token, rule } = wanted;
const PHASE = "http_request_origin";
// Only a ruleset of this name was made here, so only that one may be deleted.
const NAME = "immich-access";
const ENTRY_POINT = `${zone}/rulesets/phases/${PHASE}/entrypoint`;
const ATTEMPTS = 6;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** An answer that another attempt may change: somebody else has changed the ruleset meanwhile, or Cloudflare is busy. */
class Passing extends Error {}

async function call(method, url, body) {
  let answer;
  try {
    answer = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
      redirect: "error",
      signal: AbortSignal.timeout(15_000),
    });
  } catch (error) {
    throw new Passing(`${method} ${url}: ${error.cause?.message ?? error.message}`);
  }
  const { success, result, errors } = (await answer.json().catch(() => undefined)) ?? {};
  const told = (errors ?? []).map(({ message }) => message).join(", ");
  // A deletion may be answered with nothing.
  const isTold = success !== false && (result !== undefined || method !== "GET");
  if (answer.ok && isTold) return result ?? {};
  if (answer.ok) throw new Passing(`${method} ${url}: ${told || "the answer is not one of Cloudflare's API"}`);
  if (method === "GET" && answer.status === 404) return undefined;
  // A token that was just made is refused for some seconds.
  const isNewToken = answer.status === 403 && /unable to authenticate/i.test(told);
  if (answer.status === 403 && !isNewToken) {
    throw new Error(
      `${told}: the API token may not change origin rules. Add "Origin Rules > Edit" for the zone to it, and run ` +
        "`pulumi up` again",
    );
  }
  if (/maximum number of rules/i.test(told)) {
    throw new Error(`${told}: delete an origin rule under Rules > Overview in Cloudflare's dashboard, and try again`);
  }
  const text = `${method} ${url}: ${answer.status} ${told}`;
  // The ruleset, or its rule, has come or gone since it was read.
  const isOvertaken = [404, 409].includes(answer.status) || /maximum number of zone rulesets/i.test(told);
  throw isOvertaken || isNewToken || answer.status === 429 || answer.status >= 500
    ? new Passing(text)
    : new Error(text);
}

const rulesOf = (ruleset) => ruleset?.rules ?? [];
const ours = (ruleset) => rulesOf(ruleset).filter(({ ref }) => ref === rule.ref);

const isWanted = (found) =>
  found.enabled === true &&
  found.action === rule.action &&
  found.expression === rule.expression &&
  found.description === rule.description &&
  Object.keys(found.action_parameters?.origin ?? {}).join() === "port" &&
  found.action_parameters.origin.port === rule.action_parameters.origin.port;

/** Resolves to the rule once it was read back as it should be. */
async function put() {
  const ruleset = await call("GET", ENTRY_POINT);
  const [found] = ours(ruleset);
  if (found && isWanted(found)) return found;
  if (!ruleset) await call("POST", `${zone}/rulesets`, { name: NAME, kind: "zone", phase: PHASE, rules: [rule] });
  else if (found) await call("PATCH", `${zone}/rulesets/${ruleset.id}/rules/${found.id}`, rule);
  else await call("POST", `${zone}/rulesets/${ruleset.id}/rules`, rule);
  throw new Passing("the rule was not there when it was read back");
}

async function remove() {
  const ruleset = await call("GET", ENTRY_POINT);
  const found = ours(ruleset);
  if (found.length > 0) {
    for (const { id } of found) await call("DELETE", `${zone}/rulesets/${ruleset.id}/rules/${id}`);
    throw new Passing("the rule was still there when it was read back");
  }
  if (ruleset?.name === NAME && rulesOf(ruleset).length === 0) await call("DELETE", `${zone}/rulesets/${ruleset.id}`);
}

const act = process.argv[2] === "remove" ? remove : put;
for (let attempt = 1; ; attempt += 1) {
  try {
    const made = await act();
    if (made) console.log(`${made.id} ${made.action_parameters.origin.port}`);
    break;
  } catch (error) {
    if (!(error instanceof Passing) || attempt === ATTEMPTS) {
      console.error(`origin rule of ${rule.expression}: ${error.message}`);
      process.exitCode = 1;
      break;
    }
    await pause(attempt === 1 ? 0 : 1000);
  }
}

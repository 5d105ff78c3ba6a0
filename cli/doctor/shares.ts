import {
  describeAnswer,
  failureReason,
  isLogin,
  isPong,
  PING,
  remedyFor,
  SHARES_CHECK,
} from "../../components/site-check/answers.ts";
import { type Check, type Finding, failed, fromProblem, passed } from "./finding.ts";
import { type Answer, get, type Network } from "../../components/site-check/network.ts";

const PAGES: Check = {
  id: "shares-pages",
  place: "cloudflare",
  title: "Shares: a stranger",
  why: "Visitors of a shared link get an error or a login page.",
  fix: "fix the other findings first; delete any Access application for this name or for a wildcard over it",
};
const API: Check = {
  id: "shares-api",
  place: "cloudflare",
  title: "Shares: Immich's API",
  why: "Strangers must not reach Immich.",
  fix: "pulumi config rm publicShareHostname && pulumi up   # until you know what answers there",
};

/** Requests the public shares as a stranger: a page that everybody may see, and Immich's API. */
export async function sharesThroughCloudflare(network: Network, hostname: string): Promise<Finding[]> {
  const ask = (path: string) =>
    get(network, new URL(`https://${hostname}${path}`), {}).catch((error: unknown) => failureReason(error));
  return Promise.all([ask(SHARES_CHECK).then(sharePagesFinding), ask(PING).then(apiHiddenFinding)]);
}

/** The finding for immich-public-proxy's health check. */
export function sharePagesFinding(answer: Answer | string): Finding {
  if (typeof answer === "string") return failed(PAGES, answer, PAGES.fix, "unknown");
  if (isLogin(answer)) return failed(PAGES, "gets the login page of an Access application");
  if (answer.isChallenge) return failed(PAGES, `gets ${describeAnswer(answer)}`, remedyFor(answer));
  const trouble: Readonly<Record<number, string>> = {
    502: "502, the host's nginx does not reach immich-public-proxy",
    503: "503, immich-public-proxy does not reach Immich",
    504: "504, immich-public-proxy does not answer the host's nginx",
  };
  const problem = answer.status === 200 ? undefined : `gets ${trouble[answer.status] ?? describeAnswer(answer)}`;
  return fromProblem(PAGES, problem, "gets to immich-public-proxy");
}

/** The finding for a ping of Immich's API, which must not succeed. */
export function apiHiddenFinding(answer: Answer | string): Finding {
  if (typeof answer === "string") return failed(API, answer, API.fix, "unknown");
  if (isPong(answer)) return failed(API, `reaches Immich (${describeAnswer(answer)})`);
  if (answer.status === 404 || isLogin(answer))
    return passed(API, `a stranger's ping gets ${answer.status === 404 ? "404" : "the login page"}`);
  if (answer.isChallenge) return failed(API, describeAnswer(answer), remedyFor(answer), "unknown");
  // Cloudflare's own errors, and nginx's 400 without a client certificate, say nothing about the site.
  if (answer.status === 400 || answer.status >= 500) return failed(API, describeAnswer(answer), PAGES.fix, "unknown");
  return failed(API, `is answered with ${answer.status.toString()}, and not with 404`);
}

import { describeAnswer, isPong, failureReason } from "./edge.ts";
import { type Check, type Finding, failed, fromProblem, passed } from "./finding.ts";
import { type Answer, get, type Network } from "./network.ts";

const PAGES: Check = {
  id: "shares-pages",
  place: "cloudflare",
  title: "Shares: a stranger",
  why: "Whoever opens a shared link gets an error or a login page.",
  fix: "mend what else is wrong here first; an Access application for this name or a wildcard has to go",
};
const API: Check = {
  id: "shares-api",
  place: "cloudflare",
  title: "Shares: Immich's API",
  why: "Strangers must not get as far as Immich.",
  fix: "pulumi config rm publicShareHostname && pulumi up   # until it is clear what answers there",
};

/** Asks the public shares as a stranger: for what everybody may see, and for Immich's API. */
export async function sharesThroughCloudflare(network: Network, hostname: string): Promise<Finding[]> {
  const ask = (path: string) =>
    get(network, new URL(`https://${hostname}${path}`), {}).catch((error: unknown) => failureReason(error));
  return Promise.all([
    ask("/share/healthcheck").then(sharePagesFinding),
    ask("/api/server/ping").then(apiHiddenFinding),
  ]);
}

const login = ({ status, location }: Answer) => status === 302 && location.includes("/cdn-cgi/access/login");

/** What the health check of immich-public-proxy came to. */
export function sharePagesFinding(answer: Answer | string): Finding {
  if (typeof answer === "string") return failed(PAGES, answer, PAGES.fix, "unknown");
  if (login(answer)) return failed(PAGES, "gets the login page of an Access application");
  const trouble: Readonly<Record<number, string>> = {
    502: "502, the host's nginx does not reach immich-public-proxy",
    503: "503, immich-public-proxy does not reach Immich",
    504: "504, immich-public-proxy does not answer the host's nginx",
  };
  const problem = answer.status === 200 ? undefined : `gets ${trouble[answer.status] ?? describeAnswer(answer)}`;
  return fromProblem(PAGES, problem, "gets to immich-public-proxy");
}

/** What the ping of Immich's API came to. */
export function apiHiddenFinding(answer: Answer | string): Finding {
  if (typeof answer === "string") return failed(API, answer, API.fix, "unknown");
  if (isPong(answer)) return failed(API, `reaches Immich (${describeAnswer(answer)})`);
  if (answer.status === 404 || login(answer)) return passed(API, "strangers do not reach it");
  // Cloudflare's own answers, and nginx's to a Cloudflare without certificate, tell nothing about the site.
  if (answer.status === 400 || answer.status >= 500) return failed(API, describeAnswer(answer), PAGES.fix, "unknown");
  return failed(API, `is answered with ${answer.status.toString()}, and not with 404`);
}

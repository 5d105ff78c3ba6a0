// What a response on the way through Cloudflare means.
import type { Answer } from "./network.ts";

/** Immich's answer to this path is pong, without a login. */
export const PING = "/api/server/ping";

/** immich-public-proxy answers this path with 200 if it reaches Immich. */
export const SHARES_CHECK = "/share/healthcheck";

/** The two values of a device's headers. The secret is sent to the site only. */
export interface DeviceHeaders {
  clientId: string;
  clientSecret: string;
}

/** The headers with which a device passes Access. */
export const credentials = ({ clientId, clientSecret }: DeviceHeaders): Record<string, string> => ({
  "cf-access-client-id": clientId,
  "cf-access-client-secret": clientSecret,
});

/** Whether Immich itself has answered the ping. */
export const isPong = ({ status, body }: Answer): boolean => status === 200 && body.includes("pong");

/** The host of the login page to which Access has sent the request; `undefined` if it has not. */
export function loginHost({ status, location }: Answer): string | undefined {
  if (status !== 302 || !URL.canParse(location)) return undefined;
  const { hostname, pathname } = new URL(location);
  return pathname.startsWith("/cdn-cgi/access/login") ? hostname : undefined;
}

/** Whether Access has sent the request to the login page of a team; of any team if its domain is not known (""). */
export function isLogin(answer: Answer, teamDomain = ""): boolean {
  const host = loginHost(answer);
  return host !== undefined && (teamDomain === "" || host === teamDomain);
}

/** Why there was no response, in one line. */
export function failureReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError" || error.name === "AbortError") return "no answer in time";
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "the name does not resolve";
  return error.message.split("\n")[0] || code || "no connection";
}

/** Meanings of status codes on the way through Cloudflare, from its documentation and our nginx configuration. */
const MEANINGS: Readonly<Record<number, string>> = {
  302: "Access sends it to the login page, so no policy admits the token",
  400: "the host's nginx got no certificate of Cloudflare that it accepts",
  401: "Access does not know the token",
  403: "no policy of Access admits the token, or the host's token check refuses what Access says",
  404: "something other than Immich answers",
  421: "the host's nginx has another site's connection",
  500: "the host's token check does not answer",
  502: "the host's nginx does not reach Immich",
  504: "Immich does not answer the host's nginx",
  520: "the host's answer cannot be read",
  521: "the host refuses Cloudflare's connection",
  522: "the host does not answer Cloudflare: firewall or address",
  523: "Cloudflare has no way to the host's address",
  524: "the host takes too long",
  525: "no TLS between Cloudflare and the host",
  526: "Cloudflare does not accept the host's certificate",
  530: "Cloudflare cannot resolve the origin",
};

/**
 * Errors that Cloudflare tells apart by their own code in the body, whatever the status: a line `error code: 1014`, or a
 * page that has it. Both are about a CNAME record's target.
 */
const OWN_ERRORS: Readonly<Record<string, { meaning: string; remedy: string }>> = {
  "1014": {
    meaning: "the name that the site's CNAME leads to is in another Cloudflare account's zone (error 1014)",
    remedy: "set originName to a name of a DDNS service that is not on Cloudflare, or of your own zone",
  },
  "1016": {
    meaning: "the name that the site's CNAME leads to does not resolve (error 1016)",
    remedy: "see that the DDNS client runs and that originName is the name that it keeps",
  },
};

/** Whether Cloudflare has not even looked for the origin, because the CNAME's target is of no use. */
export const isAliasError = (answer: Answer): boolean => ownError(answer) !== undefined;

const ownError = ({ status, body }: Answer) =>
  status < 400 ? undefined : OWN_ERRORS[/\berror code: (\d{4})\b/i.exec(body)?.[1] ?? ""];

/** A response's status with its meaning. */
export function describeAnswer(answer: Answer): string {
  const { status, isChallenge, location } = answer;
  const own = ownError(answer);
  if (own) return `${status.toString()}, ${own.meaning}`;
  if (isChallenge) return `${status.toString()}, Cloudflare asks for proof of a human (cf-mitigated: challenge)`;
  if (location !== "" && loginHost(answer) === undefined) {
    const where = URL.canParse(location) ? new URL(location).hostname : "another page of the site";
    return `${status.toString()}, which leads to ${where}`;
  }
  const meaning = MEANINGS[status];
  return meaning === undefined ? `status ${status.toString()}` : `${status.toString()}, ${meaning}`;
}

/** What to do about a status. Everything else begins with the doctor. */
const REMEDIES: Readonly<Record<number, string>> = {
  400:
    "if `npm run doctor` finds nothing wrong with the origin pulls, turn them on for the zone as well (dashboard: SSL/TLS, " +
    "Origin Server, Authenticated Origin Pulls) or run `pulumi config set originPulls zone` and `pulumi up`",
  404: "see which program answers: no other DNS record, Worker route or tunnel may use this name",
  502: "start Immich on the host",
  504: "look at Immich's logs on the host",
  521: "check whether nginx is running on the host and the router forwards port 443, or that of originPort, to it",
  522:
    "forward port 443, or that of originPort, of the router to the host, see that no firewall before it blocks " +
    "Cloudflare, and that the address is still the host's",
  523: "compare originAddresses, or what originName resolves to, with the host's public addresses",
};

/** What to do about a response that is not the wanted one. */
export function remedyFor(answer: Answer): string {
  const { status, isChallenge } = answer;
  const own = ownError(answer);
  if (own) return own.remedy;
  if (isChallenge) return "turn Bot Fight Mode and the browser integrity check off for this name";
  return REMEDIES[status] ?? "`npm run doctor` names the part";
}

/** A problem with a response, and what to do about it. */
export interface AnswerProblem {
  problem: string;
  remedy: string;
}

/**
 * Why Access has not sent a stranger to the login page of the team; `undefined` if it has. Anything else, even a
 * refusal, means that nobody can log in.
 */
export function strangerProblem(answer: Answer, teamDomain: string): AnswerProblem | undefined {
  if (isLogin(answer, teamDomain)) return undefined;
  const host = loginHost(answer);
  if (host !== undefined) {
    const remedy = "compare teamDomain with the domain in the Zero Trust dashboard, Settings";
    return { problem: `gets the login page of ${host}, not that of ${teamDomain}`, remedy };
  }
  if (!answer.isChallenge && !ownError(answer) && (answer.status === 401 || answer.status === 403)) {
    const remedy = "`pulumi up --refresh` restores the Access application and its policies";
    return { problem: `gets ${answer.status.toString()} and no login page, so nobody can log in`, remedy };
  }
  return { problem: `gets ${describeAnswer(answer)}`, remedy: remedyFor(answer) };
}

/**
 * Whether a response is what comes from Cloudflare or the host's token check while Access is not in force yet, or does not
 * know a token yet.
 */
export const isRefusedMeanwhile = (answer: Answer): boolean =>
  !answer.isChallenge && !isAliasError(answer) && (isLogin(answer) || answer.status === 401 || answer.status === 403);

/** What to do if there was no response at all. */
export function remedyForFailure(error: unknown): string {
  const { code = "" } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return "wait: a resolver remembers for up to half an hour that a name did not exist";
  if (code === "EPROTO" || code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS"))
    return "wait until Universal SSL has a certificate for the name; it covers the zone and one level below";
  return "compare with another network: this machine does not reach Cloudflare under that name";
}

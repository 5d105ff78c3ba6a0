// Findings in place of checks for which the API has no answer.
import { type Check, type Finding, failed } from "../finding.ts";
import { ApiProblem, inWords, isWithoutTeam, TEAM_ADVICE, unexpectedForm } from "./api.ts";

/** Runs checks that read the API; a problem with an answer becomes the finding of `check`. */
export async function group(check: Check, work: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await work();
  } catch (error) {
    return [problemFinding(check, error instanceof ApiProblem ? error : NOT_AS_DOCUMENTED)];
  }
}

/** A field is missing, or holds something else than Cloudflare documents. */
export const NOT_AS_DOCUMENTED = unexpectedForm("");

/** The remedy for a problem that may pass. */
export const AGAIN = "run the doctor again";

function problemFinding(check: Check, problem: ApiProblem): Finding {
  if (isWithoutTeam(problem)) {
    return failed(check, "the account has no Zero Trust team", `${TEAM_ADVICE}, then run \`pulumi up\``);
  }
  if (!isRefusal(problem)) return failed(check, problem.message, AGAIN, "unknown");
  const [name, level] = PERMISSIONS.find(([path]) => path.test(problem.path))?.slice(1) ?? ["a permission", "Edit"];
  const says = `the API token lacks ${String(name)}: ${problem.errors.map(inWords).join(", ")}`;
  return failed(check, says, `add ${String(name)}, ${String(level)} to the token`, "unknown");
}

/**
 * Whether Cloudflare refuses the token, and not only for the moment: a token that was just made, and requests that are
 * too many, get 403 as well, with other words.
 */
export const isRefusal = ({ status, errors }: ApiProblem): boolean =>
  (status === 401 || status === 403) &&
  errors.length > 0 &&
  !errors.some(({ message }) => /unable to authenticate request/i.test(message));

/** The permissions that paths need, by their names in the dashboard, and the least level. */
const PERMISSIONS: readonly (readonly [path: RegExp, permission: string, level: "Read" | "Edit"])[] = [
  [/^\/zones\/[^/]+$/, "Zone, Zone", "Read"],
  [/\/dns_records/, "Zone, DNS", "Edit"],
  [/\/origin_tls_client_auth|^\/certificates/, "Zone, SSL and Certificates", "Edit"],
  [/\/rulesets\//, "Zone, Origin Rules", "Edit"],
  [/\/settings\//, "Zone, Zone Settings", "Edit"],
  [/\/alerting\//, "Account, Notifications", "Edit"],
  [/\/access\/apps/, "Account, Access: Apps and Policies", "Edit"],
  [/\/access\/service_tokens/, "Account, Access: Service Tokens", "Edit"],
  [/\/access\//, "Account, Access: Organizations, Identity Providers, and Groups", "Edit"],
];

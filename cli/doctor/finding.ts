import { renewalLeadDays } from "../../components/renewal.ts";

/** Where something was looked at from. */
export type Place = "workstation" | "host" | "cloudflare";

/**
 * What came of a check. `warning`: safe and working, but not for ever or not as well as it could be. `unknown`: the
 * check could not be made.
 */
export type Status = "ok" | "warning" | "wrong" | "unknown";

/** Something that ought to hold. */
export interface Check {
  /** Stable name, for programs that read the JSON. */
  id: string;
  place: Place;
  /** What is looked at, in a few words. */
  title: string;
  /** What happens to people or photos where it does not hold. */
  why: string;
  /** The command or the place that usually mends it. */
  fix: string;
}

/**
 * What a finding is about where a stack has several of it: the host name of a site, the `sshAddress` of a host. Absent
 * where it is about all, and where the stack has only one.
 */
export interface Subject {
  site?: string;
  host?: string;
}

/** What came of one check. Its `id` is unique together with its subject. */
export interface Finding extends Subject {
  id: string;
  place: Place;
  title: string;
  status: Status;
  /** What was found, without any secret. */
  says: string;
  /** Why it matters and what mends it; absent where all is well. */
  why?: string;
  fix?: string;
}

/** The finding of a check that holds. */
export function passed({ id, place, title }: Check, says: string): Finding {
  return { id, place, title, status: "ok", says };
}

/** The finding of a check that does not hold; `fix` where the usual one is not the right one. */
export function failed(check: Check, says: string, fix = check.fix, status: Exclude<Status, "ok"> = "wrong"): Finding {
  const { id, place, title, why } = check;
  return { id, place, title, status, says, why, fix };
}

/** The finding of a check that holds if `problem` is undefined, and for which that says what is wrong otherwise. */
export function fromProblem(check: Check, problem: string | undefined, says: string): Finding {
  return problem === undefined ? passed(check, says) : failed(check, problem);
}

/** Names what findings are about. */
export const withSubject = (subject: Subject, findings: readonly Finding[]): Finding[] =>
  findings.map((finding) => ({ ...finding, ...subject }));

/** A finding of a check of the site, made of public shares instead. */
export const asSharesFinding = (finding: Finding): Finding => ({
  ...finding,
  id: `shares-${finding.id}`,
  title: `Shares: ${finding.title}`,
});

/**
 * The exit status for a program that waits for it: 0 if all is well (warnings included), 1 if something is wrong, 2 if
 * nothing is known to be wrong but something could not be checked.
 */
export function exitStatus(findings: readonly Finding[]): 0 | 1 | 2 {
  const has = (status: Status) => findings.some((finding) => finding.status === status);
  return has("wrong") ? 1 : has("unknown") ? 2 : 0;
}

const DAY = 24 * 3600 * 1000;

/**
 * A finding about something that ends: well until it is due for renewal, a warning after that, wrong from its end on.
 *
 * @param end RFC 3339, or any other text that `Date.parse` takes
 * @param validityDays its life; by default a long one
 */
export function expiryFinding(check: Check, end: string, now: Date, validityDays?: number): Finding {
  const left = (Date.parse(end) - now.getTime()) / DAY;
  if (Number.isNaN(left)) return failed(check, `has no readable end (${end})`, check.fix, "unknown");
  const day = new Date(end).toISOString().slice(0, 10);
  if (left <= 0) return failed(check, `ended on ${day}`);
  if (left < renewalLeadDays(validityDays))
    return failed(check, `ends on ${day}, in ${Math.floor(left).toString()} days`, check.fix, "warning");
  return passed(check, `until ${day}`);
}

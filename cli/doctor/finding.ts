import type { Answer } from "../../components/origin-host/answer.ts";
import { renewalLeadDays } from "../../components/renewal.ts";

/** Where a check looks. */
export type Place = "workstation" | "host" | "cloudflare";

/**
 * Result of a check. `warning`: safe and working, but not for ever or not as well as it could be. `unknown`: the check
 * could not be made.
 */
export type Status = "ok" | "warning" | "wrong" | "unknown";

/** A condition that the doctor checks. */
export interface Check {
  /** Stable name, for programs that read the JSON. */
  id: string;
  place: Place;
  /** Subject of the check, in a few words. */
  title: string;
  /** Consequence of a failure for people or photos. */
  why: string;
  /** The usual remedy: a command, or the place to look at. */
  fix: string;
}

/**
 * The site (host name) or the host (`sshAddress`) that a finding concerns. Absent if the finding concerns all, or if
 * the stack has only one.
 */
export interface Subject {
  site?: string;
  host?: string;
}

/** What a daily refresh found. */
export type Refresh = NonNullable<Answer<"doctor">["facts"]["refresh"]>;

/** The result of one check. Its `id` is unique together with its subject. */
export interface Finding extends Subject {
  id: string;
  place: Place;
  title: string;
  status: Status;
  /** What was found, without any secret. */
  says: string;
  /** Consequence and remedy; absent if the check passed. */
  why?: string;
  fix?: string;
  /** Whether it ends so soon that it is due for renewal; absent if not. */
  due?: true;
  /** What the host's last daily refresh found, with the finding `host-timer`; absent before the first one. */
  refresh?: Refresh;
}

/** The finding of a check that passed. */
export function passed({ id, place, title }: Check, says: string): Finding {
  return { id, place, title, status: "ok", says };
}

/** The finding of a check that failed. `fix` overrides the check's usual remedy. */
export function failed(check: Check, says: string, fix = check.fix, status: Exclude<Status, "ok"> = "wrong"): Finding {
  const { id, place, title, why } = check;
  return { id, place, title, status, says, why, fix };
}

/** The finding of a check that failed with `problem`, or passed if that is undefined. */
export function fromProblem(check: Check, problem: string | undefined, says: string): Finding {
  return problem === undefined ? passed(check, says) : failed(check, problem);
}

/** Adds their subject to findings. */
export const withSubject = (subject: Subject, findings: readonly Finding[]): Finding[] =>
  findings.map((finding) => ({ ...finding, ...subject }));

/** Turns a finding about a site into one about public shares. */
export const asSharesFinding = (finding: Finding): Finding => ({
  ...finding,
  id: `shares-${finding.id}`,
  title: `Shares: ${finding.title}`,
});

/**
 * The exit status: 0 if everything passed (warnings included), 1 if something is wrong, 2 if nothing is known to be
 * wrong but something could not be checked.
 *
 * @param failOnDue counts what is due for renewal as wrong
 */
export function exitStatus(findings: readonly Finding[], failOnDue = false): 0 | 1 | 2 {
  const has = (status: Status) => findings.some((finding) => finding.status === status);
  if (has("wrong") || (failOnDue && findings.some(({ due }) => due))) return 1;
  return has("unknown") ? 2 : 0;
}

const DAY = 24 * 3600 * 1000;

/**
 * A finding about something that expires: ok until it is due for renewal, then a warning, wrong once it has expired.
 *
 * @param end RFC 3339, or any other text that `Date.parse` takes
 * @param leadDays how many days before its end it is due
 */
export function expiryFinding(check: Check, end: string, now: Date, leadDays = renewalLeadDays()): Finding {
  const left = (Date.parse(end) - now.getTime()) / DAY;
  if (Number.isNaN(left)) return failed(check, `has no readable end (${end})`, check.fix, "unknown");
  const day = new Date(end).toISOString().slice(0, 10);
  if (left <= 0) return failed(check, `ended on ${day}`);
  if (left < leadDays) {
    const says = `ends on ${day}, in ${Math.floor(left).toString()} days`;
    return { ...failed(check, says, check.fix, "warning"), due: true };
  }
  return passed(check, `until ${day}`);
}

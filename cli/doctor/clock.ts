import { type Check, type Finding, failed, fromProblem, type Place } from "./finding.ts";

/** Seconds that a clock may be off. A response takes some time, and its Date header has whole seconds. */
const TOLERANCE = 30;

const clock = (place: Place): Check => ({
  id: `${place}-clock`,
  place,
  title: "Clock",
  why: "With a wrong clock certificates and logins are rejected as not yet valid or expired.",
  fix: `run \`timedatectl set-ntp true\` on ${place === "host" ? "the host" : "this workstation"}`,
});

/**
 * Whether a clock agrees with Cloudflare's.
 *
 * @param ahead seconds by which it is ahead; `undefined` if Cloudflare's time is unknown
 */
export function clockFinding(place: "workstation" | "host", ahead: number | undefined): Finding {
  const check = clock(place);
  if (ahead === undefined || Number.isNaN(ahead))
    return failed(check, "Cloudflare's time is not known", check.fix, "unknown");
  const off = Math.round(Math.abs(ahead));
  return fromProblem(
    check,
    off <= TOLERANCE ? undefined : `is ${off.toString()} s ${ahead > 0 ? "ahead of" : "behind"} Cloudflare's`,
    "agrees with Cloudflare's",
  );
}

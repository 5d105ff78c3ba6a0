import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { showProgress } from "../progress.ts";
import { userError } from "../../settings/error.ts";
import {
  type AnswerProblem,
  credentials,
  describeAnswer,
  type DeviceHeaders,
  failureReason,
  isPong,
  isRefusedMeanwhile,
  PING,
  remedyFor,
  remedyForFailure,
  SHARES_CHECK,
  strangerProblem,
} from "./answers.ts";
import { type Answer, get, type Network } from "./network.ts";

/** A site that is online, and who has to get which answer. */
export interface OnlineSite {
  hostname: string;
  /** `immich`: strangers must get the login page. `shares`: everybody gets the pages of immich-public-proxy. */
  serves: "immich" | "shares";
  /** Domain of the Zero Trust team, whose login page strangers must get; empty if it is not known. */
  teamDomain: string;
  /** A device that has to reach Immich; `undefined` if the site has none. */
  device: DeviceHeaders | undefined;
}

/** Why a site does not answer as it should. */
export interface SiteProblem {
  /** Who asked and what came back. */
  problem: string;
  remedy: string;
  /** Whether a stranger has reached Immich. */
  exposed: boolean;
  /** Whether it passes by itself if Access is not in force yet. */
  mayPass: boolean;
}

/** Milliseconds between two rounds. */
const PAUSE_MS = 2000;

/**
 * Asks a site through Cloudflare until it answers as it should, and says meanwhile what it waits for.
 *
 * Ends with a warning that names the cause if the time is over, because everything that Pulumi manages is in
 * place then.
 *
 * @param seconds how long to wait. Access begins to enforce a new application after 60 to 90 s.
 * @throws RunError if a stranger still reaches Immich at the end
 */
export async function waitForSite(network: Network, site: OnlineSite, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const found = await findSiteProblem(network, site);
    if (!found) return;
    const left = end - performance.now();
    const { problem, remedy, exposed, mayPass } = found;
    if (left > 0) {
      const because = mayPass ? "Access takes up to two minutes to be in force" : problem;
      const progress = `https://${site.hostname}: ${because}; waiting up to ${Math.ceil(left / 1000).toString()} s`;
      await showProgress(progress);
      await sleep(Math.min(PAUSE_MS, left));
      continue;
    }
    const text = siteWarning(site.hostname, seconds, { problem, remedy });
    if (exposed) throw userError(text);
    await pulumi.log.warn(text);
    return;
  }
}

/** What an `up` says of a site that does not answer as it should. */
export const siteWarning = (hostname: string, seconds: number, { problem, remedy }: AnswerProblem): string =>
  `https://${hostname} does not answer as it should after ${seconds.toString()} s: ${problem}; ${remedy}.`;

/** Asks a site once, as a stranger and as its device at the same time. `undefined` if both get what they should. */
export async function findSiteProblem(network: Network, site: OnlineSite): Promise<SiteProblem | undefined> {
  const { hostname, serves, teamDomain, device } = site;
  const ask = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    get(network, new URL(`https://${hostname}${path}`), headers).catch((error: unknown) => new NoAnswer(error));
  if (serves === "shares") {
    return problemOf(
      await ask(SHARES_CHECK),
      "a visitor of the shares",
      wanted(({ status }) => status === 200),
    );
  }
  const [stranger, owner] = await Promise.all([ask(PING), device && ask(PING, credentials(device))]);
  if (!(stranger instanceof NoAnswer) && isPong(stranger)) {
    const problem = "a stranger reaches Immich, so Access is not in force";
    return { problem, remedy: "run `pulumi up --refresh`; until it helps, stop Immich", exposed: true, mayPass: false };
  }
  const login = (answer: Answer) => strangerProblem(answer, teamDomain);
  return problemOf(stranger, "a stranger", login) ?? (owner && problemOf(owner, "a device", wanted(isPong)));
}

/** The problem with every response but the wanted one. */
const wanted =
  (isWanted: (answer: Answer) => boolean) =>
  (answer: Answer): AnswerProblem | undefined =>
    isWanted(answer) ? undefined : { problem: `gets ${describeAnswer(answer)}`, remedy: remedyFor(answer) };

/** No response, and the reason. */
class NoAnswer {
  public readonly reason: unknown;

  public constructor(reason: unknown) {
    this.reason = reason;
  }
}

function problemOf(
  answer: Answer | NoAnswer,
  who: string,
  judge: (answer: Answer) => AnswerProblem | undefined,
): SiteProblem | undefined {
  if (answer instanceof NoAnswer) {
    const { reason } = answer;
    return {
      problem: `${who}: ${failureReason(reason)}`,
      remedy: remedyForFailure(reason),
      exposed: false,
      mayPass: false,
    };
  }
  const found = judge(answer);
  const mayPass = isRefusedMeanwhile(answer);
  return found && { problem: `${who} ${found.problem}`, remedy: found.remedy, exposed: false, mayPass };
}

import {
  credentials,
  describeAnswer,
  type DeviceHeaders,
  failureReason,
  isAliasError,
  isLogin,
  isPong,
  isRefusedMeanwhile,
  PING,
  remedyFor,
  strangerProblem,
} from "../../components/site-check/answers.ts";
import {
  type Answer,
  attempt,
  destination,
  get,
  isThisMachine,
  type Network,
} from "../../components/site-check/network.ts";
import type { OriginHost } from "../../settings/topology.ts";
import { type Check, type Finding, failed, passed } from "./finding.ts";

// Immich's clients open their websocket here (engine.io's handshake, protocol version 4).
const WEBSOCKET = "/api/socket.io/?EIO=4&transport=websocket";

const STRANGER: Check = {
  id: "stranger",
  place: "cloudflare",
  title: "A stranger",
  why: "Unauthenticated requests must not reach Immich.",
  fix: "pulumi up --refresh",
};
const WRONG_TOKEN: Check = { ...STRANGER, id: "wrong-token", title: "A wrong token" };
const WEBSOCKETS: Check = {
  id: "websocket",
  place: "cloudflare",
  title: "A websocket",
  why: "Without one Immich shows itself as offline.",
  fix: "pulumi up --refresh",
};
const phone = (device: string): Check => ({
  id: `device-${device}`,
  place: "cloudflare",
  title: `The device ${device}`,
  why: "The app shows the server as offline.",
  fix: "fix the other findings first, then compare the two headers in the app with `npm run card`",
});

/** A site that is asked, and the answers that it has to give. */
export interface AskedSite {
  hostname: string;
  /** Domain of the Zero Trust team; empty if it is not known. */
  teamDomain: string;
  devices: Readonly<Record<string, DeviceHeaders>>;
  /** Whether the site's Access application has changed so lately that it may not be in force everywhere. */
  isSettling: Promise<boolean>;
}

/** Asks the site as a stranger, with a wrong token, and as each device, all at once. */
export async function throughCloudflare(
  network: Network,
  { hostname, teamDomain, devices, isSettling }: AskedSite,
): Promise<Finding[]> {
  const ask = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    get(network, new URL(`https://${hostname}${path}`), headers).catch((error: unknown) => failureReason(error));
  const all = Object.entries(devices);
  const [first] = all;
  const wrong = credentials({ clientId: first?.[1].clientId ?? `${"0".repeat(32)}.access`, clientSecret: "wrong" });
  return Promise.all([
    ask(PING).then(async (answer) => strangerFinding(answer, teamDomain, await isSettling)),
    ask(PING, wrong).then(wrongTokenFinding),
    ...all.map(async ([device, headers]) =>
      allowedFinding(phone(device), await ask(PING, credentials(headers)), await isSettling),
    ),
    ...(first
      ? [
          ask(WEBSOCKET, { ...credentials(first[1]), ...UPGRADE }).then(async (answer) =>
            websocketFinding(answer, await isSettling),
          ),
        ]
      : []),
  ]);
}

// The key is any 16 bytes in base64 (RFC 6455, section 4.1); the response to it is ignored.
const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": Buffer.from("immich-access-dr").toString("base64"),
};

/** The finding for a stranger, who must get the login page of the team. */
export function strangerFinding(answer: Answer | string, teamDomain: string, isSettling: boolean): Finding {
  if (typeof answer === "string") return failed(STRANGER, answer, STRANGER.fix, "unknown");
  const found = strangerProblem(answer, teamDomain);
  if (!found) return passed(STRANGER, "gets the login page");
  if (isSettling && !isLogin(answer) && isRefusedMeanwhile(answer)) return settlingFinding(STRANGER, found.problem);
  if (isLogin(answer) || isRefusal(answer) || isAliasError(answer))
    return failed(STRANGER, found.problem, found.remedy);
  return passedAccess(STRANGER, answer);
}

/** The finding for a request with a wrong token, which Access must block in one way or another. */
export function wrongTokenFinding(answer: Answer | string): Finding {
  if (typeof answer === "string") return failed(WRONG_TOKEN, answer, WRONG_TOKEN.fix, "unknown");
  if (isLogin(answer)) return passed(WRONG_TOKEN, "gets the login page");
  if (answer.isChallenge || isAliasError(answer))
    return failed(WRONG_TOKEN, describeAnswer(answer), remedyFor(answer), "unknown");
  if (isRefusal(answer)) return passed(WRONG_TOKEN, `gets ${answer.status.toString()}`);
  return passedAccess(WRONG_TOKEN, answer);
}

/** Whether Cloudflare has refused the request itself. */
const isRefusal = ({ status, isChallenge }: Answer) => isChallenge || status === 401 || status === 403;

const passedAccess = (check: Check, answer: Answer) =>
  failed(check, `${isPong(answer) ? "reaches Immich" : "gets past Access"} (${describeAnswer(answer)})`);

/** The finding for a device's request, which Access must allow. */
export function allowedFinding(check: Check, answer: Answer | string, isSettling: boolean): Finding {
  if (typeof answer === "string") return failed(check, answer, check.fix, "unknown");
  if (isPong(answer)) return passed(check, "reaches Immich");
  return blockedFinding(check, `does not reach Immich: ${describeAnswer(answer)}`, answer, isSettling);
}

function websocketFinding(answer: Answer | string, isSettling: boolean): Finding {
  if (typeof answer === "string") return failed(WEBSOCKETS, answer, WEBSOCKETS.fix, "unknown");
  if (answer.status === 101) return passed(WEBSOCKETS, "opens");
  return blockedFinding(WEBSOCKETS, `does not open: ${describeAnswer(answer)}`, answer, isSettling);
}

/** The finding for a device that does not get in: if Access has just been changed, it may get in a little later. */
function blockedFinding(check: Check, says: string, answer: Answer, isSettling: boolean): Finding {
  if (answer.isChallenge || isAliasError(answer) || [400, 521, 522, 523].includes(answer.status))
    return failed(check, says, remedyFor(answer));
  return isSettling && [302, 401, 403].includes(answer.status) ? settlingFinding(check, says) : failed(check, says);
}

function settlingFinding(check: Check, says: string): Finding {
  const fix = "wait: Access takes up to two minutes to be in force; then run the doctor again";
  return failed(check, `${says}; its Access application is younger than two minutes`, fix, "unknown");
}

const DIRECT: Check = {
  id: "direct",
  place: "workstation",
  title: "Straight to the host",
  why: "A request that bypasses Cloudflare meets no login.",
  fix: "look at the findings about the host's firewall; check whether another machine or a router answers at this address",
};

const HERE = "this is the host itself, which reaches its own ports whatever the firewall does";

/**
 * Whether the host's public addresses block this workstation: they must block everyone but Cloudflare. On the host
 * itself that cannot be judged.
 */
export async function straightToHost(
  network: Network,
  {
    originAddresses: addresses,
    sshAddress,
    sshJump,
  }: Pick<OriginHost, "originAddresses" | "sshAddress"> & Partial<Pick<OriginHost, "sshJump">>,
  ports: readonly number[],
): Promise<Finding> {
  const tries = addresses.flatMap((address) => ports.map((port) => ({ address, port })));
  // Behind a jump host, a loopback address is that one's.
  const ends = [
    ...(sshJump ? [] : [sshAddress]),
    ...tries.map(({ address, port }) => destination(network, address, port).host),
  ];
  if (ends.some(isThisMachine)) return failed(DIRECT, HERE, "run the doctor on another machine", "unknown");
  const results = await Promise.all(
    tries.map(async ({ address, port }) => ({ address, port, result: await attempt(network, address, port) })),
  );
  const where = (wanted: string) =>
    results
      .filter(({ result }) => result === wanted)
      .map(({ address, port }) => `${address} port ${port.toString()}`)
      .join(", ");
  if (where("open") !== "") return failed(DIRECT, `open: ${where("open")}`);
  if (where("blocked") === "")
    return failed(DIRECT, `no route from here to ${where("impossible")}`, DIRECT.fix, "unknown");
  const unreached = where("impossible") === "" ? "" : `; not tried, without a route from here: ${where("impossible")}`;
  return passed(DIRECT, `no answer to this machine: ${where("blocked")}${unreached}`);
}

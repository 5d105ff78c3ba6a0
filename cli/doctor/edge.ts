import {
  credentials,
  describeAnswer,
  type DeviceHeaders,
  failureReason,
  isLogin,
  isPong,
  PING,
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
import { type Check, type Finding, failed, fromProblem, passed } from "./finding.ts";

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

/** Asks the site as a stranger, with a wrong token, and as each device, all at once. */
export async function throughCloudflare(
  network: Network,
  hostname: string,
  devices: Readonly<Record<string, DeviceHeaders>>,
): Promise<Finding[]> {
  const ask = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    get(network, new URL(`https://${hostname}${path}`), headers).catch((error: unknown) => failureReason(error));
  const all = Object.entries(devices);
  const [first] = all;
  const wrong = credentials({ clientId: first?.[1].clientId ?? `${"0".repeat(32)}.access`, clientSecret: "wrong" });
  return Promise.all([
    ask(PING).then((answer) => blockedFinding(STRANGER, answer)),
    ask(PING, wrong).then((answer) => blockedFinding(WRONG_TOKEN, answer)),
    ...all.map(async ([device, headers]) => allowedFinding(phone(device), await ask(PING, credentials(headers)))),
    ...(first ? [ask(WEBSOCKET, { ...credentials(first[1]), ...UPGRADE }).then(websocketFinding)] : []),
  ]);
}

// The key is any 16 bytes in base64 (RFC 6455, section 4.1); the response to it is ignored.
const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": Buffer.from("immich-access-dr").toString("base64"),
};

/** The finding for a request that Access must block. */
export function blockedFinding(check: Check, answer: Answer | string): Finding {
  if (typeof answer === "string") return failed(check, answer, check.fix, "unknown");
  const { status } = answer;
  if (isLogin(answer)) return passed(check, "gets the login page");
  if (status === 401 || status === 403) return passed(check, `gets ${status.toString()}`);
  return failed(check, `${isPong(answer) ? "reaches Immich" : "gets past Access"} (${describeAnswer(answer)})`);
}

/** The finding for a device's request, which Access must allow. */
export function allowedFinding(check: Check, answer: Answer | string): Finding {
  if (typeof answer === "string") return failed(check, answer, check.fix, "unknown");
  return fromProblem(
    check,
    isPong(answer) ? undefined : `does not reach Immich: ${describeAnswer(answer)}`,
    "reaches Immich",
  );
}

function websocketFinding(answer: Answer | string): Finding {
  if (typeof answer === "string") return failed(WEBSOCKETS, answer, WEBSOCKETS.fix, "unknown");
  return fromProblem(
    WEBSOCKETS,
    answer.status === 101 ? undefined : `does not open: ${describeAnswer(answer)}`,
    "opens",
  );
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
  { originAddresses: addresses, sshAddress }: Pick<OriginHost, "originAddresses" | "sshAddress">,
  ports: readonly number[],
): Promise<Finding> {
  const tries = addresses.flatMap((address) => ports.map((port) => ({ address, port })));
  const ends = [sshAddress, ...tries.map(({ address, port }) => destination(network, address, port).host)];
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

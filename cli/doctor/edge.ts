import type { OriginHost } from "../../settings/topology.ts";
import type { DeviceHeaders } from "../lib/outputs.ts";
import { type Check, type Finding, failed, fromProblem, passed } from "./finding.ts";
import { type Answer, attempt, destination, get, isThisMachine, type Network } from "./network.ts";

const PING = "/api/server/ping";
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

const credentials = ({ clientId, clientSecret }: DeviceHeaders) => ({
  "cf-access-client-id": clientId,
  "cf-access-client-secret": clientSecret,
});

// The key is any 16 bytes in base64 (RFC 6455, section 4.1); the response to it is ignored.
const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": Buffer.from("immich-access-dr").toString("base64"),
};

/** Why there was no response, in one line. */
export function failureReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError" || error.name === "AbortError") return "no answer in time";
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "the name does not resolve";
  return error.message.split("\n")[0] || code || "no connection";
}

/** The finding for a request that Access must block. */
export function blockedFinding(check: Check, answer: Answer | string): Finding {
  if (typeof answer === "string") return failed(check, answer, check.fix, "unknown");
  const { status, location } = answer;
  if (status === 302 && location.includes("/cdn-cgi/access/login")) return passed(check, "gets the login page");
  if (status === 401 || status === 403) return passed(check, `gets ${status.toString()}`);
  return failed(check, `${isPong(answer) ? "reaches Immich" : "gets past Access"} (${describeAnswer(answer)})`);
}

/** Whether Immich itself has answered the ping. */
export const isPong = ({ status, body }: Answer): boolean => status === 200 && body.includes("pong");

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

/** Meanings of status codes on the way through Cloudflare, from its documentation and our nginx configuration. */
const MEANINGS: Readonly<Record<number, string>> = {
  302: "Access sends it to the login page, so no policy admits the token",
  400: "the host's nginx got no certificate of Cloudflare that it accepts",
  401: "Access does not know the token",
  403: "no policy of Access admits the token, or the host's token check refuses what Access says",
  404: "something else than Immich answers",
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

/** A response's status with its meaning. */
export function describeAnswer({ status }: Answer): string {
  const meaning = MEANINGS[status];
  return meaning === undefined ? `status ${status.toString()}` : `${status.toString()}, ${meaning}`;
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

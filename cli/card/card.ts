import { isIP } from "node:net";
import { NEVER } from "../../components/token-end.ts";
import { contains, isLoopback, parseEndpoint } from "../../settings/network.ts";
import type { HomeAccess, Rotation } from "../lib/deployed-stack.ts";
import type { DeviceOutput } from "../lib/outputs.ts";

/** A header that the Immich app must send with every request. */
export interface Header {
  name: string;
  value: string;
}

/** What a person needs to connect one device. It contains the device's secret. */
export interface Card {
  device: string;
  /** Address of the site. */
  url: string;
  /** Address in the home network, past Cloudflare; absent if the host has no home network. */
  homeUrl?: string;
  headers: readonly Header[];
  /** When the token expires, RFC 3339, or `never`. */
  expiresAt: string;
  /** Until when the secret before the last rotation still works, RFC 3339; absent if none does. */
  previousSecretUntil?: string;
}

/** Versions of a device's secret. */
export interface Secrets {
  /** The last rotation in the settings, whether or not it was deployed. */
  rotation?: Rotation | undefined;
  /** Version of the secret that is deployed. */
  deployedVersion: number;
}

/** Stands for an address that the settings do not have. */
const HOST_AT_HOME = "<address of the host at home>";

/** Immich's address in the home network; `undefined` without a home network. */
export function homeUrl({ homeNetworks, sshAddress, immichUpstream }: HomeAccess): string | undefined {
  const upstream = parseEndpoint(immichUpstream);
  if (homeNetworks.length === 0 || !upstream) return undefined;
  const candidates = [...(isLoopback(upstream.host) ? [] : [upstream.host]), sshAddress];
  const isAtHome = (address: string) => isIP(address) !== 0 && homeNetworks.some((cidr) => contains(cidr, address));
  const host = candidates.find(isAtHome) ?? HOST_AT_HOME;
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${upstream.port.toString()}`;
}

/** The card of a device. */
export function cardOf(
  device: string,
  url: string,
  output: DeviceOutput,
  { rotation, deployedVersion }: Secrets,
  home: HomeAccess | undefined,
  now = new Date(),
): Card {
  const atHome = home && homeUrl(home);
  const until = rotation && rotation.secretVersion <= deployedVersion ? rotation.previousSecretExpiresAt : undefined;
  return {
    device,
    url,
    ...(atHome !== undefined && { homeUrl: atHome }),
    headers: [
      { name: "CF-Access-Client-Id", value: output.clientId },
      { name: "CF-Access-Client-Secret", value: output.clientSecret },
    ],
    expiresAt: output.expiresAt,
    ...(until !== undefined && Date.parse(until) > now.getTime() && { previousSecretUntil: until }),
  };
}

/**
 * The steps in the Immich app, in the words on its screens (immich-app/immich, i18n/en.json and
 * mobile/lib/widgets/forms/login/login_form.dart). 3.1 marks the entry as experimental; others call it “Proxy Headers”.
 */
export const STEPS: readonly string[] = [
  "Open the Immich app. On the login screen, tap Settings, Advanced, Custom proxy headers [EXPERIMENTAL] (“Proxy Headers” in older versions). If you are logged in already: your picture, Settings, and on from there.",
  "There is one empty pair already; tap + (Add Header) for the second one. Put each name below into “Header name” and the value beside it into “Header value”.",
  "Go back to the login screen: the app saves the headers as you leave their page.",
  "Put the address into “Server Endpoint URL”, tap Next, and log in with your Immich account.",
];

/** How the app uses the address at home, in the words on its screens. */
export const HOME_STEPS: readonly string[] = [
  "At home the app can talk to the host directly, also for files over 100 MB: your picture, Settings, Networking, Automatic URL switching.",
  "Under “Local network”, give the name of your Wi-Fi and the address at home, with its http://: without it the app adds https://. Under “External network”, add the address of the site.",
  "This way is not encrypted. The app sends its headers there, too, so everybody who listens on this Wi-Fi learns the secret of this device. Give only a Wi-Fi that you trust, and leave the headers as they are.",
];

/** Error messages of the app 3.x, marked where older ones have another text, and their meanings. */
export const TROUBLES: readonly { shown: string; meaning: string }[] = [
  {
    shown: "Server is not reachable",
    meaning:
      "Cloudflare refused the headers (401 or 403), or the app got the login page because one is missing or misspelt. Compare both, letter by letter and without spaces; then check whether the token has expired or was rotated.",
  },
  {
    shown: "Could not connect to server. (older versions)",
    meaning: "The same: the headers were refused, or there were none.",
  },
  {
    shown: "Your app major version is not compatible with the server! (older versions)",
    meaning:
      "The app got Cloudflare's login page and mistakes it for a server. A header is missing or its name is misspelt.",
  },
  {
    shown: "Your mobile app version is not compatible with the server! Please update…",
    meaning: "The headers are right. The app and Immich are of different versions: update whichever the app names.",
  },
  {
    shown: "Error logging you in, check server URL, email and password",
    meaning: "The headers are right, and Immich does not know this email address with this password.",
  },
  {
    shown: "An upload stays at 100 %, or fails again and again",
    meaning:
      "The file exceeds the 100 MB that Cloudflare's free plan allows. Upload it at home: Settings, Networking, Automatic URL switching.",
  },
  {
    shown: "The widget on the home screen shows nothing",
    meaning: "It keeps the headers that it was made with. After a rotation, remove it and add it again.",
  },
];

/** Sentences about the card's deadlines. */
export function deadlines({ device, expiresAt, previousSecretUntil }: Card, now = new Date()): string[] {
  return [
    tokenEnd(device, expiresAt, now),
    ...(previousSecretUntil === undefined
      ? []
      : [`The secret before this one works until ${minute(previousSecretUntil)}: change the headers before that.`]),
  ];
}

function tokenEnd(device: string, expiresAt: string, now: Date): string {
  if (expiresAt === NEVER) return "The token never ends.";
  if (Date.parse(expiresAt) > now.getTime()) return `The token ends on ${day(expiresAt)}.`;
  return `The token ended on ${day(expiresAt)}. Run pulumi up, which refreshes it; if ${device} still gets no answer, npm run doctor says why.`;
}

const day = (time: string) => time.slice(0, 10);
const minute = (time: string) => `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;

import { isDeepStrictEqual } from "node:util";
import type { SettingsValues } from "../../../settings/schema.ts";
import {
  withSubject,
  type Check,
  expiryFinding,
  type Finding,
  failed,
  asSharesFinding,
  type Subject,
  passed,
} from "../finding.ts";
import type { HostReport, SiteFacts } from "../host.ts";
import type { ExaminedName, Subjects } from "../subjects.ts";
import { APPLICATION, applicationFindings, tokenFindings, STRICT, strictTokensFinding, TOKENS } from "./access.ts";
import { ORIGIN, originCertificateFindings, originPullsFindings, PULLS } from "./certificates.ts";
import type {
  Application,
  DnsRecord,
  IdentityProvider,
  Organization,
  OriginCertificate,
  OriginPulls,
  PullCertificate,
  ServiceToken,
} from "./facts.ts";
import { DNS, dnsFinding, SSL, zoneFindings } from "./zone.ts";

/** Reads from Cloudflare's API. Both reject with an `ApiProblem`. */
export interface ApiReader {
  /** Gets one object. */
  one<T>(path: string): Promise<T>;
  /** Gets all pages of a list. */
  all<T>(path: string): Promise<T[]>;
}

/** Why a request to the API failed. */
export class ApiProblem extends Error {
  /** HTTP status; 0 if there was no response. */
  public readonly status: number;
  public readonly path: string;

  public constructor(status: number, path: string, message: string) {
    super(message);
    this.name = "ApiProblem";
    this.status = status;
    this.path = path;
  }
}

const API: Check = {
  id: "api-token",
  place: "cloudflare",
  title: "API token",
  why: "Nothing at Cloudflare could be checked, and the next deployment will fail.",
  fix: "make a new one (https://dash.cloudflare.com/profile/api-tokens) and `pulumi config set --secret apiToken`",
};

/** What the API's answers are compared with. */
export interface Context extends Pick<Subjects, "sites" | "shares"> {
  settings: SettingsValues;
  /** Each host's report; `undefined` if the host could not be asked. */
  hosts: readonly { subject: Subject; report: Promise<HostReport | undefined> }[];
  now: Date;
}

/** All findings from Cloudflare's API. Checks for which the token lacks a permission are unknown. */
export async function cloudflareFindings(api: ApiReader, context: Context): Promise<Finding[]> {
  const { settings, sites, shares, now } = context;
  const zone = `/zones/${settings.zoneId}`;
  const account = `/accounts/${settings.accountId}`;
  const token = await tokenFinding(api, account, now);
  if (token.status === "wrong" || token.status === "unknown") return [token];

  const tokens = api.all<ServiceToken>(`${account}/access/service_tokens`);
  const issued = api.all<OriginCertificate>(`/certificates?zone_id=${settings.zoneId}`);
  // Marks rejections as handled: a group may fail before it awaits these.
  for (const answer of [tokens, issued]) answer.catch(() => undefined);
  const groups = await Promise.all([
    ...sites.map((site, place) => hostnameFindings(api, context, site, issued, place === 0)),
    group(SSL, async () => zoneFindings(await readSettings(api, zone), settings)),
    group(APPLICATION, async () => {
      const [apps, providers] = await Promise.all([
        api.all<Application>(`${account}/access/apps`),
        api.all<IdentityProvider>(`${account}/access/identity_providers`),
      ]);
      const all = await tokens;
      return sites.flatMap(({ subject, access }) =>
        withSubject(subject, applicationFindings(apps, providers, all, access)),
      );
    }),
    group(TOKENS, async () => {
      const all = await tokens;
      return sites.flatMap(({ subject, access }) => withSubject(subject, tokenFindings(all, access, now)));
    }),
    group(STRICT, async () => [strictTokensFinding(await api.one<Organization>(`${account}/access/organizations`))]),
    ...shares.map(async (one) => (await hostnameFindings(api, context, one, issued, false)).map(asSharesFinding)),
  ]);
  return [token, ...groups.flat()];
}

/** The findings about one host name. If the origin pulls are the zone's, the first host name has their findings. */
async function hostnameFindings(
  api: ApiReader,
  { hosts, now }: Context,
  { subject, settings }: ExaminedName,
  issued: Promise<OriginCertificate[]>,
  isFirst: boolean,
): Promise<Finding[]> {
  const { hostname, originAddresses } = settings;
  const zone = `/zones/${settings.zoneId}`;
  const wanted = { settings, now };
  const onHosts = async (fact: keyof SiteFacts) => {
    const told = await Promise.all(hosts.map(async (host) => ({ ...host, report: await host.report })));
    return told.flatMap(({ subject: host, report }): OnHost[] => {
      const pem = report?.sites[hostname]?.facts[fact] ?? undefined;
      return pem === undefined ? [] : [{ host, pem }];
    });
  };
  const ofZone = settings.originPulls !== "hostname";
  const groups = await Promise.all([
    group(DNS, async () => [
      dnsFinding(await api.all<DnsRecord>(`${zone}/dns_records?name=${hostname}`), originAddresses),
    ]).then((found) => withSubject(subject, found)),
    ofZone && !isFirst
      ? []
      : group(PULLS, async () => {
          const pulls = await readPulls(api, zone, settings);
          const cas = await onHosts("clientCa");
          return cas.length === 0
            ? originPullsFindings(pulls, undefined, wanted)
            : findingsOnEachHost(cas, (ca) => originPullsFindings(pulls, ca, wanted));
        }).then((found) => (ofZone ? found : withSubject(subject, found))),
    group(ORIGIN, async () => {
      const all = await issued;
      return findingsOnEachHost(await onHosts("certificate"), (installed) =>
        originCertificateFindings(all, installed, wanted),
      );
    }).then((found) => withSubject(subject, found)),
  ]);
  return groups.flat();
}

/** A site's certificate or CA on a host, PEM. */
interface OnHost {
  host: Subject;
  pem: string;
}

/** The findings about a site on several hosts: once if all hosts agree, else for each host. */
function findingsOnEachHost(all: readonly OnHost[], judge: (pem: string) => Finding[]): Finding[] {
  const judged = all.map(({ host, pem }) => ({ host, found: judge(pem) }));
  const alike = judged.every(({ found }) => isDeepStrictEqual(found, judged[0]?.found));
  return alike ? (judged[0]?.found ?? []) : judged.flatMap(({ host, found }) => withSubject(host, found));
}

async function group(check: Check, work: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await work();
  } catch (error) {
    // A field is missing, or holds something else than Cloudflare documents.
    if (!(error instanceof ApiProblem)) return [failed(check, unexpectedForm(error), AGAIN, "unknown")];
    if (error.status !== 401 && error.status !== 403) return [failed(check, error.message, AGAIN, "unknown")];
    const permission = PERMISSIONS.find(([path]) => path.test(error.path))?.[1] ?? "a permission";
    return [failed(check, `the API token lacks ${permission}`, `add ${permission}, Edit to the token`, "unknown")];
  }
}

const AGAIN = "run the doctor again";

const unexpectedForm = (error: unknown) =>
  `Cloudflare's answer cannot be read (${error instanceof Error ? error.message.split("\n")[0] : String(error)})`;

/** The permissions that paths need, by their names in the dashboard. */
const PERMISSIONS: readonly (readonly [path: RegExp, permission: string])[] = [
  [/\/dns_records/, "Zone, DNS"],
  [/\/origin_tls_client_auth|^\/certificates/, "Zone, SSL and Certificates"],
  [/\/settings\//, "Zone, Zone Settings"],
  [/\/access\/apps/, "Account, Access: Apps and Policies"],
  [/\/access\/service_tokens/, "Account, Access: Service Tokens"],
  [/\/access\//, "Account, Access: Organizations, Identity Providers, and Groups"],
];

async function tokenFinding(api: ApiReader, account: string, now: Date): Promise<Finding> {
  try {
    const { expires_on: end } = await verify(api, account);
    if (end !== undefined) return expiryFinding(API, end, now);
    return passed(API, "valid, without an end");
  } catch (error) {
    if (!(error instanceof ApiProblem)) return failed(API, unexpectedForm(error), AGAIN, "unknown");
    const refused = error.status >= 400 && error.status < 500 && error.status !== 429;
    return refused
      ? failed(API, "Cloudflare does not accept it")
      : failed(
          API,
          `the API request failed: ${error.message}`,
          "look at the network and at https://www.cloudflarestatus.com",
          "unknown",
        );
  }
}

/** Verifies the token. A user's token and an account's token have different addresses. */
function verify(api: ApiReader, account: string): Promise<{ expires_on?: string }> {
  return api.one<{ expires_on?: string }>("/user/tokens/verify").catch((error: unknown) => {
    if (error instanceof ApiProblem && error.status > 0) return api.one(`${account}/tokens/verify`);
    throw error;
  });
}

const SETTINGS = ["ssl", "ssl_automatic_mode", "min_tls_version", "always_use_https", "websockets", "max_upload"];

async function readSettings(api: ApiReader, zone: string): Promise<Record<string, unknown>> {
  const read = async (id: string) => [id, (await api.one<{ value: unknown }>(`${zone}/settings/${id}`)).value] as const;
  return Object.fromEntries(await Promise.all(SETTINGS.map(read)));
}

/** Reads the certificate that Cloudflare presents to the host in the stack's mode. */
async function readPulls(
  api: ApiReader,
  zone: string,
  { originPulls: mode, hostname }: SettingsValues,
): Promise<OriginPulls | undefined> {
  const base = `${zone}/origin_tls_client_auth`;
  if (mode === "shared") {
    const { value } = await api.one<{ value: unknown }>(`${zone}/settings/tls_client_auth`);
    return { enabled: value === "on" };
  }
  if (mode === "zone") {
    const [{ enabled }, certificates] = await Promise.all([
      api.one<{ enabled: boolean }>(`${base}/settings`),
      api.all<PullCertificate>(base),
    ]);
    const certificate = lastOf(certificates);
    return { enabled: enabled && certificate !== undefined, ...(certificate && { certificate }) };
  }
  try {
    const found = await api.one<PullCertificate & { enabled: boolean; cert_status?: string }>(
      `${base}/hostnames/${hostname}`,
    );
    return { enabled: found.enabled, certificate: { ...found, status: found.cert_status ?? found.status } };
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404) return undefined;
    throw error;
  }
}

/** The certificate that was uploaded last, which is the one that Cloudflare presents. */
function lastOf(certificates: readonly PullCertificate[]): PullCertificate | undefined {
  const time = ({ uploaded_on: uploaded = "" }: PullCertificate) => uploaded;
  return certificates.toSorted((one, other) => time(other).localeCompare(time(one)))[0];
}

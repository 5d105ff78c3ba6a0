import { isDeepStrictEqual } from "node:util";
import { targetOf } from "../../../components/dns-records.ts";
import { DELETED, LEAVING } from "../../../components/orphan-cleanup/orphans.ts";
import type { SettingsValues } from "../../../settings/schema.ts";
import { otherPort } from "../../../settings/topology.ts";
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
import { ApiProblem, type ApiReader, inWords, isAbsent, unexpectedForm } from "./api.ts";
import { ORIGIN, originCertificateFindings, originPullsFindings, PULLS } from "./certificates.ts";
import type {
  Application,
  DnsRecord,
  IdentityProvider,
  NotificationPolicy,
  Organization,
  OriginCertificate,
  OriginPulls,
  PullCertificate,
  Ruleset,
  ServiceToken,
  Zone,
} from "./facts.ts";
import { group, isRefusal, NOT_AS_DOCUMENTED, AGAIN } from "./group.ts";
import { notificationFindings, NOTIFIED } from "./notifications.ts";
import { originRuleFinding, RULE } from "./origin-rules.ts";
import { REACH, reachFinding, ZONE, zoneFinding } from "./readiness.ts";
import { AUTOMATIC_MODE, DNS, dnsFinding, SSL, zoneFindings } from "./zone.ts";

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
  /** The account's Access applications. */
  applications: Promise<Application[]>;
  now: Date;
}

/** All findings from Cloudflare's API. Checks for which the token lacks a permission are unknown. */
export async function cloudflareFindings(api: ApiReader, context: Context): Promise<Finding[]> {
  const { settings, sites, shares, applications, now } = context;
  const zone = `/zones/${settings.zoneId}`;
  const account = `/accounts/${settings.accountId}`;
  const token = await tokenFinding(api, account, now);
  if (token.status === "wrong" || token.status === "unknown") return [token];

  const tokens = api.all<ServiceToken>(`${account}/access/service_tokens`);
  const issued = api.all<OriginCertificate>(`/certificates?zone_id=${settings.zoneId}`);
  const listed = readZone(api, zone);
  // Marks rejections as handled: a group may fail before it awaits these.
  for (const answer of [tokens, issued, listed]) answer.catch(() => undefined);
  const shared = { issued, listed };
  const groups = await Promise.all([
    group(ZONE, async () => [zoneFinding(await listed)]),
    ...sites.map((site, place) => hostnameFindings(api, context, site, shared, place === 0)),
    group(SSL, async () => zoneFindings(await readSettings(api, zone), settings)),
    group(APPLICATION, async () => {
      const [apps, providers] = await Promise.all([
        applications,
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
    settings.notificationEmails.length === 0
      ? []
      : group(NOTIFIED, async () =>
          notificationFindings(await api.all<NotificationPolicy>(`${account}/alerting/v3/policies`), settings),
        ),
    ...shares.map(async (one) => (await hostnameFindings(api, context, one, shared, false)).map(asSharesFinding)),
  ]);
  return [token, ...groups.flat()];
}

/** The findings about one host name. If the origin pulls are the zone's, the first host name has their findings. */
async function hostnameFindings(
  api: ApiReader,
  { hosts, now }: Context,
  { subject, settings }: ExaminedName,
  { issued, listed }: { issued: Promise<OriginCertificate[]>; listed: Promise<Zone> },
  isFirst: boolean,
): Promise<Finding[]> {
  const { hostname, originAddresses, originName } = settings;
  const zone = `/zones/${settings.zoneId}`;
  const wanted = { settings, now };
  const onHosts = async (fact: keyof SiteFacts) => {
    const told = await Promise.all(hosts.map(async (host) => ({ ...host, report: await host.report })));
    return told.flatMap(({ subject: host, report }): OnHost[] => {
      const pem = report?.sites[hostname]?.facts[fact] ?? undefined;
      return pem === undefined ? [] : [{ host, pem }];
    });
  };
  const port = otherPort(settings);
  const ofZone = settings.originPulls !== "hostname";
  const groups = await Promise.all([
    group(REACH, async () => [reachFinding(await listed, hostname)]).then((found) => withSubject(subject, found)),
    group(DNS, async () => [
      dnsFinding(
        await api.all<DnsRecord>(`${zone}/dns_records?name=${hostname}`),
        targetOf(originName, originAddresses),
      ),
    ]).then((found) => withSubject(subject, found)),
    port === undefined
      ? []
      : group(RULE, async () => [originRuleFinding(await readRules(api, zone), hostname, port)]).then((found) =>
          withSubject(subject, found),
        ),
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

async function tokenFinding(api: ApiReader, account: string, now: Date): Promise<Finding> {
  try {
    const { expires_on: end } = await verify(api, account);
    if (end != null) return expiryFinding(API, end, now);
    return passed(API, "valid, without an end");
  } catch (error) {
    if (!(error instanceof ApiProblem)) return failed(API, NOT_AS_DOCUMENTED.message, AGAIN, "unknown");
    return isRefusal(error) || error.status === 400
      ? failed(API, `Cloudflare does not accept it: ${error.errors.map(inWords).join(", ")}`)
      : failed(
          API,
          `the API request failed: ${error.message}`,
          error.status === 403 ? AGAIN : "look at the network and at https://www.cloudflarestatus.com",
          "unknown",
        );
  }
}

/** Verifies the token. A user's token and an account's token have different addresses. */
function verify(api: ApiReader, account: string): Promise<{ expires_on?: string | null }> {
  return api.one<{ expires_on?: string | null }>("/user/tokens/verify").catch((error: unknown) => {
    if (error instanceof ApiProblem && error.status > 0) return api.one(`${account}/tokens/verify`);
    throw error;
  });
}

async function readZone(api: ApiReader, path: string): Promise<Zone> {
  const zone = await api.one<Zone>(path);
  if (typeof zone.name !== "string") throw unexpectedForm(path);
  return zone;
}

const SETTINGS = ["ssl", AUTOMATIC_MODE, "min_tls_version", "always_use_https", "websockets", "max_upload"];

async function readSettings(api: ApiReader, zone: string): Promise<Record<string, unknown>> {
  const read = async (id: string): Promise<[id: string, value: unknown][]> => {
    try {
      return [[id, await readSetting(api, zone, id)]];
    } catch (error) {
      if (id === AUTOMATIC_MODE && isAbsent(error)) return [];
      throw error;
    }
  };
  return Object.fromEntries((await Promise.all(SETTINGS.map(read))).flat());
}

async function readSetting(api: ApiReader, zone: string, id: string): Promise<unknown> {
  const path = `${zone}/settings/${id}`;
  const { value } = await api.one<{ value?: unknown }>(path);
  if (value === undefined) throw unexpectedForm(path);
  return value;
}

/** Reads the certificate that Cloudflare presents to the host in the stack's mode. */
async function readPulls(
  api: ApiReader,
  zone: string,
  { originPulls: mode, hostname }: SettingsValues,
): Promise<OriginPulls | undefined> {
  const base = `${zone}/origin_tls_client_auth`;
  if (mode === "shared") {
    return { enabled: (await readSetting(api, zone, "tls_client_auth")) === "on" };
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

/** Reads the zone's origin rules; `undefined` if it has none. */
async function readRules(api: ApiReader, zone: string): Promise<Ruleset | undefined> {
  try {
    return await api.one<Ruleset>(`${zone}/rulesets/phases/http_request_origin/entrypoint`);
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404) return undefined;
    throw error;
  }
}

/** The certificate that was uploaded last, which is the one that Cloudflare presents. Deleted ones stay listed. */
function lastOf(certificates: readonly PullCertificate[]): PullCertificate | undefined {
  const time = ({ uploaded_on: uploaded = "" }: PullCertificate) => uploaded;
  return certificates
    .filter(({ status }) => status !== DELETED && status !== LEAVING)
    .toSorted((one, other) => time(other).localeCompare(time(one)))[0];
}

import {
  validateResourceOfType,
  type PolicyResource,
  type ResourceValidationPolicy,
  type StackValidationPolicy,
} from "@pulumi/policy";
import * as tls from "@pulumi/tls";
import * as cloudflare from "../../components/cloudflare.ts";
import { isOriginType } from "../../components/dns-record-types.ts";
import { valueIfKnown } from "./preview-values.ts";

/** Default of `requestedValidity` in days (cloudflare_origin_ca_certificate). */
const DEFAULT_VALIDITY_DAYS = 5475;

/** Every address record goes through Cloudflare. */
export const recordsProxied: ResourceValidationPolicy = {
  name: "dns-records-proxied",
  description: "Access protects proxied records only; any other publishes the host's address and leads straight to it.",
  validateResource: validateResourceOfType(cloudflare.DnsRecord, (record, _args, reportViolation) => {
    const { name, type } = record;
    if (isOriginType(type) && valueIfKnown(() => record.proxied) !== true) {
      reportViolation(`The ${type} record ${name} is not proxied. Set proxied: true.`);
    }
  }),
};

/** Full (strict) in every zone that has a record of the site. */
export const sslStrict: StackValidationPolicy = {
  name: "zone-ssl-strict",
  description:
    "Without Full (strict), Cloudflare does not verify the host's certificate, and some modes do not even encrypt.",
  validateStack: ({ resources }, reportViolation) => {
    const settings = zoneSettings(resources, "ssl");
    for (const { zoneId, value, urn } of settings) {
      if (value !== "strict") {
        reportViolation(`The zone ${zoneId} has SSL mode ${String(value)}. Set the zone setting ssl to strict.`, urn);
      }
    }
    for (const zoneId of new Set(proxiedRecords(resources).map((record) => record.zoneId))) {
      if (!settings.some((setting) => setting.zoneId === zoneId)) {
        reportViolation(`Nothing sets the SSL mode of the zone ${zoneId}. Declare the zone setting ssl as strict.`);
      }
    }
  },
};

/** Cloudflare presents a client certificate for every proxied record. */
export const originPullsOn: StackValidationPolicy = {
  name: "origin-pulls-on",
  description:
    "nginx recognises Cloudflare by authenticated origin pulls (mutual TLS), so every proxied record needs them.",
  validateStack: ({ resources }, reportViolation) => {
    const zones = new Set([
      ...zoneSettings(resources, "tls_client_auth").flatMap(({ zoneId, value }) => (value === "on" ? [zoneId] : [])),
      ...resources.flatMap((resource) => {
        const settings = resource.asType(cloudflare.AuthenticatedOriginPullsSettings);
        return settings && valueIfKnown(() => settings.enabled) === true ? [settings.zoneId] : [];
      }),
    ]);
    const hostnames = new Set(
      resources.flatMap((resource) => {
        const pulls = resource.asType(cloudflare.AuthenticatedOriginPulls);
        return (pulls?.configs ?? []).flatMap(({ hostname, enabled }) => (enabled && hostname ? [hostname] : []));
      }),
    );
    for (const { name, zoneId, urn } of proxiedRecords(resources)) {
      if (!zones.has(zoneId) && !hostnames.has(name)) {
        reportViolation(`${name} has no origin pulls. Declare them for this host name or for its zone.`, urn);
      }
    }
  },
};

/** Certificates expire soon enough that their renewal is exercised and a lost key becomes useless. */
export const certificateLifetime: ResourceValidationPolicy = {
  name: "certificate-lifetime",
  description:
    "A lost key stays useful until its certificate expires, and a renewal that runs once in years has never been tried.",
  configSchema: {
    properties: { maxDays: { type: "integer", minimum: 7, default: 398, description: "Longest validity in days." } },
  },
  validateResource: [
    validateResourceOfType(cloudflare.OriginCaCertificate, ({ requestedValidity }, args, reportViolation) => {
      const days = requestedValidity ?? DEFAULT_VALIDITY_DAYS;
      if (days > maxDays(args)) reportViolation(tooLong("requestedValidity", days, maxDays(args)));
    }),
    validateResourceOfType(tls.LocallySignedCert, ({ validityPeriodHours }, args, reportViolation) => {
      const days = validityPeriodHours / 24;
      if (days > maxDays(args)) reportViolation(tooLong("validityPeriodHours", days, maxDays(args)));
    }),
  ],
};

const maxDays = (args: { getConfig<T extends object>(): T }) => args.getConfig<{ maxDays: number }>().maxDays;

function tooLong(property: string, days: number, most: number): string {
  const lasts = `The certificate lasts ${Math.ceil(days).toString()} days, but at most ${most.toString()} are allowed`;
  return `${lasts}. Lower ${property} (setting certificateValidityDays), or allow more in policy/config.json.`;
}

/** The proxied address records of a stack. */
function proxiedRecords(resources: readonly PolicyResource[]): { name: string; zoneId: string; urn: string }[] {
  return resources.flatMap((resource) => {
    const record = resource.asType(cloudflare.DnsRecord);
    if (!record || !isOriginType(record.type) || !valueIfKnown(() => record.proxied)) return [];
    return [{ name: record.name, zoneId: record.zoneId, urn: resource.urn }];
  });
}

/** The declared values of one setting, by zone. */
function zoneSettings(resources: readonly PolicyResource[], id: string) {
  return resources.flatMap((resource) => {
    const setting = resource.asType(cloudflare.ZoneSetting);
    if (setting?.settingId !== id) return [];
    return [{ zoneId: setting.zoneId, value: valueIfKnown(() => setting.value as unknown), urn: resource.urn }];
  });
}

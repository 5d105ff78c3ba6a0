import * as pulumi from "@pulumi/pulumi";
import type { AccessApplication } from "../components/access-application.ts";
import type { ProtectedSite, Site } from "./site.ts";

/** When a site's certificates end, RFC 3339; an `up` in the month before renews them. */
function certificateExpiry({ originCertificate, clientAuthentication: { certificate } }: Site) {
  return { origin: originCertificate.expiresOn, ...(certificate && { originPulls: certificate.expiresOn }) };
}

function siteOutputs({ site }: ProtectedSite, { devices, audience }: AccessApplication) {
  const ends = Object.entries(devices).map(([device, { expiresAt }]) => [device, expiresAt] as const);
  return {
    /** Address of the site. */
    url: `https://${site.hostname}`,
    /** By device: the values of its two headers, and when its token ends. */
    devices: pulumi.secret(devices),
    /** Audience tag of the Access application. */
    audience,
    certificateExpiry: certificateExpiry(site),
    /** By device: when its token ends. */
    tokenExpiry: Object.fromEntries(ends),
  };
}

/**
 * The outputs of a stack: the main site's at the top, those of further sites by their host names.
 *
 * @param online what the main site's address waits for, and thereby the end of an `up`
 */
export function stackOutputs(sites: readonly ProtectedSite[], online: pulumi.Output<void>) {
  const immich = sites.flatMap((site) => (site.access ? [siteOutputs(site, site.access)] : []));
  const [main, ...more] = immich;
  if (!main) throw new Error("a stack has at least one site behind Access");
  const shares = sites.find(({ access }) => access === undefined)?.site;
  return {
    ...main,
    url: online.apply(() => main.url),
    certificateExpiry: { ...main.certificateExpiry, ...(shares && { publicShares: certificateExpiry(shares) }) },
    // Pulumi warns of an output that is there and undefined.
    ...(shares && {
      /** Address of the public shares: what to enter in Immich as the external domain. */
      publicShareUrl: `https://${shares.hostname}`,
    }),
    moreSites: Object.fromEntries(more.map(({ url, ...outputs }) => [new URL(url).hostname, { url, ...outputs }])),
  };
}

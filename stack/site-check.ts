import * as pulumi from "@pulumi/pulumi";
import { waitForSite } from "../components/site-check/index.ts";
import { networkFromEnvironment } from "../components/site-check/network.ts";
import type { Settings } from "../settings/index.ts";
import type { PublishedSite } from "./site.ts";

/**
 * Asks every site through Cloudflare once its DNS records exist, as a stranger and as a device, and waits until it
 * answers. A preview asks nothing.
 *
 * @returns what the stack's outputs wait for
 */
export function whenOnline(
  sites: readonly PublishedSite[],
  { siteCheckSeconds, teamDomain }: Settings,
): pulumi.Output<void> {
  if (pulumi.runtime.isDryRun() || siteCheckSeconds === 0) return pulumi.output(undefined);
  const network = networkFromEnvironment(process.env);
  const asked = sites.map(({ hostname, serves, recordIds, device }) =>
    pulumi
      .all([device, recordIds])
      .apply(([headers]) => waitForSite(network, { hostname, serves, teamDomain, device: headers }, siteCheckSeconds)),
  );
  // The device's secret would make the result secret.
  return pulumi.unsecret(pulumi.all(asked).apply(() => undefined));
}

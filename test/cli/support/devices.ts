import { ACCESS_APPLICATION, serviceTokenName } from "../../../components/token-names.ts";
import type { Deployment } from "../../e2e/support/deployment.ts";

/** A device in the imported state. */
export interface Device {
  clientId: string;
  clientSecret: string;
  expiresAt: string;
  /** Version of its secret; default 1. */
  secretVersion?: number;
}

interface Exported {
  version: number;
  deployment: { resources?: object[] };
}

const urn = (type: string, name: string) => `urn:pulumi:test::immich-access::${type}::${name}`;

const access = (site: string) => urn(ACCESS_APPLICATION, `${site}-access`);

/** A secret as an exported state has it before it is encrypted. */
const secret = (value: unknown) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  plaintext: JSON.stringify(value),
});

/** Gives a stack the state of sites with devices, by host name, the main one first; without deploying anything. */
export async function importDevices(
  { stack }: Deployment,
  sites: Readonly<Record<string, Readonly<Record<string, Device>>>>,
): Promise<void> {
  const [main, ...more] = Object.entries(sites).map(([site, devices]) => ({
    site,
    outputs: { url: `https://${site}`, devices: secret(devices) },
  }));
  const exported: Exported = await stack.exportStack();
  const type = "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken";
  const provider = "pulumi:providers:cloudflare";
  exported.deployment.resources = [
    {
      urn: urn("pulumi:pulumi:Stack", "immich-access-test"),
      type: "pulumi:pulumi:Stack",
      custom: false,
      outputs: { ...main?.outputs, moreSites: Object.fromEntries(more.map(({ site, outputs }) => [site, outputs])) },
    },
    { urn: urn(provider, "cloudflare"), type: provider, custom: true, id: "provider" },
    ...Object.entries(sites).map(([site, devices]) => ({
      urn: access(site),
      type: ACCESS_APPLICATION,
      custom: false,
      inputs: { hostname: site, devices: Object.keys(devices) },
    })),
    ...Object.entries(sites).flatMap(([site, devices]) =>
      Object.entries(devices).map(([name, { secretVersion }]) => ({
        // The name that the program gives it says nothing to the tools.
        urn: urn(`${ACCESS_APPLICATION}$${type}`, `token-${site}-${name}`),
        type,
        parent: access(site),
        custom: true,
        id: `${site}-${name}`,
        provider: `${urn(provider, "cloudflare")}::provider`,
        inputs: {
          name: serviceTokenName(site, name),
          ...(secretVersion !== undefined && { clientSecretVersion: secretVersion }),
        },
        outputs: {},
      })),
    ),
  ];
  await stack.importStack(exported);
}

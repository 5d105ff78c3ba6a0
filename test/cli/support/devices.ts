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

/** A secret as an exported state has it before it is encrypted. */
const secret = (value: unknown) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  plaintext: JSON.stringify(value),
});

/** Gives a stack the state of a site with these devices, without deploying anything. */
export async function importDevices(
  { stack }: Deployment,
  url: string,
  devices: Readonly<Record<string, Device>>,
): Promise<void> {
  const exported: Exported = await stack.exportStack();
  const type = "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken";
  const provider = "pulumi:providers:cloudflare";
  exported.deployment.resources = [
    {
      urn: urn("pulumi:pulumi:Stack", "immich-access-test"),
      type: "pulumi:pulumi:Stack",
      custom: false,
      outputs: { url, devices: secret(devices) },
    },
    { urn: urn(provider, "cloudflare"), type: provider, custom: true, id: "provider" },
    ...Object.entries(devices).map(([name, { secretVersion }]) => ({
      urn: urn(type, `${new URL(url).hostname}-access-token-${name}`),
      type,
      custom: true,
      id: name,
      provider: `${urn(provider, "cloudflare")}::provider`,
      inputs: secretVersion === undefined ? {} : { clientSecretVersion: secretVersion },
      outputs: {},
    })),
  ];
  await stack.importStack(exported);
}

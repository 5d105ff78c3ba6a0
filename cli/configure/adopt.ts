import { LocalWorkspace } from "@pulumi/pulumi/automation/index.js";
import * as cloudflare from "../../components/cloudflare.ts";
import { recordName } from "../../components/dns-records.ts";
import { loadSettings } from "../../settings/index.ts";
import { CommandError } from "../lib/command.ts";
import { projectName } from "../lib/project.ts";
import type { RecordAdoption } from "./existing.ts";
import type { ConfigStack } from "./stack.ts";

/** What is imported into the stack unchanged; the next `up` updates it. */
export interface Adoption {
  hostname: string;
  zoneId: string;
  accountId: string;
  records: readonly RecordAdoption[];
  /** Id of the Access application. */
  application: string | undefined;
}

/**
 * Imports what exists at Cloudflare into a stack whose settings are written. Nothing at Cloudflare changes.
 *
 * Imported resources keep the provider of the import; a later change of provider would replace them. The program's own
 * provider is therefore created first, by a program that has nothing else. Only it is targeted, so that the stack's
 * other resources stay.
 *
 * @throws CommandError with what the CLI says
 */
export async function adopt(stack: ConfigStack, adoption: Adoption): Promise<void> {
  const { hostname, zoneId, accountId, records, application } = adoption;
  const project = projectName();
  const workspace = await LocalWorkspace.selectStack(
    {
      stackName: stack.name,
      projectName: project,
      program: () => {
        const { apiToken, apiUrl } = loadSettings();
        new cloudflare.Provider("cloudflare", { apiToken, baseUrl: apiUrl });
        return Promise.resolve();
      },
    },
    {
      workDir: process.cwd(),
      envVars: Object.fromEntries(Object.entries(stack.env).map(([key, value]) => [key, value ?? ""])),
    },
  );
  const name = stack.name.split("/").at(-1) ?? stack.name;
  const provider = `urn:pulumi:${name}::${project}::pulumi:providers:cloudflare::cloudflare`;
  const dns = `${hostname}-dns`;
  const access = `${hostname}-access`;
  const component = (kind: string, component: string) => ({
    type: `immich-access:index:${kind}`,
    name: component,
    component: true,
  });
  try {
    await workspace.up({ target: [provider], suppressOutputs: true });
    await workspace.import({
      nameTable: { cloudflare: provider },
      protect: false,
      generateCode: false,
      resources: [
        ...(records.length > 0 ? [component("DnsRecords", dns)] : []),
        ...records.map(({ wanted, record }) => ({
          type: "cloudflare:index/dnsRecord:DnsRecord",
          name: recordName(dns, wanted),
          id: `${zoneId}/${record.id}`,
          parent: dns,
          provider: "cloudflare",
        })),
        ...(application === undefined
          ? []
          : [
              component("AccessApplication", access),
              {
                type: "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication",
                name: `${access}-application`,
                id: `accounts/${accountId}/${application}`,
                parent: access,
                provider: "cloudflare",
              },
            ]),
      ],
    });
  } catch (error) {
    throw new CommandError(`the settings are written, but the import failed: ${(error as Error).message}`);
  }
}

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DeviceHeaders } from "../../../components/site-check/answers.ts";
import { sandboxApi, type SandboxApi } from "../../../dev/sandbox/api/client.ts";
import { DEV } from "../../../dev/sandbox/api/world.ts";
import { sandboxSettings } from "../../../dev/commands/sandbox-settings.ts";
import { curlConfig } from "../../../dev/commands/probes.ts";
import { edgeEnvironment, startSandbox, stopSandbox } from "../../../dev/sandbox/lifecycle.ts";
import { ORIGIN } from "../../../dev/sandbox/network/network.ts";
import type { Sandbox } from "../../../dev/sandbox/sandbox.ts";
import { Deployment, PROJECT } from "./deployment.ts";

export const SITE = "photos.home.localhost";
/** Host name of the public shares, where a test has them. */
export const SHARES = "shares.home.localhost";

/** The stack's outputs as a person gets them. */
export interface Outputs {
  url: string;
  publicShareUrl?: string;
  devices: Record<string, DeviceHeaders & { expiresAt: string }>;
  audience: string;
  certificateExpiry: { origin: string; originPulls?: string };
  tokenExpiry: Record<string, string>;
  moreSites: Record<string, Pick<Outputs, "url" | "devices">>;
}

/** What a request through the edge came to. */
export interface Got {
  status: number;
  body: string;
}

/** A sandbox and a stack of the whole program, both of this test file alone. */
export interface World {
  sandbox: Sandbox;
  api: SandboxApi;
  deployment: Deployment;
  /** Makes another stack that is configured like the first, but for these settings. It goes with the world. */
  anotherStack(settings: Readonly<Record<string, unknown>>): Promise<Deployment>;
  /** Where everything of the sandbox lies. */
  stateDir: string;
  /** A stranger's request to the site through the edge, with a device's headers if there are any. */
  visit(path: string, headers?: DeviceHeaders, hostname?: string): Promise<Got>;
  close(): Promise<void>;
}

/**
 * Starts both, configured as the dev stack is.
 * @param quick see Deployment.create
 */
export async function startWorld(quick = true): Promise<World> {
  const stateDir = mkdtempSync(join(tmpdir(), "immich-access-world-"));
  const report = (line: string) => {
    console.log(line);
  };
  const sandbox = await startSandbox({ projectDir: PROJECT, stateDir, report });
  const { plain, secret } = sandboxSettings(sandbox);
  const stacks: Deployment[] = [];
  const newStack = async (settings: Readonly<Record<string, unknown>> = {}) => {
    const deployment = await Deployment.create(quick, undefined, edgeEnvironment({ stateDir }));
    stacks.push(deployment);
    await deployment.configure({ ...DEV_SETTINGS, ...plain, ...settings }, secret);
    return deployment;
  };

  return {
    sandbox,
    api: sandboxApi(stateDir),
    deployment: await newStack(),
    anotherStack: newStack,
    stateDir,
    visit: async (path, headers, hostname = SITE) => {
      const { stdout } = await sandbox.runAsStranger(
        [
          ...["curl", "--silent", "--max-time", "30", "--cacert", sandbox.publicCaPath, "--config", "-"],
          ...["--resolve", `${hostname}:443:${sandbox.edge.ipv4}`, "--write-out", "\n%{http_code}"],
          // As it is, with dots and double slashes in it
          "--path-as-is",
          `https://${hostname}${path}`,
        ],
        { input: curlConfig(headers) },
      );
      const end = stdout.lastIndexOf("\n");
      return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) };
    },
    close: async () => {
      for (const stack of stacks) await stack.dispose();
      await stopSandbox({ stateDir, report });
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

const DEV_SETTINGS = {
  hostname: SITE,
  zoneId: DEV.zone,
  accountId: DEV.account,
  teamDomain: DEV.teamDomain,
  originAddresses: [ORIGIN.ipv4, ORIGIN.ipv6],
  emails: ["anna@example.com"],
  emailDomains: ["example.org"],
  devices: ["annas-phone", "frame"],
  // Debian's own page, which nginx serves on port 80
  closeOthers: true,
};

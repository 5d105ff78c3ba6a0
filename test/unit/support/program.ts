import type * as pulumi from "@pulumi/pulumi";
import { expect, vi } from "vitest";
import { configure } from "./configuration.ts";
import { find, recordResources, settled, type Registered } from "./mocks.ts";

/** What the program exports. */
export interface Program {
  url: pulumi.Output<string>;
  publicShareUrl?: string;
  devices: pulumi.Output<Record<string, { clientId: string; clientSecret: string }>>;
  audience: pulumi.Output<string>;
  certificateExpiry: { origin: pulumi.Output<string>; originPulls?: pulumi.Output<string> };
  tokenExpiry: Record<string, pulumi.Output<string>>;
  moreSites: Record<string, { url: string } & Pick<Program, "devices" | "audience" | "tokenExpiry">>;
}

/** What the last run has registered, and the functions that it has called. */
export let registered: Registered[];
export let calls: string[];

/** Runs the program from its beginning, with these changes of a good configuration. */
export async function run(changes: Record<string, string> = {}, preview = false): Promise<Program> {
  vi.restoreAllMocks();
  vi.resetModules();
  ({ registered, calls } = recordResources(preview));
  configure(changes);
  const { default: program } = (await import("../../../index.ts")) as unknown as { default: Program };
  await settled();
  expect(registered.length).toBeGreaterThan(10);
  return program;
}

/** Resources by the end of their type. */
export const ofType = (suffix: string) => registered.filter(({ type }) => type.endsWith(`:${suffix}`));
/** Name of what belongs to the main site. */
export const site = (name: string) => `photos.example.com-${name}`;
/** The request of a command, which follows the script that starts the agent. */
export const request = ({ inputs }: { inputs: Record<string, unknown> }) =>
  JSON.parse((inputs["stdin"] as string).split("\n.\n")[1] ?? "") as { payload: Record<string, unknown> };
/** What a step is asked. */
export const payload = (name: string) => request(find(registered, name)).payload;
/** What a step on the host is asked for one site. */
export const asked = (name: string, hostname = "photos.example.com") =>
  (payload(name)["sites"] as Record<string, unknown>[]).find((one) => one["hostname"] === hostname);

/** The commands on a host, of whatever sites. */
export const STEPS = ["firewall", "certificates", "nginx"].map((step) => `${step}-command`);

/**
 * Names of all that the engine makes before a resource, and removes after it: what it or its parents depend on.
 *
 * @param among those that go together; the engine does not look through what stays
 */
export function awaited(name: string, among: (name: string) => boolean = () => true): Set<string> {
  const names = new Set<string>();
  const follow = (resource: Registered) => {
    const urns = [...resource.dependencies, resource.parent].filter((urn) => urn !== "" && !names.has(urn));
    for (const urn of urns) {
      const found = registered.filter((one) => urn.endsWith(`${one.type}::${one.name}`));
      if (!found.every((one) => among(one.name))) continue;
      names.add(urn);
      found.forEach(follow);
    }
  };
  registered.filter((one) => one.name === name).forEach(follow);
  return new Set([...names].map((urn) => urn.split("::").at(-1) ?? ""));
}

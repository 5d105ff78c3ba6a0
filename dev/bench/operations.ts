// What operations of the engine cost on a deployed site.

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LocalWorkspace } from "@pulumi/pulumi/automation/index.js";
import { type Deployment, PROJECT } from "../../test/e2e/support/deployment.ts";
import { type Figure, median, short } from "./figure.ts";
import { cost, type Site } from "./site.ts";

/** How often each preview is measured. */
const ROUNDS = 5;
const MORE_DEVICES = ["bens-phone", "carls-phone", "doras-phone", "emils-phone", "fridas-phone"];

/** A preview that finds nothing to do, against that of a program which declares nothing. */
export async function preview({ world }: Site): Promise<Figure[]> {
  const { deployment } = world;
  const empty = await emptyStack(deployment);
  const runs = { own: () => deployment.preview(), empty: () => empty.preview() };
  const times: Record<keyof typeof runs, number[]> = { own: [], empty: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const which of ["own", "empty"] as const) {
      const began = performance.now();
      await runs[which]();
      // The first one fills caches.
      if (round > 0) times[which].push(performance.now() - began);
    }
  }
  const [own, others] = [median(times.own), median(times.empty)];
  return [
    {
      what: "preview with nothing to do",
      value: own / others,
      unit: "times that of an empty program",
      goal: { most: 1.5 },
      from: `${short(own / 1000)} s against ${short(others / 1000)} s`,
    },
  ];
}

/** A stack of a program that declares nothing, with the same CLI and SDK. */
function emptyStack({ folder, stack: { workspace } }: Deployment) {
  const workDir = join(folder, "empty");
  mkdirSync(workDir);
  symlinkSync(join(PROJECT, "node_modules"), join(workDir, "node_modules"));
  const runtime = { name: "nodejs", options: { typescript: false, packagemanager: "npm" } };
  writeFileSync(join(workDir, "Pulumi.yaml"), JSON.stringify({ name: "empty", main: ".", runtime }));
  writeFileSync(join(workDir, "package.json"), JSON.stringify({ name: "empty", type: "module", main: "index.ts" }));
  writeFileSync(join(workDir, "index.ts"), "export {};\n");
  const { pulumiCommand, envVars, secretsProvider } = workspace as LocalWorkspace;
  return LocalWorkspace.createStack(
    { stackName: "test", workDir },
    { workDir, envVars, pulumiCommand, ...(secretsProvider && { secretsProvider }) },
  );
}

/** SSH connections: fail2ban and sshd's own limits count them. */
export async function ssh({ world, first }: Site): Promise<Figure[]> {
  const again = await cost(world, () => world.deployment.up());
  const connections = (what: string, value: number, most: number): Figure => ({
    what: `SSH, ${what}`,
    value,
    unit: "connections",
    goal: { most },
  });
  return [connections("first up", first.connections, 3), connections("up with nothing to do", again.connections, 0)];
}

/** One device more, measured on five at once. */
export async function device({ world }: Site): Promise<Figure[]> {
  const { deployment } = world;
  const idle = await cost(world, () => deployment.up());
  await deployment.configure({ devices: ["annas-phone", "frame", ...MORE_DEVICES] });
  const more = await cost(world, () => deployment.up());
  await deployment.configure({ devices: ["annas-phone", "frame"] });
  await deployment.up();
  const each = (total: number, without: number) => (total - without) / MORE_DEVICES.length;
  return [
    {
      what: "one device more",
      value: each(more.requests, idle.requests),
      unit: "requests to Cloudflare",
      from: `${short(each(more.seconds, idle.seconds))} s, ${more.connections} SSH connections`,
    },
  ];
}

/** One site more in the same stack, with as many devices as the first. */
export async function site({ world, first }: Site): Promise<Figure[]> {
  const { deployment } = world;
  const album = {
    hostname: "album.home.localhost",
    immichUpstream: "127.0.0.1:2283",
    emails: ["anna@example.com"],
    devices: ["annas-phone", "frame"],
  };
  await deployment.configure({ moreSites: [album] });
  const more = await cost(world, () => deployment.up());
  await deployment.configure({ moreSites: [] });
  await deployment.up();
  return [
    {
      what: "one site more on the same host",
      value: more.requests / first.requests,
      unit: "times the requests of the first",
      from: `${more.requests} requests, ${short(more.seconds)} s, ${more.connections} SSH connections`,
    },
    {
      what: "SSH, one site more on the same host",
      value: more.connections,
      unit: "connections",
      goal: { most: first.connections },
    },
  ];
}

// A large stack by this program, against the same one by a released version.

import { ORIGIN } from "../sandbox/network/network.ts";
import { placeOf, type SecondHost, startSecondHost } from "../../test/e2e/support/second-host.ts";
import { startWorld } from "../../test/e2e/support/world.ts";
import { programs, unpackProgram, useProgram } from "../../test/upgrades/program.ts";
import { join } from "node:path";
import { type Figure, median, short } from "./figure.ts";
import { moreSites } from "./growth.ts";
import { cost } from "./site.ts";

const SITES = 10;
const HOSTS = 3;
/** How often each preview is measured. */
const ROUNDS = 5;

/** What a stack costs. */
interface Size {
  /** Kilobytes that the state has as `pulumi stack export` writes it. */
  state: number;
  /** Seconds of a preview that finds nothing to do. */
  preview: number;
}

/** Deploys the same sites and hosts by each released version and by this one, each time in a sandbox of its own. */
export async function released(): Promise<Figure[]> {
  const own = await measured(undefined);
  const figures: Figure[] = [];
  for (const version of programs()) {
    const other = await measured(version);
    const form = `${SITES} sites on ${HOSTS} hosts, against ${version}`;
    const from = (unit: string, one: number, two: number) => `${short(one)} ${unit} against ${short(two)} ${unit}`;
    figures.push(
      {
        what: `state, ${form}`,
        value: own.state / other.state,
        unit: "times as large",
        goal: { most: 1.5 },
        from: from("kB", own.state, other.state),
      },
      {
        what: `preview with nothing to do, ${form}`,
        value: own.preview / other.preview,
        unit: "times as long",
        goal: { most: 1.2 },
        from: from("s", own.preview, other.preview),
      },
    );
  }
  return figures;
}

/** @param version the released version whose program runs. Default: this one. */
async function measured(version: string | undefined): Promise<Size> {
  // The engine starts its plugins itself, as it does for everyone.
  const world = await startWorld(false);
  const { deployment } = world;
  const hosts: SecondHost[] = [];
  try {
    for (let number = 1; number < HOSTS; number += 1) hosts.push(await startSecondHost(world, placeOf(number)));
    await deployment.configure({
      devices: ["device-1"],
      originAddresses: [ORIGIN.ipv4],
      moreSites: moreSites(SITES, ["device-1"]),
      moreHosts: hosts.map(({ settings: { closeOthers, ...settings } }, index) => ({
        ...settings,
        // A setting that came after 0.1.0
        ...(version === undefined && { closeOthers }),
        originAddresses: [placeOf(index + 1).ipv4],
      })),
    });
    if (version !== undefined) {
      await deployment.removeSetting("closeOthers");
      const folder = await unpackProgram(version, join(deployment.folder, version));
      useProgram(deployment, folder, new Date().toISOString());
    }
    await deployment.up();
    const previews: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      previews.push((await cost(world, () => deployment.preview({ expectNoChanges: true }))).seconds);
    }
    return { state: (await deployment.exportState()).length / 1000, preview: median(previews) };
  } finally {
    for (const host of hosts) await host.close();
    await world.close();
  }
}

// How a stack's costs grow with its sites, devices and hosts.

import { ORIGIN } from "../sandbox/network/network.ts";
import { placeOf, type SecondHost, startSecondHost } from "../../test/e2e/support/second-host.ts";
import { startWorld, type World } from "../../test/e2e/support/world.ts";
import { type Figure, median, short } from "./figure.ts";
import { type Cost, cost } from "./site.ts";

/** How much of each a stack has. */
interface Form {
  sites: number;
  devices: number;
  hosts: number;
}

/** What a stack of one form costs. */
interface Costs {
  first: Cost;
  again: Cost;
  /** Seconds of a preview that finds nothing to do. */
  preview: number;
  /** Kilobytes that the state has as `pulumi stack export` writes it. */
  state: number;
}

const LEAST: Form = { sites: 1, devices: 1, hosts: 1 };
const SITES = [5, 10];
const DEVICES = [10, 49];
const MOST_HOSTS = 3;
/** How often each preview is measured. */
const ROUNDS = 3;
/** More than this, times the growth of before, is no longer linear; a busy machine accounts for the rest. */
const LINEAR = 1.3;

/** Deploys stacks of several forms one after the other, each in a sandbox of its own. */
export async function growth(): Promise<Figure[]> {
  const least = await measured(LEAST);
  const sites = [least, ...(await each(SITES, (count) => ({ ...LEAST, sites: count })))];
  const devices = [least, ...(await each(DEVICES, (count) => ({ ...LEAST, devices: count })))];
  const hosts = [least, await measured({ ...LEAST, hosts: MOST_HOSTS })];
  return [
    ...against(`${SITES.at(-1) ?? 1} sites`, sites),
    ...against(`${DEVICES.at(-1) ?? 1} devices`, devices),
    ...against(`${MOST_HOSTS} hosts`, hosts),
    ...perOne("site", [1, ...SITES], sites, { preview: 60, state: 40 }),
    ...perOne("device", [1, ...DEVICES], devices, { preview: 8 }),
  ];
}

/** What the most costs against the least. */
function against(most: string, costs: readonly Costs[]): Figure[] {
  const [least, last] = [costs[0], costs.at(-1)];
  if (!least || !last) throw new Error("nothing has been measured");
  const of: Readonly<Record<string, (costs: Costs) => number>> = {
    "first up": ({ first }) => first.seconds,
    "preview with nothing to do": ({ preview }) => preview,
    state: ({ state }) => state,
  };
  return Object.entries(of).map(([what, value]) => ({
    what: `${what}, ${most}`,
    value: value(last) / value(least),
    unit: "times that of one",
  }));
}

async function each(counts: readonly number[], form: (count: number) => Form): Promise<Costs[]> {
  const all: Costs[] = [];
  for (const count of counts) all.push(await measured(form(count)));
  return all;
}

/** Measures one form, and prints its line of the table. */
async function measured(form: Form): Promise<Costs> {
  // The engine starts its plugins itself, as it does for everyone.
  const world = await startWorld(false);
  const hosts: SecondHost[] = [];
  try {
    for (let number = 1; number < form.hosts; number += 1) hosts.push(await startSecondHost(world, placeOf(number)));
    await configure(world, form, hosts);
    const costs = await measure(world);
    console.log(lineOf(form, costs));
    return costs;
  } finally {
    for (const host of hosts) await host.close();
    await world.close();
  }
}

async function configure({ deployment }: World, form: Form, hosts: readonly SecondHost[]): Promise<void> {
  const devices = Array.from({ length: form.devices }, (_, index) => `device-${index + 1}`);
  await deployment.configure({
    devices,
    originAddresses: [ORIGIN.ipv4],
    moreSites: moreSites(form.sites, devices),
    moreHosts: hosts.map(({ settings }, index) => ({ ...settings, originAddresses: [placeOf(index + 1).ipv4] })),
  });
}

/** The setting `moreSites` of a stack with so many sites in all. */
export const moreSites = (sites: number, devices: readonly string[]) =>
  Array.from({ length: sites - 1 }, (_, index) => ({
    hostname: `album-${index + 1}.home.localhost`,
    immichUpstream: "127.0.0.1:2283",
    emails: ["anna@example.com"],
    devices,
  }));

async function measure(world: World): Promise<Costs> {
  const { deployment } = world;
  const first = await cost(world, () => deployment.up());
  const again = await cost(world, () => deployment.up());
  const previews: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    previews.push((await cost(world, () => deployment.preview({ expectNoChanges: true }))).seconds);
  }
  return { first, again, preview: median(previews), state: (await deployment.exportState()).length / 1000 };
}

function lineOf({ sites, devices, hosts }: Form, { first, again, preview, state }: Costs): string {
  const form = `${sites} ${sites === 1 ? "site" : "sites"}, ${devices} ${devices === 1 ? "device" : "devices"} each, ${hosts} ${hosts === 1 ? "host" : "hosts"}`;
  const up = ({ seconds, requests, connections }: Cost) =>
    `${short(seconds)} s, ${requests} requests, ${connections} SSH connections`;
  return `       ${form}: first up ${up(first)}; up again ${up(again)}; preview ${short(preview)} s; state ${short(state)} kB`;
}

/** What one more costs, and whether the last ones cost as much each as the first ones did. */
function perOne(
  what: "site" | "device",
  counts: readonly number[],
  costs: readonly Costs[],
  most: { preview: number; state?: number },
): Figure[] {
  const figure = (of: string, unit: string, value: (costs: Costs) => number, limit?: number): Figure[] => {
    const [low, middle, high] = costs.map(value) as [number, number, number];
    const [one, some, many] = counts as [number, number, number];
    const all = (high - low) / (many - one);
    const [early, late] = [(middle - low) / (some - one), (high - middle) / (many - some)];
    return [
      {
        what: `${of} for each further ${what}`,
        value: all,
        unit,
        ...(limit !== undefined && { goal: { most: limit } }),
      },
      {
        what: `${of}, the ${what}s after the ${some}th against those before`,
        value: late / early,
        unit: "times as much each",
        goal: { most: LINEAR },
      },
    ];
  };
  return [
    ...figure("first up", "s", ({ first }) => first.seconds),
    ...figure("first up, requests", "requests", ({ first }) => first.requests),
    ...figure("preview", "ms", ({ preview }) => preview * 1000, most.preview),
    ...figure("state", "kB", ({ state }) => state, most.state),
  ];
}

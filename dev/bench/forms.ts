// What a first `up` costs in each form in which a site can be reached.

import { PROGRAM_PERMISSIONS } from "../sandbox/api/tokens.ts";
import { ORIGIN } from "../sandbox/network/network.ts";
import { startWorld, type World } from "../../test/e2e/support/world.ts";
import { type Figure, median, short } from "./figure.ts";
import { type Cost, cost } from "./site.ts";

const NAME = "home.ddns.example";
const OTHER_PORT = 8443;
const BY_ADDRESS = { originAddresses: [ORIGIN.ipv4] };
const BY_NAME = { originName: NAME, originAddresses: [] };

/** The settings of each form; the first is the one that the others are compared with. */
const FORMS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "by its address": BY_ADDRESS,
  "by a name": BY_NAME,
  "on another port": { ...BY_ADDRESS, originPort: OTHER_PORT },
  "by a name, on another port": { ...BY_NAME, originPort: OTHER_PORT },
};
/** How often each form is deployed. */
const ROUNDS = 3;

/** Deploys a site in each form in turn, in one sandbox, and takes it down again. */
export async function forms(): Promise<Figure[]> {
  // The engine starts its plugins itself, as it does for everyone.
  const world = await startWorld(false);
  try {
    await world.api.alter({ options: { public_names: { [NAME]: [ORIGIN.ipv4] } } });
    const permissions = [...PROGRAM_PERMISSIONS, "Origin Write"];
    const { token } = await world.api.createToken({ name: "forms", permissions });
    const costs: [form: string, cost: Cost][] = [];
    for (const [form, settings] of Object.entries(FORMS)) {
      costs.push([form, await firstUps(world, { originName: "", originPort: 443, ...settings }, token)]);
    }
    return against(costs);
  } finally {
    await world.close();
  }
}

/** The median of some deployments of one form; the first one of a sandbox only fills caches. */
async function firstUps(world: World, settings: Readonly<Record<string, unknown>>, apiToken: string): Promise<Cost> {
  const { deployment } = world;
  await deployment.configure(settings, { apiToken });
  const costs: Cost[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    costs.push(await cost(world, () => deployment.up()));
    await deployment.destroy();
  }
  const middle = (value: (one: Cost) => number) => median(costs.map(value));
  return {
    seconds: middle(({ seconds }) => seconds),
    requests: middle(({ requests }) => requests),
    connections: middle(({ connections }) => connections),
  };
}

function against(costs: readonly [form: string, cost: Cost][]): Figure[] {
  const [usual] = costs;
  if (!usual) throw new Error("nothing has been measured");
  return costs.map(([form, { seconds, requests, connections }]) => ({
    what: `first up of a site that is reached ${form}`,
    value: seconds / usual[1].seconds,
    unit: `times as long as ${usual[0]}`,
    from: `${short(seconds)} s, ${requests} requests, ${connections} SSH connections`,
  }));
}

// What visitors notice when the verifier of tokens is restarted and killed.

import { setTimeout as sleep } from "node:timers/promises";
import type { World } from "../../test/e2e/support/world.ts";
import { type Figure, short } from "./figure.ts";
import { onHost } from "./servers.ts";
import type { Seen, Steady } from "./steady.ts";
import { newTokens, spoilt, type Tokens } from "./tokens.ts";

const MILLISECONDS = 12_000;
/** More than are used within the five seconds for which nginx remembers one. */
const TOKENS = 12_000;
const VERIFIER = "immich-access-verifier.service";
const EVENTS = [
  `systemctl restart ${VERIFIER}`,
  `systemctl kill --signal=KILL ${VERIFIER}`,
  `systemctl restart ${VERIFIER}`,
];

/** Restarts it under load. `load` runs the program of steady.ts. */
export async function restarts(
  world: World,
  tokens: Tokens,
  load: (steady: Pick<Steady, "good" | "bad" | "milliseconds">) => Promise<Seen>,
): Promise<Figure[]> {
  const good = await newTokens(tokens, TOKENS);
  const running = load({ good, bad: good.slice(0, 1000).map(spoilt), milliseconds: MILLISECONDS });
  const times: number[] = [];
  const happening = (async () => {
    for (const event of EVENTS) {
      await sleep(MILLISECONDS / (EVENTS.length + 1));
      times.push(Date.now());
      await onHost(world, event);
    }
  })();
  const [{ asked, wrong, failed, gap, began, ended }] = await Promise.all([running, happening]);
  if (times.some((time) => time < began || time > ended)) throw new Error("the verifier was not restarted under load");
  const from = `${asked} requests, ${failed} of good tokens failed`;
  return [
    { what: "verifier restarted under load, wrong answers", value: wrong, unit: "", goal: { most: 0 }, from },
    {
      what: "verifier restarted under load, longest time without a good token's success",
      value: gap / 1000,
      unit: "s",
      goal: { most: 1 },
      from: `${short(MILLISECONDS / 1000)} s, ${EVENTS.length} times`,
    },
  ];
}

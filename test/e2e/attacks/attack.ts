import { join } from "node:path";
import { runAt } from "../../../dev/sandbox/network/network.ts";
import type { Outputs, World } from "../support/world.ts";
import { AT_THE_EDGE } from "./at-the-edge.ts";
import type { Shot } from "./attacker.ts";
import { collect } from "./ammunition.ts";
import { CREDENTIALS } from "./credentials.ts";
import { FORWARDED } from "./forwarded.ts";
import { ON_THE_HOST } from "./on-the-host.ts";
import { type Attack, summary } from "./shots.ts";

const SECTIONS: Readonly<Record<string, readonly Attack[]>> = {
  "directly to the host": ON_THE_HOST,
  "to the host, as forwarded by the edge": FORWARDED,
  "at the login": CREDENTIALS,
  "through the edge": AT_THE_EDGE,
};

/** All attacks on a site. */
export const ATTACKS: readonly Attack[] = Object.entries(SECTIONS).flatMap(([section, attacks]) =>
  attacks.map((attack) => ({ ...attack, name: `${section}: ${attack.name}` })),
);

/** Writes the page docs/attacks.md. */
export function page(): string {
  const sections = Object.entries(SECTIONS).map(([section, attacks]) => {
    const rows = attacks.map(({ name, from, gets, sees, why }) => [
      name,
      from === "out" ? "a stranger" : "Cloudflare",
      sees === undefined ? gets : `${gets}, from Immich`,
      why,
    ]);
    return `## ${section.charAt(0).toUpperCase()}${section.slice(1)}\n\n${table(["Attack", "From", "Answer", "Why"], rows)}`;
  });
  return `${[INTRODUCTION, ...sections].join("\n\n")}\n`;
}

const INTRODUCTION = `# Attacks

Every test run makes these attacks on a deployed site and checks Immich's log for requests that got through. They come
from a stranger's address or from one of Cloudflare's, which any Cloudflare customer can send from. \`dropped\` means that
no packet comes back, \`closed\` that the connection ends without a response.

\`npx vitest run test/e2e/site.test.ts --update\` writes this page from the tables in test/e2e/attacks.`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(width(column))).join(" | ")} |`;
  return [line(head), line(head.map((_, column) => "-".repeat(width(column)))), ...rows.map(line)].join("\n");
}

/** The result of one attack. */
export interface Result {
  /** The answer, as `summary` writes it. */
  got: string;
  /** Lines in Immich's log that this attack caused. */
  logged: string[];
  /** The headers that Immich saw, by name, if it answered with them. */
  seen: Record<string, string>;
}

/** The results of all attacks. */
export interface Results {
  /** By the attack's name. */
  of: ReadonlyMap<string, Result>;
  /** How many requests reached Immich in all, from anyone. */
  reached: number;
}

const pathOf = (index: number): string => `/attack/${index}/`;

/** Makes all attacks on the site at the same time, then reads which of them reached Immich. */
export async function attack(world: World, outputs: Outputs): Promise<Results> {
  const ammunition = await collect(world, outputs);
  const shots = ATTACKS.map(({ shot }, index) => shot(ammunition, pathOf(index)));
  const log = await startLog(world);
  const answers = new Map<number, string>();
  await Promise.all(
    (["out", "edge"] as const).map(async (place) => {
      const own = ATTACKS.flatMap(({ from }, index) => (from === place ? [index] : []));
      const got = await fire(
        world,
        place,
        own.map((index) => shots[index] as Shot),
      );
      own.forEach((index, position) => answers.set(index, got[position] ?? ""));
    }),
  );
  const lines = await log.end();
  const results = ATTACKS.map(({ name }, index): [string, Result] => {
    const answer = answers.get(index) ?? "";
    const logged = lines.filter((line) => line.includes(pathOf(index)));
    return [name, { got: summary(answer), logged, seen: seenBy(answer) }];
  });
  return { of: new Map(results), reached: lines.length };
}

/** Sends shots from a network zone, on standard input because they hold secrets. */
async function fire({ sandbox }: World, place: Attack["from"], shots: Shot[]): Promise<string[]> {
  const program = [process.execPath, "--disable-warning=ExperimentalWarning", join(import.meta.dirname, "attacker.ts")];
  const input = JSON.stringify(shots);
  const { code, stdout, stderr } = await runAt(sandbox.number, place, program, { input });
  if (code !== 0) throw new Error(`the attacker failed: ${stderr}`);
  return JSON.parse(stdout) as string[];
}

/** Follows Immich's log from now on; `end` returns its lines. */
async function startLog({ sandbox }: World) {
  const journal = async (...args: string[]) => {
    await sandbox.runOnHost(["journalctl", "--sync"]);
    const { stdout } = await sandbox.runOnHost(["journalctl", "--unit=immich", "--output=cat", "--quiet", ...args]);
    return stdout.trim().split("\n");
  };
  const cursor = /^-- cursor: (.*)$/.exec((await journal("--lines=1", "--show-cursor")).at(-1) ?? "")?.[1];
  if (cursor === undefined) throw new Error("Immich has no log");
  return { end: async () => (await journal(`--after-cursor=${cursor}`)).filter((line) => line !== "") };
}

/** The headers in an answer of Immich's mirror. */
function seenBy(answer: string): Record<string, string> {
  const json = /\{"method": .*\}/.exec(answer)?.[0];
  if (json === undefined) return {};
  const { headers } = JSON.parse(json) as { headers: [string, string][] };
  return Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
}

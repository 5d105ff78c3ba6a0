import type { Outcome } from "../../../e2e/support/deployment.ts";
import { startEngine } from "../engine.ts";
import type { FactId } from "../facts.ts";
import type { Laboratory } from "../laboratory.ts";

/** The program's own objects, made, compared and deleted by the engine as in a deployment. */
export async function probeEngine(lab: Laboratory): Promise<void> {
  if (!lab.place.hasEngine) return;
  const deployment = await startEngine(lab.place, `${lab.name}-engine.${lab.place.zoneName}`);
  try {
    const note = async (fact: FactId, what: string, operation: () => Promise<Outcome>, isWanted = isAny) => {
      const begun = performance.now();
      const said = await operation().then(
        (outcome) => (isWanted(outcome) ? what : `${outcome.steps.length.toString()} changes`),
        (error: unknown) => reason(error),
      );
      lab.note(fact, { said, seconds: Math.round((performance.now() - begun) / 1000) });
    };
    await note("20.1", "made in one go", () => deployment.up());
    await note("20.2", "no change", () => deployment.preview({ refresh: true }), isEmpty);
    await note("20.3", "deleted in one go", () => deployment.destroy());
  } finally {
    await deployment.dispose();
  }
}

const isAny = (_outcome: Outcome) => true;
const isEmpty = ({ steps }: Outcome) => steps.length === 0;

/** The first line in which the engine says what was wrong, without names and ids of the account. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.split("\n").find((one) => /\berror: (?!update failed|preview failed)/.test(one)) ?? "";
  return `failed: ${line.trim().slice(0, 200)}`;
}

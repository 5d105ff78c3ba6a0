import { randomBytes } from "node:crypto";
import { clean } from "./clean.ts";
import { FACTS, type FactId, type Measurements } from "./facts.ts";
import { Laboratory, type Place } from "./laboratory.ts";
import { probeAccess } from "./probes/access.ts";
import { probeOriginPulls } from "./probes/origin-pulls.ts";
import { probeEngine } from "./probes/engine.ts";
import { probeOrigin } from "./probes/origin.ts";
import { probeNames, probeOriginCertificate, probeZone } from "./probes/zone.ts";

/** What a run came to. */
export interface Outcome {
  measured: Measurements;
  /** What kept the rest of a part from being measured, or from being removed. */
  problems: string[];
  /** What was removed at the end. */
  removed: string[];
}

const PARTS = {
  "the zone": probeZone,
  "the origin certificate": probeOriginCertificate,
  // Before the zone is full of certificates.
  "the program itself": probeEngine,
  "the way to the origin": probeOrigin,
  "the origin pulls": probeOriginPulls,
  "names at the edge": probeNames,
  Access: probeAccess,
};

/** Measures everything, and removes everything again, whatever came between. */
export async function measure(place: Place): Promise<Outcome> {
  const lab = new Laboratory(place, randomBytes(4).toString("hex"));
  const problems: string[] = [];
  for (const [part, probe] of Object.entries(PARTS)) {
    if (place.signal.aborted) break;
    place.report(`measuring ${part}`);
    await probe(lab).catch((error: unknown) => {
      const reason = place.signal.aborted ? "interrupted" : error instanceof Error ? error.message : String(error);
      problems.push(`${part}: ${reason}`);
    });
  }
  if (place.signal.aborted && problems.length === 0) problems.push("interrupted");
  place.report("removing everything again");
  const removed = await clean(place, lab.name).catch((error: unknown) => {
    // What was measured is worth printing all the same.
    problems.push(error instanceof Error ? error.message : String(error));
    return [];
  });
  return { measured: lab.measured, problems, removed };
}

/** One line of the result. */
export interface Row {
  fact: FactId;
  what: string;
  sandbox: string;
  said: string;
  differs: boolean;
}

/** Compares what was measured with what the sandbox says. What was not measured does not differ. */
export function compared(measured: Measurements): Row[] {
  return (Object.keys(FACTS) as FactId[]).map((fact) => {
    const { what, sandbox, ...rest }: { what: string; sandbox: string; needs?: string } = FACTS[fact];
    const found = measured[fact];
    const seconds = found?.seconds === undefined ? "" : ` (${found.seconds.toString()} s)`;
    const said = found ? `${found.said}${seconds}` : `not measured${rest.needs ? `: ${rest.needs}` : ""}`;
    return { fact, what, sandbox, said, differs: found !== undefined && found.said !== sandbox };
  });
}

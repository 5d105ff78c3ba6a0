// `npm run bench [-- NAME …]`: the figures in the README, each measured against what it is compared with in the same run,
// on the same machine. The exit status is 1 if a goal is missed.
import { command } from "../commands/terminal.ts";
import { BENCHES } from "./names.ts";

const usage = `usage: npm run bench [-- BENCH …]

Measures the figures of the README, all of them or these: ${BENCHES.join(", ")}.
dev/bench/README.md says what each of them measures. It takes minutes; the exit status is 1 if a goal is missed.`;

await command({ usage, words: { what: "bench", known: BENCHES } }, async (names) => {
  // Loaded only here, because it takes seconds.
  const { measure } = await import("./measure.ts");
  return (await measure(names.length > 0 ? names : BENCHES)) ? 0 : 1;
});

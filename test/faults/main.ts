// `npm run test:faults`: every fault in turn, with a time for each and a count at the end.
import { command, UsageError } from "../../dev/commands/terminal.ts";
import { OPERATIONS } from "./support/operations.ts";

const beginnings = OPERATIONS.map((name) => `${name}/`).join(", ");

const usage = `usage: npm run test:faults [-- [--list] TEXT …]

Lets every request to Cloudflare and every step on the host fail in each way that there is, one at a time: some hundreds
of faults, 20 s each.

  TEXT     only faults whose name contains this; one with a slash begins with ${beginnings}
           several texts are alternatives
  --list   only show the names`;

const options = { list: { type: "boolean" } } as const;
await command({ usage, options, words: { what: "text" } }, async (texts, { list = false }) => {
  for (const text of texts) {
    if (operationsOf(text).length > 0) continue;
    throw new UsageError(`no fault is named ${JSON.stringify(text)}; their names begin with ${beginnings}`);
  }
  // Loaded only here, because it takes seconds.
  const { runFaults } = await import("./support/run.ts");
  const operations = OPERATIONS.filter(
    (one) => texts.length === 0 || texts.some((text) => operationsOf(text).includes(one)),
  );
  return runFaults({ operations, texts, list });
});

/** The operations of which a fault can have the text in its name: `up/…` is of one, `certificates` can be of any. */
function operationsOf(text: string) {
  return OPERATIONS.filter((operation) => !text.includes("/") || text.startsWith(`${operation}/`));
}

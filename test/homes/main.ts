// `npm run test:homes`: every host that somebody lives on in turn, with a table at the end.
import { command, UsageError } from "../../dev/commands/terminal.ts";
import { CASES } from "./support/homes.ts";

const usage = `usage: npm run test:homes [-- [--list] TEXT …]

Brings the program to hosts with real Docker on which Immich is published in every usual way, before the deployment or
after it, and lets everything happen that happens to a host. Strangers and neighbours try to get past nginx all the time.
Some ${CASES.length} cases of a minute each.

  TEXT     only cases whose name contains this; several texts are alternatives
  --list   only show the names`;

const options = { list: { type: "boolean" } } as const;
await command({ usage, options, words: { what: "text" } }, async (texts, { list = false }) => {
  for (const text of texts) {
    if (!CASES.some(({ name }) => name.includes(text))) {
      throw new UsageError(`no case is named ${JSON.stringify(text)}; --list shows them all`);
    }
  }
  // Loaded only here, because it takes seconds.
  const { runHomes } = await import("./support/run.ts");
  return runHomes({ texts, list });
});

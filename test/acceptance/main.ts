// `npm run acceptance`: whether Cloudflare behaves as the sandbox does, measured on a tester's zone.
import { writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { createInterface } from "node:readline/promises";
import manifest from "../../package.json" with { type: "json" };
import { command, report, UsageError } from "../../dev/commands/terminal.ts";
import { AS_MEASURED } from "../../dev/sandbox/api/world.ts";
import { clean } from "./support/clean.ts";
import { NOTICEABLE, realPlace, type Running, sandboxPlace, startWitnessed } from "./support/places.ts";
import type { Place } from "./support/laboratory.ts";
import { asRecord, asTable } from "./support/report.ts";
import { Witness } from "./support/witness.ts";
import { compared, measure } from "./support/suite.ts";

const usage = `usage: npm run acceptance -- --zone NAME [--origin ADDRESS] [--yes] [--json FILE] [--clean]
       npm run acceptance -- --sandbox [--as-measured] [--json FILE]

Makes everything that this program makes at Cloudflare, under names of its own (immich-access-acceptance-…), measures
how Cloudflare behaves, removes all of it again and prints a table. It changes no setting of the zone and nothing that it
has not made. docs/acceptance.md says more.

  --zone NAME    a zone of your account; the API token is read from CLOUDFLARE_API_TOKEN
  --origin ADDRESS
                 this machine's own public address; its port 443 must be free, and Cloudflare must reach it
  --yes          begin without asking
  --clean        only remove what an interrupted run has left
  --sandbox      measure the sandbox, which must not differ
  --as-measured  the sandbox with all its delays (some 5 minutes)
  --json FILE    write a record that can be attached to a report`;

const options = {
  zone: { type: "string" },
  origin: { type: "string" },
  yes: { type: "boolean" },
  clean: { type: "boolean" },
  sandbox: { type: "boolean" },
  "as-measured": { type: "boolean" },
  json: { type: "string" },
  "api-url": { type: "string" },
} as const;

await command({ usage, options }, async (_words, given) => {
  const stop = new AbortController();
  process.once("SIGINT", () => {
    report("interrupted: what was made is removed first");
    stop.abort();
  });
  const running: Running = { signal: stop.signal, report };
  if (Boolean(given.sandbox) === (given.zone !== undefined))
    throw new UsageError("either --zone or --sandbox is needed");
  if (given.sandbox) {
    const fixture = await startWitnessed();
    try {
      const delays = given["as-measured"] ? AS_MEASURED : NOTICEABLE;
      await fixture.change((state) => Object.assign(state.options, delays));
      const place = await sandboxPlace(fixture, running, fixture.witness);
      return await run(given["as-measured"] ? { ...place, patience: 180_000 } : place, given.json);
    } finally {
      await fixture.close();
    }
  }
  const { CLOUDFLARE_API_TOKEN: token = "" } = process.env;
  if (token === "") throw new UsageError("CLOUDFLARE_API_TOKEN is not set: export the API token of the zone");
  const apiUrl = given["api-url"] ?? "https://api.cloudflare.com/client/v4";
  if (given.origin !== undefined && isIP(given.origin) === 0)
    throw new UsageError(`--origin ${given.origin} is no IP address`);
  const origin = given.origin === undefined ? undefined : { address: given.origin, witness: new Witness() };
  const place = await realPlace(apiUrl, token, given.zone ?? "", running, origin);
  if (given.clean) {
    const removed = await clean(place);
    for (const path of removed) report(`removed ${path}`);
    console.log(removed.length === 0 ? "Nothing of the suite's is there." : `${removed.length.toString()} removed.`);
    return 0;
  }
  if (!given.yes && !(await agreed(place))) return 1;
  await origin?.witness.listen(443);
  try {
    return await run(place, given.json);
  } finally {
    origin?.witness.close();
  }
});

/** Measures, prints and writes; the exit status says whether the sandbox is right. */
async function run(place: Place, file: string | undefined): Promise<number> {
  const { measured, problems } = await measure(place);
  const rows = compared(measured);
  console.log(asTable(rows));
  for (const problem of problems) console.log(`Not measured to its end: ${problem}`);
  if (file !== undefined) {
    writeFileSync(file, asRecord(place, { version: manifest.version, measured, problems }));
    console.log(`The record is in ${file}: it names neither the zone nor the account.`);
  }
  const differing = rows.filter(({ differs }) => differs).length;
  console.log(differing === 0 ? "No difference from the sandbox." : `${differing.toString()} differ from the sandbox.`);
  return differing === 0 && problems.length === 0 ? 0 : 1;
}

async function agreed({ zoneName }: Place): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError("without a terminal to ask on, --yes is needed");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(
    `This makes two DNS records, up to 10 client certificates, an origin certificate, an Access application, policies and ` +
      `service tokens for names below ${zoneName}, and removes them again (5 to 15 minutes). Begin? [y/N] `,
  );
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

// `npm run acceptance`: whether Cloudflare behaves as the sandbox does, measured on a tester's zone.
import { closeSync, openSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { createInterface } from "node:readline/promises";
import manifest from "../../package.json" with { type: "json" };
import { CommandError } from "../../cli/lib/command.ts";
import { command, report, UsageError } from "../../dev/commands/terminal.ts";
import { AS_MEASURED } from "../../dev/sandbox/api/world.ts";
import { clean, findLeft } from "./support/clean.ts";
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
  checkOptions(given);
  const running: Running = { signal: interruption(), report };
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
  const origin = given.origin === undefined ? undefined : { address: given.origin, witness: new Witness() };
  const place = await realPlace(apiUrl, token, given.zone ?? "", running, origin);
  if (given.clean) {
    const removed = await clean(place);
    for (const path of removed) report(`removed ${path}`);
    console.log(removed.length === 0 ? "Nothing of the suite's is there." : `${removed.length.toString()} removed.`);
    return 0;
  }
  await refuseLeft(place);
  if (!given.yes && !(await agreed(place))) {
    report("not begun; nothing was made");
    return 1;
  }
  await origin?.witness.listen(443);
  try {
    return await run(place, given.json);
  } finally {
    origin?.witness.close();
  }
});

/** @throws UsageError if options are missing, or some would have no effect */
function checkOptions(given: Partial<Record<keyof typeof options, string | boolean>>): void {
  const { zone, sandbox, json, origin } = given;
  if (Boolean(sandbox) === (zone !== undefined)) throw new UsageError("either --zone or --sandbox is needed");
  if (zone === "") throw new UsageError("--zone has no name");
  const others = sandbox ? (["origin", "yes", "clean", "api-url"] as const) : (["as-measured"] as const);
  const useless = others.find((option) => given[option] !== undefined);
  if (useless) throw new UsageError(`--${useless} does nothing with --${sandbox ? "sandbox" : "zone"}`);
  if (typeof origin === "string" && isIP(origin) === 0) throw new UsageError(`--origin ${origin} is no IP address`);
  if (typeof json !== "string") return;
  try {
    closeSync(openSync(json, "a"));
  } catch (error) {
    throw new UsageError(`--json ${json} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Ends the run early after Ctrl-C, a plain kill or the end of the terminal. A second Ctrl-C gives up. */
function interruption(): AbortSignal {
  const stop = new AbortController();
  // Each listener stays: the engine's SDK ends a process that has no other listener for the signal.
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (!stop.signal.aborted) {
        report("interrupted: what was made is removed first, which can take minutes; Ctrl-C again leaves it there");
        stop.abort();
      } else if (name === "SIGINT") {
        report("given up: the same command with --clean removes what is left");
        process.exit(1);
      }
    });
  }
  // The terminal that has ended takes no more lines.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  return stop.signal;
}

/** @throws CommandError if something of the suite's is there, which two runs would take from each other */
async function refuseLeft(place: Place): Promise<void> {
  const left = await findLeft(place).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(`${reason}. The token needs the permissions that \`npm run configure\` asks for`);
  });
  if (left.length === 0) return;
  throw new CommandError(
    `${left.length.toString()} objects of the suite's are there already, as ${left[0] ?? ""}: another run is going on, or ` +
      "one was cut off. Wait for it, or remove them with --clean.",
  );
}

/** Measures, prints and writes; the exit status says whether the sandbox is right. */
async function run(place: Place, file: string | undefined): Promise<number> {
  const { measured, problems } = await measure(place);
  const rows = compared(measured);
  console.log(asTable(rows));
  for (const problem of problems) console.log(`Not done to its end: ${problem}`);
  if (file !== undefined) {
    writeFileSync(file, asRecord(place, { version: manifest.version, measured, problems }));
    console.log(`The record is in ${file}: it names neither the zone nor the account.`);
  }
  const differing = rows.filter(({ differs }) => differs).length;
  const whole = problems.length === 0 && rows.every(({ fact }) => fact in measured);
  const none = whole ? "No difference from the sandbox." : "No difference from the sandbox in what was measured.";
  console.log(differing === 0 ? none : `${differing.toString()} differ from the sandbox.`);
  return differing === 0 && problems.length === 0 ? 0 : 1;
}

async function agreed({ zoneName }: Place): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError("without a terminal to ask on, --yes is needed");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const asking = terminal.question(
    `This makes two DNS records, up to 10 client certificates, an origin certificate, an Access application, policies and ` +
      `service tokens for names below ${zoneName}, and removes them again (5 to 15 minutes). Begin? [y/N] `,
  );
  // Ctrl-C and Ctrl-D are a no.
  const ended = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
  const answer = await Promise.race([asking.catch(() => ""), ended]);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

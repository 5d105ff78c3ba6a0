import type { Measurements } from "./facts.ts";
import type { Place } from "./laboratory.ts";
import type { Row } from "./suite.ts";

const HEAD = ["", "fact", "the sandbox", "here"] as const;

/** The rows in columns; what differs is marked. */
export function asTable(rows: readonly Row[]): string {
  const cells = rows.map(({ fact, what, sandbox, said, differs }) => [
    fact,
    what,
    sandbox,
    `${differs ? "≠ " : ""}${said}`,
  ]);
  const widths = HEAD.map((_name, column) =>
    Math.max(...[[...HEAD], ...cells].map((row) => (row[column] ?? "").length)),
  );
  return [[...HEAD], ...cells]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** What a tester may publish: what was measured, without the names and ids of the zone and the account. */
export function asRecord(
  { zoneId, accountId, zoneName }: Pick<Place, "zoneId" | "accountId" | "zoneName">,
  outcome: { version: string; measured: Measurements; problems: readonly string[] },
): string {
  const text = JSON.stringify({ date: new Date().toISOString().slice(0, 10), ...outcome }, null, 2);
  return `${text.replaceAll(zoneId, "ZONE").replaceAll(accountId, "ACCOUNT").replaceAll(zoneName, "zone.example")}\n`;
}

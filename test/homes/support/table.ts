import type { Result } from "./trial.ts";

const HEAD = ["case", "was there", "refused", "kept", "shut", "given back", "s"] as const;

/** One case as a row of the table: what was open before, and what became of it. */
export function row(name: string, { before, refused, lost, answers, back }: Result, seconds: string): string[] {
  const isWell = (list: readonly string[]) => (list.length === 0 ? "all" : `not ${list.length}`);
  const rest =
    refused === undefined ? [isWell(lost), isWell(answers), `${back.length} of ${before.length}`] : ["", "", ""];
  return [name, `${before.length} open`, refused === undefined ? "no" : "yes", ...rest, seconds];
}

/** The rows below a head, in columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const all = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return all.map((cells) => line(cells).trimEnd()).join("\n");
}

/** What is wrong with a result, one line each; none if all is well. */
export function wrongWith({ before, refused, lost, answers, back }: Result): string[] {
  if (refused !== undefined) return [`refused: ${refused}`];
  const kept = before.filter((way) => !back.includes(way));
  return [
    ...answers.map((answer) => `past nginx: ${answer}`),
    ...lost.map((one) => `lost: ${one}`),
    ...kept.map((way) => `not given back: ${way}`),
  ];
}

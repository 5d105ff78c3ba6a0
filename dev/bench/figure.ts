/** A measurement and its goal. */
export interface Figure {
  /** What was measured, in a few words. */
  what: string;
  value: number;
  /** Unit, printed after the value. */
  unit: string;
  /** A bound, included; absent where there is none. */
  goal?: { least: number } | { most: number };
  /** The measurements behind a ratio. */
  from?: string;
}

/** Whether a figure is within its goal. */
export function meets({ value, goal }: Figure): boolean {
  if (goal === undefined) return true;
  return "least" in goal ? value >= goal.least : value <= goal.most;
}

/** One line for a person. */
export function line(figure: Figure): string {
  const { what, value, unit, goal, from } = figure;
  const measured = `${what}: ${short(value)} ${unit}`;
  const rest = from === undefined ? "" : `; ${from}`;
  if (goal === undefined) return `       ${measured}${rest}`;
  const bound = "least" in goal ? `at least ${goal.least}` : `at most ${goal.most}`;
  return `${meets(figure) ? "ok    " : "MISSED"} ${measured} (goal: ${bound})${rest}`;
}

/** Three digits, or all before the point. */
export const short = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));

/** The median, so that a single slow run on a busy machine does not count. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error("nothing was measured");
  return sorted.length % 2 === 1 ? middle : (middle + (sorted[sorted.length / 2 - 1] ?? middle)) / 2;
}

// What origin rules do with a request: the expressions that the double knows, and the rules in their order.

import type { Zone } from "./state.ts";

/** A request, as far as these expressions look at it. */
interface Asked {
  host: string;
  scheme: "http" | "https";
}

type Test = (asked: Asked) => boolean;

const STRING = '"([^"\\\\]*)"';
const TERMS: readonly [RegExp, (...found: string[]) => Test][] = [
  [/^true$/, () => () => true],
  [
    /^ssl$/,
    () =>
      ({ scheme }) =>
        scheme === "https",
  ],
  [
    /^not ssl$/,
    () =>
      ({ scheme }) =>
        scheme === "http",
  ],
  [
    new RegExp(`^http\\.host (?:eq|==) ${STRING}$`),
    (wanted) =>
      ({ host }) =>
        host === wanted,
  ],
  [
    new RegExp(`^http\\.host (?:ne|!=) ${STRING}$`),
    (wanted) =>
      ({ host }) =>
        host !== wanted,
  ],
  [
    /^http\.host in \{((?: ?"[^"\\]*")+) ?\}$/,
    (list = "") =>
      ({ host }) =>
        list.includes(`"${host}"`),
  ],
];

/**
 * The test that an expression stands for: `true`, `ssl`, `http.host eq "…"`, `ne` and `in {"…" "…"}`, in parentheses or
 * not, joined by `and`. `undefined` for any other one.
 */
export function parseExpression(text: string): Test | undefined {
  const tests = text.split(/ (?:and|&&) /).map((part) => {
    const term = part.trim().replace(/^\((.*)\)$/, "$1");
    for (const [form, make] of TERMS) {
      const found = form.exec(term);
      if (found) return make(...found.slice(1));
    }
    return undefined;
  });
  return tests.every((test) => test !== undefined) ? (asked) => tests.every((test) => test(asked)) : undefined;
}

/** The port to which a zone's rules lead a request: that of the last matching rule that names one. */
export function portByRules(zone: Zone, asked: Asked): number | undefined {
  const rules = zone.rulesets?.flatMap((one) => one.rules) ?? [];
  return rules
    .filter(({ enabled, expression }) => enabled && parseExpression(expression)?.(asked))
    .map(({ action_parameters: { origin } }) => origin.port)
    .findLast((port) => port !== undefined);
}

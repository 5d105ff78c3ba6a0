import type { Step } from "./deployment.ts";

/**
 * The parts of a deployment in the order that keeps the site safe, by the names of their resources. What takes a site off
 * the host does nothing when it is made: it is created after the site's protection, so it runs before that is removed.
 */
const PARTS: readonly (readonly [part: string, names: RegExp])[] = [
  ["firewall", /^firewall-command$/],
  ["certificates", /^certificates-command$/],
  ["origin pulls", /-origin-pulls-(certificate|hostname|zone-certificate|zone|shared)$/],
  ["Access", /^(login|.*-access)-/],
  ["place on the host", /-on-host-command$/],
  ["nginx", /^nginx-command$/],
  ["strict", /^zone-tls-/],
  ["DNS", /-dns-/],
];

/** When a part's steps began and when the last of them was done, as places in the engine's event log. */
export interface Span {
  part: string;
  began: number;
  done: number;
}

/** The parts in the order in which they began. Throws if a part has no step. */
export function spans(steps: readonly Step[]): Span[] {
  return PARTS.map(([part, names]) => {
    const own = steps.filter(({ name, type }) => names.test(name) && !/^(immich-access|pulumi):/.test(type));
    if (own.length === 0) throw new Error(`no step of ${part} among ${steps.map(({ name }) => name).join(", ")}`);
    return { part, began: Math.min(...own.map((s) => s.began)), done: Math.max(...own.map((s) => s.done)) };
  }).sort((left, right) => left.began - right.began);
}

/** The parts' names in the designed order. */
export const DESIGNED = PARTS.map(([part]) => part);

/** Pairs of neighbours of which the second began before the first was done. */
export function overlaps(ordered: readonly Span[]): string[] {
  return ordered.slice(1).flatMap((span, index) => {
    const before = ordered[index];
    return before && before.done > span.began ? [`${span.part} began before ${before.part} was done`] : [];
  });
}

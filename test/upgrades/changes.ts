import { isDeepStrictEqual } from "node:util";
import type { EngineEvent, StepEventMetadata, StepEventStateMetadata } from "@pulumi/pulumi/automation/index.js";

/**
 * What the host agent of another version changes about a step on a host: what the step reads, what it will print, and
 * which of that people are shown.
 */
const OF_THE_AGENT = ["stdin", "stdout", "stderr", "logging"];

/**
 * What this version means to change about a stack of an older one, apart from the agent: a resource's end of its name or
 * type, and what is done to it, and how the changelog tells it.
 */
const INTENDED: readonly { op: string; urn: RegExp; properties: readonly string[]; told: string }[] = [
  // Waits on the way down until Cloudflare lets go of a certificate.
  {
    op: "create",
    urn: /[$:]command:local:Command::\S+-origin-pulls-release$/,
    properties: [],
    told: "`…-origin-pulls-release`",
  },
  // Cloudflare refuses it without devices, and may refuse people with it.
  {
    op: "update",
    urn: /:ZeroTrustAccessApplication::/,
    properties: ["serviceAuth401Redirect"],
    told: "`service_auth_401_redirect` is off",
  },
];

/** What the changelog has to say of these changes. */
export const TOLD = INTENDED.map(({ told }) => told);

/** Whether a step is one of those. */
export const isIntended = ({ op, urn }: { op: string; urn: string }, properties?: readonly string[]): boolean =>
  INTENDED.some(
    (one) =>
      one.op === op &&
      one.urn.test(urn) &&
      (op === "create" || !properties || isDeepStrictEqual(one.properties, properties)),
  );

/** What a preview is judged by. */
export interface Previewed {
  /** URNs, in the state, of all resources that it has looked at. */
  urns: string[];
  /** In words, what it would do that no upgrade may. */
  unexpected: string[];
}

/** Judges a preview by its events. */
export function previewed(events: readonly EngineEvent[]): Previewed {
  const steps = events
    .flatMap(({ resourcePreEvent }) => resourcePreEvent?.metadata ?? [])
    .filter(({ urn }) => !isDefaultProvider(urn));
  const places = new Map(steps.map(({ urn, old }) => [old?.urn ?? urn, urn]));
  const judged = steps.map((step) => ({ step, properties: changedBy(step, places) }));
  return {
    urns: steps.filter(({ op }) => op !== "create").map(({ urn, old }) => old?.urn ?? urn),
    unexpected: judged
      .filter(({ step, properties }) => !isExpected(step, properties) && !isIntended(step, properties))
      .map(inWords),
  };
}

/** Whether it is the engine's own record of a plugin without configuration: another version of the plugin has another. */
export const isDefaultProvider = (urn: string): boolean => /::pulumi:providers:\w+::default_[\d_]+(::|$)/.test(urn);

function isExpected({ op, type }: StepEventMetadata, properties: readonly string[]): boolean {
  if (op === "same") return properties.length === 0;
  const ofTheAgent = properties.length > 0 && properties.every((property) => OF_THE_AGENT.includes(property));
  return op === "update" && type === "command:remote:Command" && ofTheAgent;
}

/**
 * The properties that a step is about, and what the engine changes without calling it a change: parent and provider.
 * @param places where resources go, by their URN in the state
 */
function changedBy(step: StepEventMetadata, places: ReadonlyMap<string, string>): string[] {
  const { old, diffs = [], detailedDiff, keys = [] } = step;
  const paths = [...diffs, ...keys, ...Object.keys(detailedDiff ?? {})];
  const names = new Set(paths.map((path) => path.split(/[.[]/, 1)[0] ?? ""));
  if (old && step.new) {
    if (names.size === 0) for (const name of changedInputs(old, step.new)) names.add(name);
    if ((places.get(old.parent) ?? old.parent) !== step.new.parent) names.add("parent");
    if (providerOf(old) !== providerOf(step.new)) names.add("provider");
  }
  return [...names].sort();
}

/** The engine does not say what has changed about a component. */
function changedInputs(
  { inputs: before }: StepEventStateMetadata,
  { inputs: after }: StepEventStateMetadata,
): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}

/** URN of a resource's provider, without the id that follows it; all default ones are alike. */
const providerOf = ({ provider }: StepEventStateMetadata): string =>
  isDefaultProvider(provider) ? "default" : provider.split("::").slice(0, -1).join("::");

function inWords({ step, properties }: { step: StepEventMetadata; properties: readonly string[] }): string {
  return `${step.op} ${step.urn}${properties.length > 0 ? ` (${properties.join(", ")})` : ""}`;
}

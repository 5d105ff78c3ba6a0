import {
  unknownCheckingProxy,
  type PolicyResource,
  type ResourceValidationArgs,
  type ResourceValidationPolicy,
  type StackValidationPolicy,
} from "@pulumi/policy";
import config from "../../../policy/config.json" with { type: "json" };

/** How a preview gives a text that it cannot know yet to the SDK for policies. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A resource as a policy sees it. */
export interface Declared {
  type: string;
  name?: string;
  /** Default: its name. */
  urn?: string;
  props: Record<string, unknown>;
  /** Name of the resource that it belongs to. */
  parent?: string;
  /** Names of the resources that a property is made of. */
  propertyDependencies?: Record<string, string[]>;
}

type Class = { __pulumiType?: string };
type Settings = Readonly<Record<string, unknown>>;

// The SDK exports it without a type.
const unknownChecking = unknownCheckingProxy as (props: Declared["props"]) => Declared["props"];

const seen = ({ type, name = "resource", urn = name, props }: Declared) => {
  const proxied = unknownChecking(props);
  const isType = (wanted: Class) => wanted.__pulumiType === type;
  return {
    type,
    name,
    urn,
    props: proxied,
    isType,
    asType: (wanted: Class) => (isType(wanted) ? proxied : undefined),
  };
};

/** Runs a rule on one resource with the configuration of policy/config.json and `changes`; gives what it reports. */
export async function check(
  { name, validateResource = [] }: ResourceValidationPolicy,
  declared: Declared,
  changes: Settings = {},
): Promise<string[]> {
  const violations: string[] = [];
  const settings = { ...(config as Record<string, Settings>)[name], ...changes };
  const notApplicable = new Error("not applicable");
  const args = {
    ...seen(declared),
    getConfig: () => settings,
    notApplicable: () => {
      throw notApplicable;
    },
  } as unknown as ResourceValidationArgs;
  for (const validate of [validateResource].flat()) {
    try {
      await validate(args, (message) => violations.push(message));
    } catch (error) {
      if (error !== notApplicable) throw error;
    }
  }
  return violations;
}

/** Runs a rule on a whole stack; gives what it reports. */
export async function checkStack(
  { validateStack }: StackValidationPolicy,
  stack: readonly Declared[],
): Promise<string[]> {
  const violations: string[] = [];
  const resources = stack.map(
    (declared) => ({ ...seen(declared), propertyDependencies: {} }) as unknown as PolicyResource,
  );
  stack.forEach(({ parent, propertyDependencies = {} }, index) => {
    const owner = resources.find(({ name }) => name === parent);
    if (owner) (resources[index] as PolicyResource).parent = owner;
    for (const [property, names] of Object.entries(propertyDependencies)) {
      const sources = resources.filter(({ name }) => names.includes(name));
      (resources[index] as PolicyResource).propertyDependencies[property] = sources;
    }
  });
  const args = { resources } as unknown as Parameters<typeof validateStack>[0];
  await validateStack(args, (message) => violations.push(message));
  return violations;
}

import { UnknownValueError, type PolicyResource } from "@pulumi/policy";

/**
 * The result of `read`, or `undefined` if it reads a value that is unknown in a preview. Without this the SDK would
 * skip the whole rule and only mention it.
 */
export function valueIfKnown<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnknownValueError) return undefined;
    throw error;
  }
}

/** Resources of one class. */
export function resourcesOfType(
  resources: readonly PolicyResource[],
  resourceClass: Parameters<PolicyResource["isType"]>[0],
) {
  return resources.filter((resource) => resource.isType(resourceClass));
}

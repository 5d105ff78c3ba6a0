import { UnknownValueError, type PolicyResource } from "@pulumi/policy";

/**
 * What `read` gives, or `undefined` if it meets a value that a preview cannot know yet. Without it the SDK would skip
 * the whole rule and only remark on it.
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
export function ofType(resources: readonly PolicyResource[], resourceClass: Parameters<PolicyResource["isType"]>[0]) {
  return resources.filter((resource) => resource.isType(resourceClass));
}

import * as pulumi from "@pulumi/pulumi";

/**
 * An error that Pulumi shows by its message alone.
 *
 * Its stack is dropped: Pulumi formats it for its trace even though it does not show it, and the formatter of Node 24.9
 * takes half a minute over the SDK's own frames, whose source maps name files like `@pulumi/resource.ts`.
 */
export function userError(message: string): pulumi.RunError {
  const error = new pulumi.RunError(message);
  error.stack = "";
  return error;
}

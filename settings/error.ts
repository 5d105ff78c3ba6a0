import * as pulumi from "@pulumi/pulumi";

/**
 * An error of which Pulumi shows only the message.
 *
 * Its stack is dropped. Pulumi formats it for its trace without showing it, and Node 24.9 needs half a minute to format
 * the SDK's own frames, whose source maps name files like `@pulumi/resource.ts`.
 */
export function userError(message: string): pulumi.RunError {
  const error = new pulumi.RunError(message);
  error.stack = "";
  return error;
}

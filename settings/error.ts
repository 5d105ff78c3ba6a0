import * as pulumi from "@pulumi/pulumi";

/**
 * An error of which Pulumi shows only the message.
 *
 * Its stack is dropped. Pulumi formats it for its trace without showing it, and Node 24.9 needs half a minute to format
 * the SDK's own frames, whose source maps name files like `@pulumi/resource.ts`.
 *
 * Its message stays as it is. If an error reaches a resource's input through an output, the SDK puts `error serializing
 * property "…": ` in front of the message, by assignment.
 */
export function userError(message: string): pulumi.RunError {
  const error = new pulumi.RunError(message);
  error.stack = "";
  return Object.defineProperty(error, "message", { get: () => message, set: () => undefined });
}

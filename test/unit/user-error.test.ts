import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { userError } from "../../settings/error.ts";

const MESSAGE = "the step firewall has not run";

/** What the SDK says of an input of a resource that is rejected with this error. */
const rejectedInput = (error: Error): Promise<unknown> =>
  pulumi.runtime.serializeProperties("command", { stdin: Promise.reject(error) });

test("an error for people keeps its message when it reaches a resource's input", async () => {
  await expect(rejectedInput(userError(MESSAGE))).rejects.toThrow(new RegExp(`^${MESSAGE}$`));
});

test("the SDK puts its own words in front of any other error's message", async () => {
  await expect(rejectedInput(new Error(MESSAGE))).rejects.toThrow(/^error serializing property "stdin": /);
});

test("Pulumi shows an error for people without a stack", () => {
  const error = userError(MESSAGE);
  expect(pulumi.RunError.isInstance(error)).toBe(true);
  expect([error.stack, String(error)]).toEqual(["", `Error: ${MESSAGE}`]);
});

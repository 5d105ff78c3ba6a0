import * as pulumi from "@pulumi/pulumi";

/** Resolves an input to its value, secrets in the clear. All values are known while hooks run. */
export const resolveValue = (value: pulumi.Input<string>): Promise<string> =>
  new Promise((resolve) => {
    pulumi.output(value).apply(resolve);
  });

import * as pulumi from "@pulumi/pulumi";

/** The value of an input, which is known while hooks run; a secret one in the clear. */
export const valueOf = (value: pulumi.Input<string>): Promise<string> =>
  new Promise((resolve) => {
    pulumi.output(value).apply(resolve);
  });

import * as pulumi from "@pulumi/pulumi";

/** Says what a deployment waits for; a terminal shows the latest line only. */
export const showProgress = (text: string): Promise<void> => pulumi.log.info(text, undefined, undefined, true);

import type * as pulumi from "@pulumi/pulumi";
import { deviceOf } from "../token-names.ts";
import { resolveValue } from "../resolve-value.ts";

/**
 * Throws if a token's secret should have changed and did not. Cloudflare returns a new secret once; its response to the
 * provider's retry has none.
 */
export async function requireNewSecret(
  hostname: string,
  args: Pick<pulumi.ResourceHookArgs, "newInputs" | "oldInputs" | "newOutputs" | "oldOutputs">,
): Promise<void> {
  const { newInputs, oldInputs, newOutputs, oldOutputs } = args;
  const version = (inputs: Record<string, unknown> = {}) => Number(inputs.clientSecretVersion ?? 1);
  if (version(newInputs) <= version(oldInputs)) return;
  const [before, after] = await Promise.all(
    [oldOutputs, newOutputs].map((outputs) => resolveValue(outputs?.clientSecret as pulumi.Input<string>)),
  );
  if (before !== after) return;
  const device = deviceOf(hostname, String(newInputs?.name));
  throw new Error(
    `Cloudflare has made a new secret for ${device}, but its answer was lost. The old secret works until ` +
      `${String(newInputs?.previousClientSecretExpiresAt)}. To make another one, which ends it at once: ` +
      `npm run rotate -- --device ${device} --site ${hostname} --force`,
  );
}

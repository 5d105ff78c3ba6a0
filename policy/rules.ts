import type { Policies } from "@pulumi/policy";
import { applicationGuarded, namedTokens, noBypass, noEveryone, noPublicPaths, tokenLifetime } from "./rules/access.ts";
import { hostKeyPinned, noSecretInCommand } from "./rules/commands.ts";
import { certificateLifetime, originPullsOn, recordsProxied, sslStrict } from "./rules/zone.ts";

/** Every rule of the pack. All of them are mandatory: a preview with a violation fails. */
export const rules: Policies = [
  recordsProxied,
  sslStrict,
  originPullsOn,
  certificateLifetime,
  applicationGuarded,
  noEveryone,
  noBypass,
  noPublicPaths,
  namedTokens,
  tokenLifetime,
  hostKeyPinned,
  noSecretInCommand,
];

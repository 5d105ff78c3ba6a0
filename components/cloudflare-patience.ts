import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import type * as cloudflare from "./cloudflare.ts";
import { showProgress } from "./progress.ts";

/** A refusal that passes by itself. */
interface PassingRefusal {
  /** The provider's error, which contains Cloudflare's response. */
  error: RegExp;
  /** Why it passes. */
  because: string;
  /** How long it can last. */
  seconds: number;
}

// Measured on live accounts by others; Cloudflare documents none of it. The provider repeats a request after 409, 429
// and 5xx only.
const PASSING: readonly PassingRefusal[] = [
  {
    error: /: 400 .*policy[ _]not[ _]found/is,
    because: "does not know a policy yet that was just created",
    seconds: 90,
  },
  {
    error: /origin_tls_client_auth.*"code": ?1433\b/s,
    because: "still presents this certificate to the host",
    seconds: 240,
  },
  {
    error: /origin_tls_client_auth.*"code": ?1434\b/s,
    because: "is still bringing this certificate to its edge",
    seconds: 240,
  },
  { error: /: 403 .*unable to authenticate/is, because: "does not know the API token everywhere yet", seconds: 30 },
  { error: /DELETE "[^"]*\/certificates\/[^"]*": [45](?!01).*"code": ?1000\b/s, because: "is busy", seconds: 30 },
];

/** How often to try again, in seconds. The engine stops after 100 attempts. */
const EVERY = 3;

/** Options for whatever is made at Cloudflare. */
export interface CloudflareOptions {
  provider: cloudflare.Provider;
  transformations: pulumi.ResourceTransformation[];
}

/**
 * Returns the options for whatever is made at Cloudflare: the provider, and the patience with refusals that pass by
 * themselves.
 *
 * The engine repeats a refused request as long as that. Not during `pulumi destroy`: it does not run the program.
 *
 * @param every seconds between two attempts
 */
export function cloudflareOptions(provider: cloudflare.Provider, every = EVERY): CloudflareOptions {
  const patience = new pulumi.ErrorHook("cloudflare-patience", async ({ name, errors }) => {
    const [latest = ""] = errors;
    const passing = PASSING.find(({ error }) => error.test(latest));
    if (!passing) return false;
    const tried = errors.filter((text) => passing.error.test(text)).length;
    if (tried * every > passing.seconds) return false;
    await showProgress(
      `${name}: Cloudflare ${passing.because}; trying again for up to ${passing.seconds.toString()} s`,
    );
    await sleep(every * 1000);
    return true;
  });
  return {
    provider,
    transformations: [
      ({ type, props, opts }) =>
        type.startsWith("cloudflare:")
          ? { props, opts: pulumi.mergeOptions(opts, { hooks: { onError: [patience] } }) }
          : undefined,
    ],
  };
}

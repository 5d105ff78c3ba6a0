import * as cloudflare from "../components/cloudflare.ts";
import { openAccount } from "../components/cloudflare-account.ts";
import { type CloudflareOptions, cloudflareOptions } from "../components/cloudflare-patience.ts";
import type { CloudflareApi } from "../components/origin-pulls/index.ts";
import { resolveValue } from "../components/resolve-value.ts";
import type { Settings } from "../settings/index.ts";

/** What all sites of a stack have in common. */
export interface StackContext {
  settings: Settings;
  /** Options for what is made at Cloudflare. */
  cloudflare: CloudflareOptions;
  api: CloudflareApi;
}

/**
 * Begins a stack.
 * @throws RunError if the settings cannot be read
 */
export function stackContext(settings: Settings): StackContext {
  const { apiToken, apiUrl: url } = settings;
  const provider = new cloudflare.Provider("cloudflare", { apiToken, baseUrl: url });
  return {
    settings,
    cloudflare: cloudflareOptions(provider),
    api: { url, token: apiToken, open: async () => openAccount(url, await resolveValue(apiToken)) },
  };
}

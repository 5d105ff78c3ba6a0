// The provider's configuration.
import type { Failure, Property } from "../sdk/shape.ts";
import { unknown } from "../sdk/values.ts";
import type { Values } from "../sdk/values.ts";
import { Client } from "./client.ts";

/** Configuration of the provider. The service key is refused: Cloudflare has not accepted it since 2026-09-30. */
export const config: Readonly<Record<string, Property>> = {
  apiKey: { type: "string" },
  apiToken: { type: "string" },
  baseUrl: { type: "string" },
  email: { type: "string" },
  userAgentOperatorSuffix: { type: "string" },
};

/** Problems of the configuration. Values from the environment are not looked at, as with the official plugin. */
export function checkConfig({ apiKey, apiToken, email }: Values): Failure[] {
  const fits = (value: Values[string] | undefined, pattern: RegExp) =>
    value === undefined || value === unknown || (typeof value === "string" && pattern.test(value));
  const failures: Failure[] = [];
  if (!fits(apiToken, /^[0-9A-Za-z\-_]{40,80}$/)) {
    failures.push({ property: "apiToken", reason: 'must be 40 to 80 characters of "a-z", "A-Z", "0-9", "-" and "_"' });
  }
  if (!fits(apiKey, /^[0-9A-Za-z\-_]{37,60}$/)) {
    failures.push({ property: "apiKey", reason: 'must be 37 to 60 characters of "a-z", "A-Z", "0-9", "-" and "_"' });
  }
  if (apiKey !== undefined && email === undefined) {
    failures.push({ property: "email", reason: "is required together with apiKey" });
  }
  return failures;
}

/** The client for a configuration; what is not configured comes from the environment. */
export function configure(values: Values): Client {
  const setting = (name: string, variable: string) => (values[name] as string | undefined) || process.env[variable];
  const token = setting("apiToken", "CLOUDFLARE_API_TOKEN");
  const key = setting("apiKey", "CLOUDFLARE_API_KEY");
  const email = setting("email", "CLOUDFLARE_EMAIL");
  return new Client({
    baseUrl: setting("baseUrl", "CLOUDFLARE_BASE_URL") || "https://api.cloudflare.com/client/v4",
    headers: {
      "User-Agent": `immich-access stand-in ${(values.userAgentOperatorSuffix as string | undefined) ?? ""}`.trim(),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...(key ? { "X-Auth-Key": key } : {}),
      ...(email ? { "X-Auth-Email": email } : {}),
    },
  });
}

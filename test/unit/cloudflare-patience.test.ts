// Which refusals of Cloudflare are waited out. The texts are the provider's, as test/conformance has recorded them.
import * as pulumi from "@pulumi/pulumi";
import { expect, test, vi } from "vitest";
import type * as cloudflare from "../../components/cloudflare.ts";
import { cloudflareOptions } from "../../components/cloudflare-patience.ts";
import { recordResources } from "./support/mocks.ts";

// A hook registers itself with the engine as soon as it is created.
recordResources();
const said = vi.spyOn(pulumi.log, "info").mockResolvedValue();

const API = "https://api.cloudflare.com/client/v4";
const PULLS = `${API}/zones/0/origin_tls_client_auth/hostnames/certificates`;
const refusal = (call: string, status: string, code: number, message: string) =>
  `failed to make http request: ${call}: ${status} {"success":false,"errors":[{"code":${code.toString()},"message":"${message}"}]}`;

/** The hook that a resource of this type gets. */
function hookOf(type: string): pulumi.ErrorHook | undefined {
  const { transformations } = cloudflareOptions({} as cloudflare.Provider, 0.001);
  const args = { type, name: "resource", props: {}, opts: {}, resource: {} as pulumi.Resource };
  const [hook] = transformations.map((change) => change(args)?.opts.hooks?.onError?.[0]);
  return hook;
}

const answer = (errors: string[]) => {
  const hook = hookOf("cloudflare:index/dnsRecord:DnsRecord");
  const args = { name: "resource", errors, failedOperation: "create" } as unknown as pulumi.ErrorHookArgs;
  return hook?.callback(args);
};

test.each([
  [
    "a policy just made",
    refusal(`POST "${API}/accounts/0/access/apps"`, "400 Bad Request", 12133, "access.api.error.policy_not_found"),
  ],
  ["a certificate in use", refusal(`DELETE "${PULLS}/1"`, "400 Bad Request", 1433, "in use")],
  ["a certificate on its way", refusal(`DELETE "${PULLS}/1"`, "400 Bad Request", 1434, "pending deployment")],
  ["a new token", refusal(`GET "${API}/zones/0"`, "403 Forbidden", 10000, "Unable to authenticate request")],
  ["a busy certificate", refusal(`DELETE "${API}/certificates/1"`, "500 Internal Server Error", 1000, "failed")],
])("a refusal that passes is waited out and said: %s", async (_what, error) => {
  said.mockClear();
  expect(await answer([error])).toBe(true);
  expect(said).toHaveBeenCalledOnce();
  expect(said.mock.lastCall?.[0]).toMatch(/^resource: Cloudflare .*; trying again for up to \d+ s$/);
});

test.each([
  [
    "a missing permission",
    refusal(`POST "${API}/zones/0/dns_records"`, "403 Forbidden", 10000, "Authentication error"),
  ],
  ["a wrong token", refusal(`DELETE "${API}/certificates/1"`, "401 Unauthorized", 1000, "Invalid API Token")],
  ["another name", refusal(`POST "${API}/zones/0/dns_records"`, "400 Bad Request", 81057, "already exists")],
  ["no answer", `failed to make http request: POST "${API}/zones": connect ECONNREFUSED`],
])("another refusal is not repeated: %s", async (_what, error) => {
  expect(await answer([error])).toBe(false);
});

test("a refusal that does not pass in time is not repeated any more", async () => {
  const hook = cloudflareOptions({} as cloudflare.Provider, 40).transformations.map(
    (change) => change({ type: "cloudflare:x", name: "r", props: {}, opts: {}, resource: {} as pulumi.Resource })?.opts,
  )[0]?.hooks?.onError?.[0];
  const error = refusal(`DELETE "${PULLS}/1"`, "400 Bad Request", 1433, "in use");
  const args = { name: "r", errors: Array<string>(7).fill(error) } as unknown as pulumi.ErrorHookArgs;
  expect(await hook?.callback(args)).toBe(false);
});

test("resources elsewhere keep their options", () => {
  expect(hookOf("command:remote:Command")).toBeUndefined();
});

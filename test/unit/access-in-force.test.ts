import * as pulumi from "@pulumi/pulumi";
import { expect, test, vi } from "vitest";
import type { Account } from "../../components/cloudflare-account.ts";
import { createEnforcementHook } from "../../components/access-in-force.ts";
import { recordResources } from "./support/mocks.ts";

// A hook registers itself with the engine as soon as it is created.
recordResources();
vi.spyOn(pulumi.log, "info").mockResolvedValue();

const AFTER = 400;

/** Milliseconds that the hook takes with what the API says of the application. */
async function waited(application: { created_at?: string } | undefined): Promise<number> {
  const asked: string[] = [];
  const api = {
    find: (path: string) => {
      asked.push(path);
      return Promise.resolve(application);
    },
  } as unknown as Account;
  const app = { accountId: "account", id: pulumi.output("app") };
  const hook = createEnforcementHook("hook", app, () => Promise.resolve(api), { every: 10, after: AFTER });
  const begun = performance.now();
  await hook.callback({} as pulumi.ResourceHookArgs);
  expect(asked).toEqual(["accounts/account/access/apps/app"]);
  return performance.now() - begun;
}

const ago = (milliseconds: number) => ({ created_at: new Date(Date.now() - milliseconds).toISOString() });

test("a name comes online once its application is old enough for Access to be in force", async () => {
  expect(await waited(ago(0))).toBeGreaterThanOrEqual(AFTER - 20);
  expect(await waited(ago(AFTER))).toBeLessThan(AFTER / 2);
});

test("an application whose age is not known counts as new, and so does one of a clock that is ahead", async () => {
  expect(await waited({})).toBeGreaterThanOrEqual(AFTER - 20);
  const ahead = await waited(ago(-3_600_000));
  expect(ahead).toBeGreaterThanOrEqual(AFTER - 20);
  expect(ahead).toBeLessThan(10 * AFTER);
});

test("without an application nothing comes online", async () => {
  await expect(waited(undefined)).rejects.toThrow("Access has no application app; run `pulumi up --refresh`");
});

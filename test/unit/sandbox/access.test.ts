import { afterEach, beforeEach, expect, test } from "vitest";
import type { AccessApp } from "../../../sandbox/api/state.ts";
import { type Fixture, SITE, startFixture } from "./edge-fixture.ts";

let fixture: Fixture;

beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(() => fixture.close());

const guard = (application: Partial<AccessApp>): Promise<void> =>
  fixture.change((state) => {
    state.access_apps = [{ domain: "", destinations: [], ...application } as AccessApp];
  });

test("a name without an application is open to everyone, as at Cloudflare", async () => {
  expect((await fixture.visit("/")).status).toBe(200);
  await guard({ domain: "other.home.localhost" });
  expect((await fixture.visit("/")).status).toBe(200);
});

test.each([[{ domain: SITE }], [{ destinations: [{ type: "public", uri: `${SITE}/photos` }] }]])(
  "a guarded name lets nobody through: %j",
  async (application) => {
    await guard(application);
    for (const path of ["/", "/api/server/ping", "/photos/1"]) {
      expect((await fixture.visit(path, { headers: { "cf-access-client-id": "x.access" } })).status, path).toBe(403);
    }
  },
);

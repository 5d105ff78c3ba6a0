// How a name's records change between addresses and a CNAME, asked of the sandbox's API.

import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Account, openAccount } from "../../components/cloudflare-account.ts";
import { moveAway, moveBack } from "../../components/record-switch.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { type ApiFixture, startApiFixture } from "../../dev/sandbox/test/api-fixture.ts";

const FOLDER = `zones/${DEV.zone}/dns_records`;
const SITE = "photos.home.localhost";
const COMMENT = "Immich behind Cloudflare Access";
const CNAME = { name: SITE, type: "CNAME", comment: COMMENT };

let fixture: ApiFixture;
let api: Account;
beforeAll(async () => {
  fixture = await startApiFixture();
  api = openAccount(fixture.url, fixture.token);
});
afterAll(() => fixture.close());
beforeEach(() => fixture.admin.alter({ dns_records: [] }));

const make = async (type: string, content: string, change: object = {}) => {
  const record = { name: SITE, type, content, proxied: true, ttl: 1, comment: COMMENT, ...change };
  return (await fixture.call("POST", `/${FOLDER}`, record)).result.id;
};
const names = async () =>
  Object.fromEntries((await fixture.admin.state()).dns_records.map(({ content, name }) => [content, name]));

it("the stack's own addresses make way for a CNAME under the same ids, and come back", async () => {
  const ids = [await make("A", "198.51.100.10"), await make("AAAA", "2001:db8::10")];
  await moveAway(api, FOLDER, CNAME);
  expect(await names()).toEqual({
    "198.51.100.10": `former-${ids[0]?.slice(0, 8) ?? ""}.${SITE}`,
    "2001:db8::10": `former-${ids[1]?.slice(0, 8) ?? ""}.${SITE}`,
  });
  expect((await fixture.admin.state()).dns_records.map(({ id }) => id).sort()).toEqual([...ids].sort());
  await make("CNAME", "home.ddns.example");
  await fixture.admin.alter({
    dns_records: (await fixture.admin.state()).dns_records.filter(({ type }) => type !== "CNAME"),
  });
  await moveBack(api, FOLDER, CNAME);
  expect(await names()).toEqual({ "198.51.100.10": SITE, "2001:db8::10": SITE });
});

it("the stack's CNAME makes way for an address", async () => {
  await make("CNAME", "home.ddns.example");
  await moveAway(api, FOLDER, { name: SITE, type: "AAAA", comment: COMMENT });
  expect((await names())["home.ddns.example"]).toMatch(/^former-/);
});

it("records of the owner's, of other names and of a kind that is not in the way stay", async () => {
  await make("A", "198.51.100.1", { comment: "mine" });
  await make("A", "198.51.100.2", { proxied: false });
  await make("A", "198.51.100.3", { name: `album.${DEV.zoneName}` });
  await make("TXT", "v=spf1 -all", { proxied: false });
  const before = await names();
  await moveAway(api, FOLDER, CNAME);
  await moveAway(api, FOLDER, { name: SITE, type: "A", comment: COMMENT });
  await moveBack(api, FOLDER, CNAME);
  expect(await names()).toEqual(before);
});

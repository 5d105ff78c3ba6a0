import { expect, it } from "vitest";
import { hostnamesOf } from "../../commands/connect-to.ts";

it("connectTo points the names of all of a stack's sites to the sandbox's edge", () => {
  const url = "https://photos.home.localhost";
  const moreSites = { "album.home.localhost": { url: "https://album.home.localhost", devices: {} } };
  expect(hostnamesOf({ url, publicShareUrl: "https://shares.home.localhost", moreSites })).toEqual([
    "photos.home.localhost",
    "shares.home.localhost",
    "album.home.localhost",
  ]);
  expect(hostnamesOf({ url })).toEqual(["photos.home.localhost"]);
  expect(hostnamesOf({})).toEqual([]);
});

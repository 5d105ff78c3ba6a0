import { expect, it } from "vitest";
import { ACCESS_APPLICATION, serviceTokenName } from "../../../components/token-names.ts";
import { devicesInState } from "../../../cli/lib/deployed-stack.ts";

const TOKEN = "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken";
const [PHOTOS, ALBUM] = ["photos.example.com", "album-access-token-x.example.com"];

const site = (hostname: string, devices: readonly string[]) => ({
  type: ACCESS_APPLICATION,
  urn: `urn:${hostname}`,
  inputs: { hostname, devices },
});
const token = (hostname: string, device: string, secretVersion?: number) => ({
  type: TOKEN,
  urn: `urn:token-${hostname}-${device}`,
  parent: `urn:${hostname}`,
  inputs: { name: serviceTokenName(hostname, device), clientSecretVersion: secretVersion },
});

it("a stack's devices are those of each site's component with a token, with the deployed version of the secret", () => {
  const resources = [
    token(ALBUM, "a-access-token-b", 3),
    site(PHOTOS, ["phone", "frame", "new"]),
    site(ALBUM, ["a-access-token-b", "phone"]),
    token(PHOTOS, "phone"),
    { ...token(PHOTOS, "frame", 2), delete: true },
    token(PHOTOS, "frame", 5),
    token(ALBUM, "phone", 4),
    token(PHOTOS, "gone", 6),
  ];
  expect(devicesInState(resources)).toEqual([
    { site: PHOTOS, device: "phone", secretVersion: 1 },
    { site: PHOTOS, device: "frame", secretVersion: 5 },
    { site: ALBUM, device: "a-access-token-b", secretVersion: 3 },
    { site: ALBUM, device: "phone", secretVersion: 4 },
  ]);
});

it("a stack without resources has no devices", () => {
  expect(devicesInState([])).toEqual([]);
});

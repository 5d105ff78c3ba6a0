import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Deployment } from "../e2e/support/deployment.ts";
import { runCli } from "./support/cli.ts";
import { importDevices } from "./support/devices.ts";

// What `rotate` does to the configuration of a stack whose state was imported. test/e2e/lifecycle.test.ts has it deploy.

const HOUR = 3600_000;
const [SITE, ALBUM] = ["photos.home.localhost", "album.home.localhost"];

let deployment: Deployment;

const rotate = (...args: string[]) => runCli(deployment, "rotate", ["--no-up", ...args]);

/** The album is the second one of the further sites. */
const FURTHER = [{ hostname: "other.home.localhost" }, { hostname: ALBUM, devices: ["annas-phone", "berts-phone"] }];

type Rotations = Record<string, { secretVersion: number; previousSecretExpiresAt: string }>;

/** A setting in the stack's file. */
async function setting(key: string): Promise<unknown> {
  const { workspace, name } = deployment.stack;
  const { config } = await workspace.stackSettings(name);
  return config?.[`immich-access:${key}`];
}
const configured = async () => ((await setting("deviceRotations")) ?? {}) as Rotations;

const inFuture = (hours: number) => new Date(Date.now() + hours * HOUR).toISOString();

beforeAll(async () => {
  deployment = await Deployment.create();
  const device = { clientId: "0f.access", clientSecret: "cfast_secret", expiresAt: "2099-11-24T10:00:00Z" };
  await importDevices(deployment, {
    [SITE]: { "annas-phone": device, frame: { ...device, secretVersion: 3 } },
    [ALBUM]: { "annas-phone": device, "berts-phone": { ...device, secretVersion: 5 } },
  });
  await deployment.configure({ hostname: SITE });
});
afterAll(async () => {
  await deployment.dispose();
});
beforeEach(async () => {
  await deployment.removeSetting("deviceRotations");
  await deployment.configure({ moreSites: FURTHER });
});

test("rotate raises the version of one device, and leaves the others alone", async () => {
  const others = { "annas-phone": { secretVersion: 2, previousSecretExpiresAt: "2020-01-01T00:00:00Z" } };
  await deployment.configure({ deviceRotations: others });
  const { code, stdout, stderr } = await rotate("--device", "frame", "--grace", "12h");
  expect([code, stderr]).toEqual([0, ""]);
  const { frame, ...rest } = await configured();
  expect(rest).toEqual(others);
  expect(frame?.secretVersion).toBe(4);
  expect((Date.parse(frame?.previousSecretExpiresAt ?? "") - Date.now()) / HOUR).toBeCloseTo(12, 1);
  expect(stdout).toContain(`works until ${frame?.previousSecretExpiresAt ?? ""}`);
  expect(stdout).not.toContain("cfast_");
});

test.each([
  [["--device", "berts-phone"], "berts-phone", 6],
  [["--device", "annas-phone", "--site", ALBUM], "annas-phone", 2],
])(
  "rotate sets the version of a further site's device in that site's settings: %j",
  async (args, device, secretVersion) => {
    const { code, stderr } = await rotate(...args);
    expect([code, stderr]).toEqual([0, ""]);
    const rotation = { secretVersion, previousSecretExpiresAt: expect.stringMatching(/Z$/) as string };
    const [other, album] = FURTHER;
    expect(await setting("moreSites")).toEqual([other, { ...album, deviceRotations: { [device]: rotation } }]);
    expect(await configured()).toEqual({});
  },
);

test("rotate waits for the end of the earlier grace period", async () => {
  const rotation = { secretVersion: 3, previousSecretExpiresAt: inFuture(5) };
  await deployment.configure({ deviceRotations: { frame: rotation } });
  const refused = await rotate("--device", "frame");
  expect([refused.code, refused.stdout]).toEqual([1, ""]);
  expect(refused.stderr).toMatch(/^frame has been rotated already, .* Wait until then, or add --force\n$/);
  expect(await configured()).toEqual({ frame: rotation });
});

test.each([
  [
    ["--device", "frame", "--grace", "31d"],
    "--grace 31d is not a time from 1h to 30d: give hours or days, like 12h or 7d",
  ],
  [
    ["--device", "frame", "--site", ALBUM],
    `there is no device frame at ${ALBUM}; the stack test has annas-phone (${SITE}), frame (${SITE}), annas-phone (${ALBUM}), berts-phone (${ALBUM})`,
  ],
  [["--device", "annas-phone"], `there is a device annas-phone at ${SITE} and ${ALBUM}: add --site with one of them`],
])("rotate refuses %j before it changes anything", async (args, problem) => {
  expect(await rotate(...args)).toEqual({ code: 1, stdout: "", stderr: `${problem}\n` });
  expect(await configured()).toEqual({});
  expect(await setting("moreSites")).toEqual(FURTHER);
});

test("rotate says what to do first if the settings no longer have the site", async () => {
  await deployment.configure({ moreSites: [] });
  const problem = `the settings of test have no site ${ALBUM}: run pulumi up first\n`;
  expect(await rotate("--device", "berts-phone")).toEqual({ code: 1, stdout: "", stderr: problem });
});

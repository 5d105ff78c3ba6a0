import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Deployment } from "../e2e/support/deployment.ts";
import { runCli } from "./support/cli.ts";
import { importDevices } from "./support/devices.ts";

// What `rotate` does to the configuration of a stack whose state was imported. test/e2e/lifecycle.test.ts has it deploy.

const HOUR = 3600_000;

let deployment: Deployment;

const rotate = (...args: string[]) => runCli(deployment, "rotate", ["--no-up", ...args]);

type Rotations = Record<string, { secretVersion: number; previousSecretExpiresAt: string }>;

/** The setting `deviceRotations` in the stack's file. */
async function configured(): Promise<Rotations> {
  const { workspace, name } = deployment.stack;
  const { config } = await workspace.stackSettings(name);
  const rotations: unknown = config?.["immich-access:deviceRotations"] ?? {};
  return rotations as Rotations;
}

const inFuture = (hours: number) => new Date(Date.now() + hours * HOUR).toISOString();

beforeAll(async () => {
  deployment = await Deployment.create();
  const device = { clientId: "0f.access", clientSecret: "cfast_secret", expiresAt: "2099-11-24T10:00:00Z" };
  await importDevices(deployment, "https://photos.home.localhost", {
    "annas-phone": device,
    frame: { ...device, secretVersion: 3 },
  });
});
afterAll(async () => {
  await deployment.dispose();
});
beforeEach(() => deployment.removeSetting("deviceRotations"));

test("raises the version of one device, and leaves the others alone", async () => {
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

test("waits for the end of the grace period before it", async () => {
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
    "--grace 31d is no time from 1h to 30d: give hours or days, like 12h or 7d",
  ],
  [["--device", "anna"], "there is no device anna; the stack test has annas-phone, frame"],
])("refuses %j before it changes anything", async (args, problem) => {
  expect(await rotate(...args)).toEqual({ code: 1, stdout: "", stderr: `${problem}\n` });
  expect(await configured()).toEqual({});
});

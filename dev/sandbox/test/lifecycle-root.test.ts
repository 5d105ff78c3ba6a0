import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { asNobody, NOBODYS_NODE, NOBODYS_PROJECT } from "../../../test/support/nobody.ts";

const STOP = join(NOBODYS_PROJECT, "dev/commands/stop.ts");

// A fake sudo that prints what it was asked to run.
const folder = mkdtempSync(join(tmpdir(), "immich-access-root-"));
chmodSync(folder, 0o755);
writeFileSync(join(folder, "sudo"), '#!/bin/sh\nfor word; do echo "$word"; done\nexit 3\n', { mode: 0o755 });
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const stopAsNobody = (path: string) => asNobody([STOP, "--"], { PATH: path, HOME: "/nowhere", SECRET: "not for sudo" });

test("a command that needs root continues through sudo, says why, and passes on the exit status", () => {
  const { status, stdout, stderr } = stopAsNobody(folder);
  expect(stderr).toBe("The sandbox needs root (network namespaces, mounts, control groups): going on through sudo\n");
  expect(stdout.trim().split("\n")).toEqual(["env", `PATH=${folder}`, "HOME=/nowhere", NOBODYS_NODE, STOP, "--"]);
  expect(status).toBe(3);
});

test("without sudo one line says that root is needed", () => {
  const { status, stderr } = stopAsNobody("/nowhere");
  expect(stderr).toMatch(/^The sandbox needs root [^\n]* there is no sudo: run this as root\n$/);
  expect(status).toBe(1);
});

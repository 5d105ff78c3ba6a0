import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Daemon, endDaemons } from "../daemon.ts";
import { processState } from "../processes.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "immich-access-daemon-"));
});
afterEach(async () => {
  await endDaemons(folder);
  rmSync(folder, { recursive: true });
});

const daemon = (script: string, version = "1"): Daemon =>
  new Daemon({
    name: "worker",
    folder,
    command: [process.execPath, "-e", script],
    version,
    ready: () => Promise.resolve(existsSync(join(folder, "ready"))),
  });
const isAlive = (pid: string): boolean => processState(Number(pid))?.alive ?? false;
const pidFile = (): string => readFileSync(join(folder, "ready"), "utf8");
const work = (folderPath: string, rest = ""): string =>
  `console.log("at work"); require("fs").writeFileSync(${JSON.stringify(join(folderPath, "ready"))}, String(process.pid)); setInterval(() => {}, 1000); ${rest}`;

test("a daemon runs until it is stopped, with a log that only its owner can read", async () => {
  const worker = daemon(work(folder));
  expect(await worker.running()).toBe(false);
  await worker.start();
  expect(await worker.running()).toBe(true);
  expect(readFileSync(worker.log, "utf8")).toBe("at work\n");
  expect(statSync(worker.log).mode & 0o777).toBe(0o600);
  const pid = pidFile();
  await worker.stop();
  expect(await worker.running()).toBe(false);
  expect(isAlive(pid)).toBe(false);
});

test("a daemon of another version counts as not running and is replaced by the new one", async () => {
  await daemon(work(folder)).start();
  const old = pidFile();
  const renewed = daemon(work(folder), "2");
  expect(await renewed.running()).toBe(false);
  rmSync(join(folder, "ready"));
  await renewed.start();
  expect(await renewed.running()).toBe(true);
  expect(isAlive(old)).toBe(false);
});

test("a daemon that ignores SIGTERM is killed", async () => {
  const worker = daemon(work(folder, `process.on("SIGTERM", () => {})`));
  await worker.start();
  await worker.stop();
  expect(isAlive(pidFile())).toBe(false);
});

test("a daemon that ends while it starts is reported with its last words", async () => {
  await expect(daemon(`console.error("first"); console.error("no port"); process.exit(1)`).start()).rejects.toThrow(
    "the sandbox's worker has ended: no port",
  );
});

test("a daemon's log that has grown large is rotated", async () => {
  const worker = daemon(work(folder));
  await worker.start();
  await worker.stop();
  writeFileSync(worker.log, Buffer.alloc(5 * 1024 * 1024));
  rmSync(join(folder, "ready"));
  await worker.start();
  expect(readFileSync(worker.log, "utf8")).toBe("at work\n");
  expect(existsSync(`${worker.log}.old`)).toBe(true);
});

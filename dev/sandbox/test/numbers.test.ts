// Numbers and their owners, while others claim numbers and give them back.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { apiPort, browserPort, type Claim, numbers as machine, Numbers, numbersInUse, ownProcess } from "../numbers.ts";

let folder: string;
let numbers: Numbers;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "immich-access-numbers-"));
  numbers = new Numbers(join(folder, "claims"), () => new Set([2]));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const owned = (name: string) => ({ hostFolder: name, owner: ownProcess() });
/** A process that has ended, as far as its start time tells. */
const ENDED = { pid: process.pid, started: "1" };
const claimed = () => numbers.claims().map(({ number, hostFolder }) => `${number} ${hostFolder}`);
const nothing = () => Promise.resolve();
const unexpected = (line: string) => expect.unreachable(line);

test("each claim gets a number of its own: the preferred one if it is free, none that is in use", () => {
  expect(numbers.claim(1, owned("a")).number).toBe(1);
  expect(numbers.claim(1, owned("b")).number).toBe(3);
  expect(numbers.claim(1, owned("c"), 7).number).toBe(7);
  expect(numbers.claim(1, owned("d"), 7).number).toBe(4);
  expect(numbers.claim(1, owned("e"), 2).number).toBe(5);
  expect(claimed().sort()).toEqual(["1 a", "3 b", "4 d", "5 e", "7 c"]);
  expect(readdirSync(join(folder, "claims")).sort()).toEqual(["1", "3", "4", "5", "7"]);
});

test("when no number is left, one line says what to do", () => {
  const all = new Set(Array.from({ length: 250 }, (_, index) => index + 1));
  expect(() => new Numbers(folder, () => all).claim(1, owned("a"))).toThrow(
    /^this machine has no number left .* npm stop/,
  );
});

test("processes that claim a number at the same time get different ones", async () => {
  const program = `
    import { Numbers, ownProcess } from ${JSON.stringify(join(import.meta.dirname, "../numbers.ts"))};
    const numbers = new Numbers(${JSON.stringify(folder)}, () => new Set());
    for (let round = 0; round < 20; round += 1)
      console.log(numbers.claim(1, { hostFolder: "/nowhere", owner: ownProcess() }).number);`;
  const outputs = Array.from({ length: 4 }, async () => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    return (await child.stdout.toArray()).join("");
  });
  const got = (await Promise.all(outputs)).join("").trim().split("\n").map(Number);
  expect(got.sort((one, other) => one - other)).toEqual(Array.from({ length: 80 }, (_, index) => index + 1));
});

test("a claim that was given back is ignored, whoever has its number by then", async () => {
  const former = numbers.claim(1, owned("former"));
  await numbers.giveBack(former, nothing);
  expect(claimed()).toEqual([]);
  const heir = numbers.claim(1, owned("heir"));
  expect(heir.number).toBe(former.number);
  const removed: Claim[] = [];
  const remove = (claim: Claim) => Promise.resolve(void removed.push(claim));
  await numbers.giveBack(former, remove);
  expect(await numbers.holding(former, () => remove(former))).toBe(false);
  expect(removed).toEqual([]);
  expect(claimed()).toEqual(["1 heir"]);
  expect(await numbers.holding(heir, nothing)).toBe(true);
});

test("two processes that remove the same number remove it once, and it is free only afterwards", async () => {
  const claim = numbers.claim(1, { hostFolder: "abandoned", owner: ENDED });
  const events: string[] = [];
  const remove = async () => {
    events.push("begins");
    await sleep(50);
    events.push(`other gets ${numbers.claim(1, owned("other")).number}`);
    events.push("ends");
  };
  await Promise.all([
    numbers.sweep(remove, unexpected),
    numbers.giveBack(claim, remove),
    numbers.sweep(remove, unexpected),
  ]);
  expect(events).toEqual(["begins", "other gets 3", "ends"]);
  expect(claimed()).toEqual(["3 other"]);
});

test("a number is abandoned if its process or its state folder no longer exists", async () => {
  const stateDir = join(folder, "state");
  mkdirSync(stateDir);
  numbers.claim(1, owned("at work"));
  numbers.claim(1, { hostFolder: "stopped checkout", stateDir });
  numbers.claim(1, { ...owned("stopped test"), stateDir });
  numbers.claim(1, { hostFolder: "killed", owner: ENDED });
  numbers.claim(1, { hostFolder: "killed with its folder", owner: ENDED, stateDir });
  numbers.claim(1, { hostFolder: "removed checkout", stateDir: join(folder, "gone") });
  numbers.claim(1, { ...owned("removed test"), stateDir: join(folder, "gone") });
  const removed: string[] = [];
  await numbers.sweep(({ hostFolder }) => Promise.resolve(void removed.push(hostFolder)), unexpected);
  expect(removed.sort()).toEqual(["killed", "killed with its folder", "removed checkout", "removed test"]);
  expect(claimed()).toEqual(["1 at work", "3 stopped checkout", "4 stopped test"]);
});

test("a sandbox that cannot be removed keeps its number, and the others are removed all the same", async () => {
  for (const hostFolder of ["a", "b", "c"]) numbers.claim(1, { hostFolder, owner: ENDED });
  const told: string[] = [];
  const remove = ({ hostFolder }: Claim) => (hostFolder === "b" ? Promise.reject(new Error("busy")) : nothing());
  await numbers.sweep(remove, (line) => void told.push(line));
  expect(told).toEqual(["sandbox 3, which nobody uses any more, cannot be removed: busy"]);
  expect(claimed()).toEqual(["3 b"]);
});

test("a claim that cannot be read is nobody's, and its number is not free", () => {
  numbers.claim(1, owned("a"));
  writeFileSync(join(folder, "claims", "3"), "{");
  expect(claimed()).toEqual(["1 a"]);
  expect(numbers.claim(1, owned("b")).number).toBe(4);
});

test("a number is in use when another program listens on one of its ports", async () => {
  // A claim of this machine's, so that no sandbox listens there meanwhile.
  const claim = machine.claim(200, owned(folder));
  try {
    for (const port of [apiPort(claim.number), browserPort(claim.number)]) {
      expect(numbersInUse().has(claim.number)).toBe(false);
      const server = net.createServer();
      await once(server.listen(port, "127.0.0.1"), "listening");
      expect(numbersInUse().has(claim.number)).toBe(true);
      server.close();
      await once(server, "close");
    }
  } finally {
    await machine.giveBack(claim, nothing);
  }
});

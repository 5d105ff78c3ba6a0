// How a program's mistakes are shown by the real engine: soon, and by name.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Engine, toolchain } from "./support/engine.ts";

const { mode } = await toolchain();

describe("a preview that fails", () => {
  let engine: Engine;

  const preview = async (how: string) => {
    await engine.configure({ how });
    const started = Date.now();
    const result = await engine.run("preview");
    return { ...result, seconds: (Date.now() - started) / 1000 };
  };

  beforeAll(async () => {
    engine = await Engine.create(join(import.meta.dirname, "failing"), { how: "nothing" });
    await preview("nothing");
  });
  afterAll(() => {
    engine.remove();
  });

  // Node 24.9 looked for node_modules in the stack with a loop that ran until the text was too long, 25 s later.
  test("a preview shows an exception inside the SDK without a long wait", async () => {
    const usual = await preview("nothing");
    expect(usual.code).toBe(0);
    const { code, output, seconds } = await preview("exception in the SDK");
    expect(code).not.toBe(0);
    expect(output).toContain("Missing resource type argument");
    expect(seconds).toBeLessThan(usual.seconds + 20);
  });

  test.runIf(mode === "offline")("a preview names a resource type that the stand-in plugin does not have", async () => {
    const { code, output } = await preview("unknown resource type");
    expect(code).not.toBe(0);
    expect(output).toContain("the stand-in plugin tls 5.6.1 has no resource type tls:index/nothing:Nothing");
    expect(output).toContain("tls:index/privateKey:PrivateKey");
  });

  test.runIf(mode === "offline")("a preview names a property that the stand-in plugin does not have", async () => {
    const { code, output } = await preview("unknown property");
    expect(code).not.toBe(0);
    expect(output).toMatch(/hunter is not known to the stand-in plugin, which has: algorithm/);
    expect(output).not.toContain("hunter2");
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { ANSWERS, NoAnswerError, readAnswer } from "../../components/origin-host/answer.ts";
import { checkedPayload, PAYLOADS, type StepName } from "../../components/origin-host/payload.ts";
import { contractFiles } from "../../dev/contract/files.ts";
import { allPayloads, readByAgent } from "./support/payloads.ts";

const project = join(import.meta.dirname, "../..");
const STEPS = Object.keys(PAYLOADS) as StepName[];

test.each(Object.entries(contractFiles()))("%s is as `npm run contract` writes it", (path, text) => {
  expect(readFileSync(join(project, path), "utf8")).toBe(text);
});

test("the agent can read every payload that the program and its tools send", async () => {
  const payloads = await allPayloads();
  expect(new Set(payloads.map(([step]) => step))).toEqual(new Set(STEPS));
  for (const [step, payload] of payloads) expect(checkedPayload(step, payload as never)).toEqual(payload);
  const schema = contractFiles()["host/agent/payload.schema.json"] ?? "";
  expect(readByAgent([{ payloads, schema }])).toEqual([null]);
}, 60_000);

describe("a payload that does not match its schema", () => {
  it("a payload that does not match its schema is refused by the names of its fields, without their values", () => {
    const payload = { owner: "secret-owner", hostname: "secret", site: "secret" } as never;
    expect(() => checkedPayload("site-remove", payload)).toThrow(
      /^the payload of the host's step site-remove does not/,
    );
    expect(() => checkedPayload("site-remove", payload)).toThrow(/hostname: .*"site"/);
    expect(() => checkedPayload("site-remove", payload)).not.toThrow(/secret/);
  });
});

describe("the output of a step", () => {
  const answer = { step: "site-remove", revision: 0, host: "home", removed: true };

  it("a step's answer is its last line, whatever login scripts have printed before", () => {
    const stdout = `Welcome to Debian!\n{"step":"other"}\n${JSON.stringify(answer)}\n`;
    expect(readAnswer("site-remove", stdout)).toEqual(answer);
  });

  it.each([
    ["nothing", ""],
    ["a banner", "Please login as the user admin\n\n"],
    ["another step's answer", JSON.stringify({ ...answer, step: "nginx" })],
    ["an answer with a field less", JSON.stringify({ ...answer, removed: undefined })],
    ["an answer with a field more", JSON.stringify({ ...answer, extra: 1 })],
    ["an answer before other lines", `${JSON.stringify(answer)}\nlogout\n`],
    ["a line that is cut off", JSON.stringify(answer).slice(0, -4)],
  ])("a step's output is no answer if it is %s", (_what, stdout) => {
    expect(() => readAnswer("site-remove", stdout)).toThrow(NoAnswerError);
  });

  it("every step has a schema for its answer", () => {
    expect(Object.keys(ANSWERS)).toEqual(STEPS);
  });
});

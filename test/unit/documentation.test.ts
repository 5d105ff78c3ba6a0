// Pages state each fact once and link to it, so every link must work.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";
import { allowedFinding } from "../../cli/doctor/edge.ts";
import { describeAnswer, remedyFor } from "../../components/site-check/answers.ts";
import { siteWarning } from "../../components/site-check/index.ts";
import type { Answer } from "../../components/site-check/network.ts";
import { GOOD } from "./support/configuration.ts";

const project = join(import.meta.dirname, "../..");
const pages = ["README.md", ...globSync("docs/*.md", { cwd: project })];

const text = (file: string) => readFileSync(join(project, file), "utf8");

/** A page without its blocks of code. */
const read = (page: string) => text(page).replace(/^ *```[^]*?^ *```$/gm, "");

/** The anchors that GitHub gives to a page's headings. */
const anchors = (page: string) =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

it.each(pages)("the links in %s lead to existing pages and headings", (page) => {
  const links = [...read(page).matchAll(/\]\(([^)]+)\)/g)].flatMap(([, link = ""]) =>
    /^https?:/.test(link) ? [] : link,
  );
  const broken = links.filter((link) => {
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? page : normalize(join(dirname(page), path));
    if (!existsSync(join(project, target))) return true;
    return anchor !== undefined && !anchors(target).includes(anchor);
  });
  expect(broken).toEqual([]);
});

it("an export of every secret is a file that only its owner reads, outside the checkout and ignored by git", () => {
  const exports = pages
    .flatMap((page) => text(page).split("\n"))
    .filter((line) => /^ *\(?.*stack export .*--file/.test(line));
  expect(exports.length).toBeGreaterThan(0);
  for (const line of exports)
    expect(line).toMatch(/\(umask 077 && npx pulumi stack export --show-secrets --file ~\/\S+\)/);
  expect(text(".gitignore").split("\n")).toContain("stack*.json");
});

it("the page about the router has the words that the tools print if its port is not forwarded", () => {
  const page = text("docs/first-deployment.md").replaceAll(/\s+/g, " ");
  const answer: Answer = { status: 522, location: "", body: "", isChallenge: false };
  const found = { problem: `a device gets ${describeAnswer(answer)}`, remedy: remedyFor(answer) };
  expect(page).toContain(siteWarning(GOOD["hostname"] ?? "", 120, found));
  const check = { id: "device", place: "cloudflare", title: "Device", why: "why", fix: "fix" } as const;
  const finding = allowedFinding(check, answer, false);
  expect(page).toContain(`fix ${finding.fix ?? ""}`);
  expect(page).toContain(finding.says);
});

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installChromium } from "../e2e/support/chromium.ts";
import { Deployment } from "../e2e/support/deployment.ts";
import type { CommandResult } from "../../dev/sandbox/sandbox.ts";
import { runCli } from "./support/cli.ts";
import { importDevices } from "./support/devices.ts";
import { readQrCode } from "./support/qr.ts";

// The card of a stack with an imported state; nothing is deployed.

const SITE = "photos.home.localhost";
const ALBUM = "album.home.localhost";
const URL = `https://${SITE}`;
const SECRET = `cfast_${"Ab1".repeat(16)}`;
const CLIENT_ID = `${"0f".repeat(16)}.access`;

let deployment: Deployment;
let shown: CommandResult;
let browser: Browser;

const card = (...args: string[]) => runCli(deployment, "card", args);
const folder = () => join(deployment.stack.workspace.workDir, ".cards");

beforeAll(async () => {
  deployment = await Deployment.create();
  const device = { clientId: CLIENT_ID, clientSecret: SECRET, expiresAt: "2099-11-24T10:00:00Z" };
  const other = { ...device, clientId: "album.access" };
  await importDevices(deployment, {
    [SITE]: { "annas-phone": { ...device, secretVersion: 2 }, frame: device },
    [ALBUM]: { "berts-phone": { ...other, secretVersion: 3 }, frame: other },
  });
  const rotation = (secretVersion: number, year: number) => ({
    secretVersion,
    previousSecretExpiresAt: `${year.toString()}-01-01T10:00:00Z`,
  });
  await deployment.configure({
    hostname: SITE,
    deviceRotations: { "annas-phone": rotation(2, 2099) },
    moreSites: [{ hostname: ALBUM, deviceRotations: { "berts-phone": rotation(3, 2098) } }],
  });
  shown = await card("--device", "annas-phone");
  browser = await chromium.launch({
    executablePath: await installChromium(console.log),
    args: ["--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"],
  });
});
afterAll(async () => {
  await browser.close();
  await deployment.dispose();
});

test("the card shows the way through the app, the address, both headers and the dates", () => {
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  for (const part of [
    `annas-phone at ${URL}`,
    `CF-Access-Client-Id\nHeader value\n   ${CLIENT_ID}\n`,
    `CF-Access-Client-Secret\nHeader value\n   ${SECRET}\n`,
    "The token ends on 2099-11-24.",
    "The secret before this one works until 2099-01-01 10:00 UTC",
  ]) {
    expect(shown.stdout).toContain(part);
  }
});

test.each([
  ["whose name no other site has, by its name", ["--device", "berts-phone"]],
  ["of two with the same name, by its site", ["--device", "frame", "--site", ALBUM]],
])("the card shows a device of a further site: %s", async (_what, args) => {
  const { stdout } = await card(...args);
  expect(stdout).toContain(`at https://${ALBUM}\n`);
  expect(stdout).toContain("album.access");
  expect(stdout.includes("works until 2098-01-01 10:00 UTC")).toBe(args.includes("berts-phone"));
  const deleted = await card(...args, "--delete");
  expect(deleted.stdout).toMatch(new RegExp(`^Deleted .*/test-${args[1] ?? ""}@${ALBUM}\\.html\n$`));
});

describe("the page", () => {
  const asked: string[] = [];
  const said: string[] = [];
  let page: Page;

  beforeAll(async () => {
    page = await browser.newPage({ permissions: ["clipboard-read", "clipboard-write"] });
    page.on("request", (request) => asked.push(request.url()));
    page.on("console", (message) => said.push(message.text()));
    const [name = ""] = readdirSync(folder());
    await page.goto(pathToFileURL(join(folder(), name)).href);
  });

  test("the card's page is readable by its owner only", () => {
    const [name = ""] = readdirSync(folder());
    expect(name).toBe(`test-annas-phone@${SITE}.html`);
    expect((statSync(join(folder(), name)).mode & 0o777).toString(8)).toBe("600");
    expect((statSync(folder()).mode & 0o777).toString(8)).toBe("700");
  });

  test("the card's page has each value as text and as a QR code", async () => {
    const texts = await page.locator("code").allTextContents();
    expect(texts).toEqual([URL, "CF-Access-Client-Id", CLIENT_ID, "CF-Access-Client-Secret", SECRET]);
    const reader = await browser.newPage();
    const read: unknown[] = [];
    for (const code of await page.getByRole("img").all()) read.push(await readQrCode(reader, await code.screenshot()));
    expect(read).toEqual(texts);
  });

  test("the card's page copies a value", async () => {
    const button = page.getByRole("button", { name: "Copy" }).last();
    await button.click();
    await expect.poll(() => page.getByRole("button").last().textContent()).toBe("Copied");
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(SECRET);
  });

  test("the card's page loads nothing, and can send nothing", async () => {
    expect(asked).toEqual([page.url()]);
    await page.evaluate(`
      document.body.append(Object.assign(document.createElement("img"), { src: "https://photos.home.localhost/x.png" }));
      fetch("https://photos.home.localhost/").catch(() => undefined);
    `);
    const refused = () => said.filter((line) => line.includes("Content Security Policy")).join("\n");
    await expect.poll(refused).toContain("https://photos.home.localhost/x.png");
    await expect.poll(refused).toContain("https://photos.home.localhost/'");
  });

  test("the card's page is deleted on request, also when the device no longer exists", async () => {
    const deleted = await card("--device", "annas-phone", "--delete");
    expect(deleted.stdout).toMatch(/^Deleted .*\.cards\/test-annas-phone@photos\.home\.localhost\.html\n$/);
    expect(readdirSync(folder())).toEqual([]);
    expect((await card("--device", "bens-phone", "--delete")).stdout).toBe("There is no page for bens-phone.\n");
  });
});

describe("refusals", () => {
  test.each([
    [
      "the devices, where none is asked for",
      [],
      `--device is missing; the stack test has annas-phone (${SITE}), frame (${SITE}), berts-phone (${ALBUM}), frame (${ALBUM})\n`,
    ],
    [
      "the sites, where several have the device",
      ["--device", "frame"],
      `there is a device frame at ${SITE} and ${ALBUM}: add --site with one of them\n`,
    ],
    ["a stack that is not there", ["--stack", "nothing", "--device", "x"], /no stack named 'nothing' found/],
    ["a page outside its folder", ["--device", "../x", "--delete"], "--delete needs --device with a device's name\n"],
    ["a page of no site", ["--device", "x", "--site", "../x", "--delete"], /^--site needs the host name of a site/],
  ])("the card refuses in one line with status 1, naming %s", async (_what, args, problem) => {
    const { code, stdout, stderr } = await card(...args);
    expect([code, stdout]).toEqual([1, ""]);
    if (typeof problem === "string") expect(stderr).toBe(problem);
    else expect(stderr).toMatch(problem);
    expect(stderr.trim()).not.toContain("\n");
  });
});

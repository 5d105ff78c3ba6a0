// The site as people and phones use it, in a browser and under load, and as attackers find it.

import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WebSocket } from "ws";
import { DEV } from "../../dev/sandbox/api/world.ts";
import type { DeviceHeaders } from "../../components/site-check/answers.ts";
import { attack, ATTACKS, page, type Results } from "./attacks/attack.ts";
import { type Browser, openBrowser } from "./support/chromium.ts";
import {
  echo,
  emptyFile,
  look,
  lookUntil,
  openWebsocket,
  pings,
  randomFile,
  reloadNginx,
  startLoad,
  upload,
  workers,
} from "./support/traffic.ts";
import { type Outputs, SITE, startWorld, type World } from "./support/world.ts";

const FRIEND = "anna@example.com";
const STRANGER = "mallory@example.net";

let world: World;
let outputs: Outputs;
let phone: DeviceHeaders;

beforeAll(async () => {
  world = await startWorld();
  await world.deployment.up();
  outputs = await world.deployment.outputs<Outputs>();
  const device = outputs.devices["annas-phone"];
  if (device === undefined) throw new Error("the stack has no device annas-phone");
  phone = device;
});
afterAll(() => world.close());

describe("a person in a browser", () => {
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    browser = await openBrowser(world.sandbox.publicCaPath, (line) => console.log(line));
    page = await browser.context.newPage();
  });
  afterAll(() => browser.close());

  const site = (path = "") => `${world.sandbox.browserUrl(SITE)}${path}`;
  const textOf = (one: Page) => one.locator("body").innerText();
  const askForPin = async (email: string) => {
    await page.getByLabel("Email").fill(email);
    await page.getByRole("button", { name: "Send me a code" }).click();
    await page.getByLabel("Code").waitFor();
  };
  const enterPin = async (pin: string) => {
    await page.getByLabel("Code").fill(pin);
    await page.getByRole("button", { name: "Sign in" }).click();
  };

  test("a person sees the team's login page first", async () => {
    await page.goto(site());
    expect(new URL(page.url()).hostname).toBe(DEV.teamDomain);
    expect(await textOf(page)).toContain(SITE);
  });

  test("a person whom no policy admits sees the same page as everyone, and gets no PIN", async () => {
    await askForPin(STRANGER);
    const told = await textOf(page);
    expect(await world.api.mailbox(STRANGER)).toEqual([]);
    await page.goto(site());
    await askForPin(FRIEND);
    expect(await textOf(page)).toBe(told.replaceAll(STRANGER, FRIEND));
    expect(await world.api.mailbox(FRIEND)).toHaveLength(1);
  });

  test("a person finds the PIN on the status page", async () => {
    const [mail] = await world.api.mailbox(FRIEND);
    const status = await browser.context.newPage();
    await status.goto(world.sandbox.statusUrl);
    expect(await status.locator(".pin").allInnerTexts()).toEqual([mail?.pin]);
    await status.close();
  });

  test("a person is admitted with the right PIN only, and Immich's websocket connects", async () => {
    const pin = (await world.api.mailbox(FRIEND))[0]?.pin ?? "";
    await enterPin(pin === "000000" ? "000001" : "000000");
    expect(await page.getByRole("alert").innerText()).toBe("That code is not right.");
    await enterPin(pin);
    await page.getByRole("heading", { name: "Immich", exact: true }).waitFor();
    expect(page.url()).toBe(site());
    await page.getByText("Websocket: connected").waitFor();
  });

  test("a person's cookie is hidden from scripts and other sites", async () => {
    const cookies = await browser.context.cookies(site());
    const login = cookies.find(({ name }) => name === "CF_Authorization");
    expect(login).toMatchObject({ domain: SITE, path: "/", httpOnly: true, secure: true, sameSite: "Lax" });
  });

  test("a person has a token that Access signed, and Immich sees nothing of it", async () => {
    const cookies = await browser.context.cookies(site());
    const token = cookies.find(({ name }) => name === "CF_Authorization")?.value ?? "";
    const certs = await world.visit("/cdn-cgi/access/certs", undefined, DEV.teamDomain);
    const { payload } = await jwtVerify(token, createLocalJWKSet(JSON.parse(certs.body) as JSONWebKeySet), {
      issuer: `https://${DEV.teamDomain}`,
      audience: outputs.audience,
      algorithms: ["RS256"],
    });
    expect(payload["email"]).toBe(FRIEND);
    await page.goto(site("api/debug/request"));
    const seen = await textOf(page);
    expect(seen).toContain("X-Forwarded-For");
    expect(seen).not.toContain(token);
  });

  test("a person has to log in again after a logout", async () => {
    await page.goto(site("cdn-cgi/access/logout"));
    await page.getByRole("heading", { name: "Logged out" }).waitFor();
    await page.goto(site());
    expect(new URL(page.url()).hostname).toBe(DEV.teamDomain);
    await page.getByLabel("Email").waitFor();
  });
});

describe("a phone", () => {
  /** How long the websocket is silent. */
  const IDLE_MS = 15_000;
  let socket: WebSocket;
  let silentSince: number;

  beforeAll(async () => {
    socket = await openWebsocket(world.sandbox, SITE, phone);
    expect(await echo(socket, "first")).toBe("first");
    silentSince = Date.now();
  });
  afterAll(() => socket.terminate());

  test("a phone uploads 64 MB, which pass the host without touching its disk", async () => {
    const file = randomFile(64);
    try {
      const before = await look(world.sandbox);
      const uploading = upload(world.sandbox, SITE, phone, file.path, 8);
      const samples = await lookUntil(world.sandbox, uploading);
      const { status, body, began, ended } = await uploading;
      expect({ status, body: JSON.parse(body) as unknown }).toMatchObject({
        status: 201,
        body: { sha256: file.sha256, bytes: file.bytes },
      });

      // What was collected first would come at the end and all at once.
      const partial = samples.filter(({ uploads, received }) => uploads > before.uploads && received < file.bytes);
      expect(new Set(partial.map(({ received }) => received)).size).toBeGreaterThan(3);
      const half = partial.filter(({ at }) => at < (began + ended) / 2).map(({ received }) => received);
      expect(Math.max(...half)).toBeGreaterThan(file.bytes / 8);

      expect(Math.max(...samples.map(({ temporary }) => temporary))).toBe(0);
      // Services may leave a small note in the meantime.
      expect(Math.max(...samples.map(({ disk }) => disk)) - before.disk).toBeLessThan(65_536);
    } finally {
      file.remove();
    }
  });

  test("the edge refuses a phone's upload of 101 MB as too large", async () => {
    const file = emptyFile(101);
    try {
      const before = await look(world.sandbox);
      const { status } = await upload(world.sandbox, SITE, phone, file.path);
      expect(status).toBe(413);
      expect((await look(world.sandbox)).uploads).toBe(before.uploads);
    } finally {
      file.remove();
    }
  });

  test("a phone opens new connections while nginx reloads, and every request is answered", async () => {
    const load = startLoad(world.sandbox, SITE, phone);
    const answered = async (more: number) => {
      const wanted = (await pings(world.sandbox)) + more;
      await expect.poll(() => pings(world.sandbox), { timeout: 60_000, interval: 100 }).toBeGreaterThan(wanted);
    };
    let counts: Record<string, number>;
    try {
      for (let reloads = 0; reloads < 3; reloads += 1) {
        await answered(40);
        await reloadNginx(world.sandbox);
      }
      await answered(40);
    } finally {
      counts = await load.stop();
    }
    expect(Object.keys(counts)).toEqual(["200/0"]);
    expect(counts["200/0"]).toBeGreaterThan(160);
  });

  test("a phone keeps its websocket through 15 s of silence and a reload of nginx", async () => {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, silentSince + IDLE_MS - Date.now())));
    expect(await echo(socket, "after silence")).toBe("after silence");
    const before = await workers(world.sandbox);
    await reloadNginx(world.sandbox);
    expect(await echo(socket, "after a reload")).toBe("after a reload");
    // The worker that has the websocket goes on until it ends.
    const kept = (await workers(world.sandbox)).filter((pid) => before.includes(pid));
    expect(kept).not.toEqual([]);
  });

  test("a phone opens no websocket without its headers, nor with wrong ones", async () => {
    await expect(openWebsocket(world.sandbox, SITE)).rejects.toThrow("302");
    const wrong = { ...phone, clientSecret: "wrong" };
    await expect(openWebsocket(world.sandbox, SITE, wrong)).rejects.toThrow("401");
  });
});

// Last, because the attacks change Cloudflare's state.
describe("an attack", () => {
  let results: Results;

  beforeAll(async () => {
    results = await attack(world, outputs);
  });

  test.each(ATTACKS)("attack $name: $gets", ({ name, gets, sees = {} }) => {
    const { got, logged, seen } = results.of.get(name) ?? { got: "not made", logged: [], seen: {} };
    expect({ got, logged }).toEqual({ got: gets, logged: [] });
    expect(Object.fromEntries(Object.keys(sees).map((header) => [header, seen[header]]))).toEqual(sees);
  });

  test("docs/attacks.md lists all attacks", async () => {
    await expect(page()).toMatchFileSnapshot("../../docs/attacks.md");
  });

  test("no attack reaches Immich except those that may", () => {
    expect(results.of.size).toBe(ATTACKS.length);
    expect(results.reached).toBe(ATTACKS.filter(({ sees }) => sees !== undefined).length);
  });
});

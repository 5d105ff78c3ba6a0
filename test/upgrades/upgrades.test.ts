import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Deployment, PROJECT } from "../e2e/support/deployment.ts";
import { isDefaultProvider, previewed } from "./changes.ts";
import { checkpoints, movedToToday, PASSPHRASE, readCheckpoint } from "./checkpoint.ts";
import { programs, useProgram } from "./program.ts";

// An upgrade from any released version changes nothing of a deployed stack but the agent on its hosts. A change of the
// program that moves a resource to another URN gives the resource an alias.

let deployment: Deployment;
let api: Server;
/** Requests of a preview to Cloudflare's API; there should be none. */
let asked: string[];

beforeAll(async () => {
  deployment = await Deployment.create(true, PASSPHRASE);
  api = createServer(({ method, url }, response) => {
    asked.push(`${method ?? ""} ${url ?? ""}`);
    response.writeHead(403, { "x-should-retry": "false" }).end("{}");
  });
  await once(api.listen(0, "127.0.0.1"), "listening");
});
afterAll(async () => {
  api.close();
  await deployment.dispose();
});

/** The newest version that the changelog has as released. */
const released = /^## (\S+)$/m.exec(readFileSync(join(PROJECT, "CHANGELOG.md"), "utf8"))?.[1];

test("the newest released version has checkpoints and its program, by test/upgrades/record.ts", () => {
  expect(checkpoints().map(({ version }) => version)).toContain(released);
  expect(programs()).toContain(released);
});

test.each(checkpoints())("an upgrade from $version changes nothing of a stack: $name", async ({ file }) => {
  asked = [];
  const { port } = api.address() as AddressInfo;
  const checkpoint = movedToToday(readCheckpoint(file, `http://127.0.0.1:${port}/client/v4`));
  const { recorded, encryptionSalt, config, state } = checkpoint;
  const { stack } = deployment;
  useProgram(deployment, PROJECT, recorded);
  await stack.workspace.saveStackSettings(stack.name, { encryptionSalt, config });
  await stack.importStack(state);

  const events: EngineEvent[] = [];
  await deployment.preview({ onEvent: (event) => events.push(event) });
  const { urns, unexpected } = previewed(events);
  expect(unexpected).toEqual([]);
  expect(asked).toEqual([]);
  const stored = state.deployment.resources.map(({ urn }) => urn).filter((urn) => !isDefaultProvider(urn));
  expect(urns.sort()).toEqual(stored.sort());
});

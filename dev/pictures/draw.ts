import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runCli } from "../../test/cli/support/cli.ts";
import { openBrowser } from "../../test/e2e/support/chromium.ts";
import { type Outputs, SITE, startWorld, type World } from "../../test/e2e/support/world.ts";
import { connectTo } from "../commands/connect-to.ts";
import { terminalSvg } from "./terminal-svg.ts";

const DEVICE = "annas-phone";
/** Where the picture of the card ends: after the address and both headers. Sizes of a page are in CSS pixels. */
const CARD = { width: 760, height: 900 };

/**
 * Deploys a site in a sandbox of its own and draws it into `docs/pictures` of a checkout.
 * @throws Error if an `up`, a tool or the browser fails; pictures that were drawn before stay.
 */
export async function draw(projectDir: string): Promise<void> {
  const folder = join(projectDir, "docs/pictures");
  mkdirSync(folder, { recursive: true });
  const write = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
    console.log(`Drawn: docs/pictures/${name}`);
  };
  const world = await startWorld();
  try {
    await world.deployment.up();
    // The tools colour their output where FORCE_COLOR is set, although no terminal is there.
    world.deployment.stack.workspace.envVars.FORCE_COLOR = "1";
    write("doctor.svg", await doctor(world));
    write("phone.svg", await phone(world));
    write("card.png", await card(world));
  } finally {
    await world.close();
  }
}

async function doctor({ deployment, sandbox }: World): Promise<string> {
  const args = ["--stack", "test", "--cacert", sandbox.publicCaPath, ...connectTo(sandbox, [SITE])];
  const { code, stdout, stderr } = await runCli(deployment, "doctor", args);
  if (code !== 0) throw new Error(`the doctor has found something, so there is nothing to show: ${stdout}${stderr}`);
  return terminalSvg(`$ npm run doctor\n\n${stdout}`);
}

async function phone(world: World): Promise<string> {
  const { url, devices } = await world.deployment.outputs<Outputs>();
  const path = "/api/server/ping";
  const [stranger, device] = [await world.visit(path), await world.visit(path, devices[DEVICE])];
  if (stranger.status !== 302 || device.status !== 200) {
    throw new Error(`a stranger got ${stranger.status.toString()}, and ${DEVICE} ${device.status.toString()}`);
  }
  return terminalSvg(
    [
      "# A stranger: on to the login page",
      `$ curl -s -o /dev/null -w '%{http_code}' ${url}${path}`,
      stranger.status.toString(),
      "",
      `# ${DEVICE}: on to Immich`,
      `$ curl -H "CF-Access-Client-Id: $ID" -H "CF-Access-Client-Secret: $SECRET" ${url}${path}`,
      device.body,
    ].join("\n"),
  );
}

async function card({ deployment, sandbox }: World): Promise<Uint8Array> {
  const { code, stdout, stderr } = await runCli(deployment, "card", ["--stack", "test", "--device", DEVICE]);
  const page = /^The same as a page that only you can read: (.*)$/m.exec(stdout)?.[1];
  if (code !== 0 || page === undefined) throw new Error(`the card was not written: ${stderr}`);
  const browser = await openBrowser(sandbox.publicCaPath, console.log);
  try {
    const tab = await browser.context.newPage();
    await tab.setViewportSize(CARD);
    await tab.goto(pathToFileURL(page).href);
    return await tab.screenshot();
  } finally {
    await browser.close();
  }
}

// `npm run card -- --device annas-phone`: what a person needs to connect one device.
import { isHostname } from "../../settings/network.ts";
import { optionsOf } from "../lib/choice.ts";
import { CommandError, runTool } from "../lib/command.ts";
import { DeployedStack } from "../lib/deployed-stack.ts";
import { cardOf } from "./card.ts";
import { deletePages, writePage } from "./page-file.ts";
import { cardPage } from "./page.ts";
import { cardText } from "./terminal.ts";

const CARD = {
  name: "card",
  summary: `Shows what a person needs to connect one device, and writes it as a page to .cards/, which only you can read.`,
  options: {
    device: { type: "string", value: "NAME", help: "the device: one of the setting devices" },
    site: { type: "string", value: "HOSTNAME", help: "its site, where several have a device of this name" },
    stack: { type: "string", short: "s", value: "NAME", help: "stack of the device; default: the selected one" },
    delete: { type: "boolean", default: false, help: "delete its page instead" },
  },
} as const;

await runTool(CARD, async (values) => {
  // Not looked up in the stack: the device may have been removed before its page is deleted.
  if (values.delete && !/^[a-z0-9-]+$/.test(values.device ?? ""))
    throw new CommandError("--delete needs --device with a device's name");
  if (values.site !== undefined && !isHostname(values.site)) {
    throw new CommandError("--site needs the host name of a site, like album.example.com");
  }
  const stack = await DeployedStack.open(values.stack);
  if (values.delete) {
    const { device: named = "", site } = values;
    const deleted = deletePages(process.cwd(), stack.name, named, site);
    for (const path of deleted) console.log(`Deleted ${path}`);
    if (deleted.length === 0) console.log(`There is no page for ${named}${site === undefined ? "" : ` at ${site}`}.`);
    return 0;
  }
  const [{ site, device, url, output }, rotations, home, { secretVersion }] = await Promise.all([
    stack.device(values),
    stack.rotations(),
    stack.homeAccess(),
    stack.deployed(values),
  ]);
  const secrets = { rotation: rotations(site)?.byDevice[device], deployedVersion: secretVersion };
  const card = cardOf(device, url, output, secrets, home(site));
  console.log(cardText(card, process.stdout.isTTY));
  const page = writePage(process.cwd(), stack.name, { site, device }, cardPage(card));
  console.log(`The same as a page that only you can read: ${page}`);
  console.log(`When the device works, delete it: npm run card -- ${optionsOf(values)} --delete`);
  return 0;
});

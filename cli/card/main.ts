// `npm run card -- --device annas-phone`: what a person needs to connect one device.
import { parseArgs } from "node:util";
import { cardOf } from "./card.ts";
import { CommandError, runCommand } from "../lib/command.ts";
import { DeployedStack } from "./deployed.ts";
import { deletePage, writePage } from "./page-file.ts";
import { cardPage } from "./page.ts";
import { cardText } from "./terminal.ts";

await runCommand(async () => {
  const { values } = parseArgs({
    options: { device: { type: "string" }, stack: { type: "string" }, delete: { type: "boolean", default: false } },
  });
  const { device: named = "" } = values;
  // The device may be gone from the stack by the time its page is deleted.
  if (values.delete && !/^[a-z0-9-]+$/.test(named))
    throw new CommandError("--delete needs --device with a device's name");
  const stack = await DeployedStack.open(values.stack);
  if (values.delete) {
    const deleted = deletePage(process.cwd(), stack.name, named);
    console.log(deleted === undefined ? `There is no page for ${named}.` : `Deleted ${deleted}`);
    return 0;
  }
  const [{ url, output }, rotations, deployedVersion] = await Promise.all([
    stack.device(values.device),
    stack.rotations(),
    stack.secretVersion(values.device),
  ]);
  const card = cardOf(named, url, output, { rotation: rotations[named], deployedVersion });
  console.log(cardText(card, process.stdout.isTTY));
  console.log(
    `The same as a page that only you can read: ${writePage(process.cwd(), stack.name, named, cardPage(card))}`,
  );
  console.log(`When the device works, delete it: npm run card -- --device ${named} --delete`);
  return 0;
});

// `npm run configure`: asks for a stack's settings, tries them, and writes them.
import * as clack from "@clack/prompts";
import { CommandError, runTool } from "../lib/command.ts";
import { configure } from "./configure.ts";
import { Cancelled, Dialogue } from "./dialogue.ts";
import { CONFIGURE } from "./options.ts";
import { ConfigStack } from "./stack.ts";

/** Exit status by which shells report a program that Ctrl-C ended. */
const CANCELLED = 130;
/** Exit status when the terminal has gone, as shells have it for SIGHUP. */
const HANGUP = 129;

await runTool(CONFIGURE, async (flags) => {
  const token = process.env["CLOUDFLARE_API_TOKEN"] || undefined;
  const dialogue = new Dialogue({ ...flags, "api-token": token }, process.stdin.isTTY && process.stdout.isTTY);
  // Ctrl-C while something is examined, and a terminal that goes, end the process as well.
  process.once("exit", () => {
    dialogue.takeBack();
  });
  process.once("SIGHUP", () => process.exit(HANGUP));
  try {
    return await run(dialogue, flags.stack);
  } catch (error) {
    dialogue.takeBack();
    if (!(error instanceof Cancelled)) throw error;
    clack.cancel("Nothing has been written.");
    return CANCELLED;
  }
});

async function run(dialogue: Dialogue, name: string | undefined): Promise<number> {
  const stack = await ConfigStack.open(name);
  if (dialogue.interactive) clack.intro(`Settings of the stack ${stack.name}`);
  if (stack.needsPassphrase) await unlock(dialogue, stack);
  const present = await stack.settings();
  const { plain, secret, removed, adoption, tasks } = await configure(dialogue, present, await stack.resourceIds());
  await dialogue.during("Writing the settings", stack.write(plain, secret, removed));
  dialogue.settle();
  dialogue.say(`Pulumi.${stack.name}.yaml has all settings, its secrets encrypted.`);
  if (adoption) {
    // Imported only when needed, because loading it takes as long as all else together.
    const { adopt } = await import("./adopt.ts");
    await dialogue.during("Importing existing resources", adopt(stack, adoption));
    dialogue.say("The existing resources are part of the stack now; none of them has changed yet.");
  }
  for (const task of tasks) dialogue.warn(`Before pulumi up: ${task}`);
  const next = `npx pulumi up --stack ${stack.name}`;
  if (dialogue.interactive) clack.outro(`Next: ${next}`);
  else console.log(`Next: ${next}`);
  return 0;
}

async function unlock(dialogue: Dialogue, stack: ConfigStack): Promise<void> {
  if (!dialogue.interactive) {
    throw new CommandError(
      "the stack's secrets are encrypted with a passphrase: set PULUMI_CONFIG_PASSPHRASE_FILE to a file with it",
    );
  }
  const passphrase = await dialogue.secret(
    stack.hasSecrets ? "Passphrase of the stack's secrets" : "New passphrase for the stack's secrets; keep it",
  );
  if (!stack.hasSecrets && (await dialogue.secret("Repeat the passphrase")) !== passphrase) {
    throw new CommandError("the two passphrases differ; nothing has been written");
  }
  stack.unlock(passphrase);
}

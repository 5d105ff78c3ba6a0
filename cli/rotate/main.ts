// `npm run rotate -- --device annas-phone --grace 7d`: a new secret for one device, while the old one still works.
import { optionsOf } from "../lib/choice.ts";
import { CommandError, runTool } from "../lib/command.ts";
import { DeployedStack } from "../lib/deployed-stack.ts";
import { graceMilliseconds, nextRotation } from "./plan.ts";

const ROTATE = {
  name: "rotate",
  summary: `Gives one device a new secret, while its present one still works for a time: sets deviceRotations and runs
pulumi up.`,
  options: {
    device: { type: "string", value: "NAME", help: "the device: one of the setting devices" },
    site: { type: "string", value: "HOSTNAME", help: "its site, where several have a device of this name" },
    grace: {
      type: "string",
      value: "TIME",
      default: "7d",
      help: "how long the present secret still works, 1h to 30d",
    },
    stack: { type: "string", short: "s", value: "NAME", help: "stack of the device; default: the selected one" },
    force: { type: "boolean", default: false, help: "rotate although the secret before the present one still works" },
    yes: { type: "boolean", short: "y", default: false, help: "run pulumi up without a preview and without asking" },
    "no-up": { type: "boolean", default: false, help: "only set it, and leave pulumi up to you" },
  },
} as const;

await runTool(ROTATE, async (values) => {
  const grace = graceMilliseconds(values.grace);
  const stack = await DeployedStack.open(values.stack);
  const [{ site, device, secretVersion }, rotations] = await Promise.all([stack.deployed(values), stack.rotations()]);
  const configured = rotations(site);
  if (!configured) throw new CommandError(`the settings of ${stack.name} have no site ${site}: run pulumi up first`);
  const rotation = nextRotation({
    device,
    configured: configured.byDevice[device],
    deployedVersion: secretVersion,
    grace,
    now: new Date(),
    force: values.force,
  });
  await stack.rotate(configured.path, device, rotation);
  const until = rotation.previousSecretExpiresAt;
  if (values["no-up"]) {
    console.log(
      `Set in the configuration of ${stack.name}. The secret changes with the next pulumi up; the present one`,
    );
    console.log(`then works until ${until}.`);
    return 0;
  }
  const code = await stack.up(values.yes);
  if (code !== 0) {
    throw new CommandError("pulumi up failed; see its output above. Run the same command again");
  }
  console.log(`${device} has a new secret. The one before works until ${until}; until then, put the new one into it:`);
  console.log(`npm run card -- ${optionsOf(values)}`);
  return 0;
});

// `npm run rotate -- --device annas-phone --grace 7d`: a new secret for one device, while the old one still works.
import { parseArgs } from "node:util";
import { optionsOf } from "../lib/choice.ts";
import { CommandError, runCommand } from "../lib/command.ts";
import { DeployedStack } from "../lib/deployed-stack.ts";
import { graceMilliseconds, nextRotation } from "./plan.ts";

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      device: { type: "string" },
      site: { type: "string" },
      grace: { type: "string", default: "7d" },
      stack: { type: "string" },
      force: { type: "boolean", default: false },
      yes: { type: "boolean", default: false },
      "no-up": { type: "boolean", default: false },
    },
  });
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
    throw new CommandError("pulumi up did not go through; its own words stand above. Run the same command again");
  }
  console.log(`${device} has a new secret. The one before works until ${until}; until then, put the new one into it:`);
  console.log(`npm run card -- ${optionsOf(values)}`);
  return 0;
});

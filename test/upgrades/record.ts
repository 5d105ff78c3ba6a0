// Records a version, its program and the stacks that come of it: node dev/commands/bootstrap.mjs test/upgrades/record.ts 0.2.0
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { command, report, UsageError } from "../../dev/commands/terminal.ts";
import { Deployment } from "../e2e/support/deployment.ts";
import { SECOND_ORIGIN, startSecondHost, type SecondHost } from "../e2e/support/second-host.ts";
import { SHARES, startWorld, type World } from "../e2e/support/world.ts";
import { API_URL, type Checkpoint, folderOf, PASSPHRASE, plainSettings, type State } from "./checkpoint.ts";
import { packProgram } from "./program.ts";

type Settings = Readonly<Record<string, unknown>>;

/** What each checkpoint has beside the settings of a test's world. */
function variants({ sandbox }: World, second: SecondHost): Readonly<Record<string, Settings>> {
  const { ipv4 } = sandbox.origin;
  const immichUpstream = "127.0.0.1:2283";
  return {
    "one-site": {},
    "three-sites-two-hosts": {
      originAddresses: [ipv4],
      moreHosts: [{ ...second.settings, originAddresses: [SECOND_ORIGIN.ipv4, SECOND_ORIGIN.ipv6] }],
      moreSites: [
        { hostname: "album.home.localhost", immichUpstream, emails: ["bert@example.com"], devices: ["berts-phone"] },
        { hostname: "film.home.localhost", immichUpstream, emailDomains: ["example.net"] },
      ],
    },
    "public-shares": { publicShareHostname: SHARES },
    "zone-origin-pulls": { originPulls: "zone" },
    "shared-origin-pulls": {
      originPulls: "shared",
      originPullsCa: readFileSync(join(dirname(sandbox.publicCaPath), "shared-pull-ca.pem"), "utf8"),
    },
  };
}

/** Pinned, so that a preview asks nobody; the sandbox's edge pulls from the first range of each family. */
const ipRanges = ["173.245.48.0/20", "2400:cb00::/32"];

/** Puts documentation addresses in the place of those that the machine gave the sandbox. */
function withoutMachine({ sandbox }: World, second: SecondHost): (text: string) => string {
  const replacements: [string, string][] = [
    [sandbox.apiUrl, API_URL],
    [sandbox.sshTarget.host, "192.0.2.10"],
    [second.settings.sshAddress, "192.0.2.20"],
  ];
  const whole = (text: string) => new RegExp(`(?<![\\d.])${text.replaceAll(".", "\\.")}(?![\\d.])`, "g");
  return (text) => replacements.reduce((all, [from, to]) => all.replaceAll(whole(from), to), text);
}

/**
 * Takes off what no preview compares: where in which checkout a resource was declared and when, and what the steps on a
 * host read, which is different in every version and most of a state.
 */
function trim({ deployment }: State): void {
  for (const resource of deployment.resources) {
    for (const key of ["created", "modified", "sourcePosition", "stackTrace"]) Reflect.deleteProperty(resource, key);
    for (const bag of [resource.inputs, resource.outputs]) {
      const stdin = bag?.["stdin"] as { plaintext: string } | undefined;
      if (stdin) stdin.plaintext = JSON.stringify("");
    }
  }
}

/** Deploys the program with these settings, keeps the checkpoint, and takes everything away again. */
async function record(world: World, settings: Settings, clean: (text: string) => string): Promise<Checkpoint> {
  const deployed = await world.anotherStack({ ipRanges, ...settings });
  const recorded = new Date().toISOString();
  await deployed.up();
  const { stack } = deployed;
  const state = JSON.parse(clean(JSON.stringify(await stack.exportStack()))) as State;
  trim(state);
  const { config = {} } = await stack.workspace.stackSettings(stack.name);
  await deployed.destroy();

  // Another stack encrypts it anew, with the passphrase that the test knows.
  const kept = await Deployment.create(true, PASSPHRASE);
  try {
    await kept.configure(plainSettings(JSON.parse(clean(JSON.stringify(config))) as Settings), {
      apiToken: world.sandbox.token,
      sshPrivateKey: world.sandbox.sshTarget.privateKey,
    });
    const { encryptionSalt = "", config: encrypted = {} } = await kept.stack.workspace.stackSettings(kept.stack.name);
    Object.assign(state.deployment, {
      secrets_providers: { type: "passphrase", state: { salt: encryptionSalt } },
    });
    await kept.stack.importStack(state);
    return { recorded, encryptionSalt, config: encrypted, state: JSON.parse(await kept.exportState()) as State };
  } finally {
    await kept.dispose();
  }
}

const usage = `usage: node dev/commands/bootstrap.mjs test/upgrades/record.ts VERSION

Deploys the program of this checkout on the hosts of its own sandbox, and saves the program and the resulting states under
test/upgrades/checkpoints/VERSION/. Run it as root at a release, on the commit that gives package.json its new version, and
commit what it writes. It takes about five minutes.`;

await command({ usage, words: { what: "version" } }, async ([version = "", ...others]) => {
  if (!/^\d+\.\d+\.\d+$/.test(version) || others.length > 0) throw new UsageError("name one version, such as 0.2.0");
  mkdirSync(folderOf(version), { recursive: true });
  await packProgram(version);
  const world = await startWorld();
  try {
    await recordAll(world, folderOf(version));
  } finally {
    await world.close();
  }
  return 0;
});

async function recordAll(world: World, folder: string): Promise<void> {
  const second = await startSecondHost(world);
  try {
    for (const [name, settings] of Object.entries(variants(world, second))) {
      report(`Deploying ${name} (usually 40 s)`);
      const checkpoint = await record(world, settings, withoutMachine(world, second));
      writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(checkpoint, undefined, 1)}\n`);
    }
  } finally {
    await second.close();
  }
}

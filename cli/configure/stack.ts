import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { CommandError } from "../lib/command.ts";
import { defaultSettings, settingsPrefix } from "../lib/project.ts";
import { capture, settingTexts } from "../lib/pulumi.ts";

/** Settings by key; lists as JSON. */
export type Texts = Readonly<Record<string, string>>;

/** A stack that may not exist yet, accessed through the Pulumi CLI on the PATH. */
export class ConfigStack {
  public readonly name: string;
  public exists: boolean;
  /** Whether its secrets are encrypted by a passphrase that is not known yet. */
  public readonly needsPassphrase: boolean;
  private passphrase: string | undefined;

  private constructor(name: string, exists: boolean, needsPassphrase: boolean) {
    this.name = name;
    this.exists = exists;
    this.needsPassphrase = needsPassphrase;
  }

  /**
   * @param name the stack; by default the one that is selected, else `home`
   * @throws CommandError if the CLI is not logged in
   */
  public static async open(name?: string): Promise<ConfigStack> {
    const { url } = JSON.parse(await capture(["whoami", "--json"]).catch(notLoggedIn)) as { url: string };
    const stacks = JSON.parse(await capture(["stack", "ls", "--json"])) as { name: string; current: boolean }[];
    const chosen = name ?? stacks.find(({ current }) => current)?.name ?? "home";
    const told = "PULUMI_CONFIG_PASSPHRASE" in process.env || "PULUMI_CONFIG_PASSPHRASE_FILE" in process.env;
    const { secretsprovider } = stackFile(chosen);
    const byPassphrase = secretsprovider === undefined ? !/^https?:/.test(url) : secretsprovider === "passphrase";
    return new ConfigStack(
      chosen,
      stacks.some((stack) => stack.name === chosen),
      byPassphrase && !told,
    );
  }

  /** Whether it has secrets, which cannot be read without its passphrase. */
  public get hasSecrets(): boolean {
    return stackFile(this.name).encryptionsalt !== undefined;
  }

  /** Sets the passphrase for this run. It is passed to the CLI in the environment only. */
  public unlock(passphrase: string): void {
    this.passphrase = passphrase;
  }

  /** The environment that the CLI needs for the stack. */
  public get env(): NodeJS.ProcessEnv {
    return this.passphrase === undefined ? {} : { PULUMI_CONFIG_PASSPHRASE: this.passphrase };
  }

  /** Its settings, with secrets in the clear and with the defaults of Pulumi.yaml. */
  public async settings(): Promise<Texts> {
    if (!this.exists) return defaultSettings();
    return settingTexts(await this.run(["config", "--json", "--show-secrets"]));
  }

  /** The ids of its resources, which distinguish them from others' at Cloudflare. */
  public async resourceIds(): Promise<ReadonlySet<string>> {
    if (!this.exists) return new Set();
    const { deployment } = JSON.parse(await this.run(["stack", "export"])) as {
      deployment: { resources?: { id?: string }[] };
    };
    return new Set((deployment.resources ?? []).flatMap(({ id }) => id ?? []));
  }

  /** Writes settings and removes others; creates the stack if it does not exist. The CLI encrypts the secrets. */
  public async write(plain: Texts, secret: Texts, removed: readonly string[]): Promise<void> {
    if (!this.exists) {
      await this.run(["stack", "init"]);
      this.exists = true;
    }
    const prefix = settingsPrefix();
    const entries = Object.entries(plain).map(([key, value]) => [prefix + key, entry(value)] as const);
    if (entries.length > 0)
      await this.run(["config", "set-all", "--json", JSON.stringify(Object.fromEntries(entries))]);
    for (const [key, value] of Object.entries(secret)) {
      await this.run(["config", "set", "--secret", prefix + key], value);
    }
    for (const key of removed) await this.run(["config", "rm", prefix + key]);
  }

  private run(args: readonly string[], input = ""): Promise<string> {
    return capture([...args, "--stack", this.name], { input, env: this.env });
  }
}

/** As `pulumi config --json` shows a value: a list also as what it is. */
const entry = (value: string) =>
  /^[[{]/.test(value) ? { value, objectValue: JSON.parse(value) as unknown, secret: false } : { value, secret: false };

interface StackFile {
  secretsprovider?: string;
  encryptionsalt?: string;
}

function stackFile(name: string): StackFile {
  const file = `Pulumi.${name.split("/").at(-1) ?? name}.yaml`;
  return existsSync(file) ? ((parse(readFileSync(file, "utf8")) as StackFile | null) ?? {}) : {};
}

function notLoggedIn(error: unknown): never {
  if (!(error instanceof CommandError) || !/log ?in|PULUMI_ACCESS_TOKEN/i.test(error.message)) throw error;
  throw new CommandError(
    "pulumi does not know where to keep the state: run `npx pulumi login`, or `npx pulumi login --local` to keep it " +
      "on this machine",
  );
}

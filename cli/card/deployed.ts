import { spawn } from "node:child_process";
import { CommandError } from "../lib/command.ts";
import { capture, settingTexts } from "../lib/pulumi.ts";
import type { DeviceOutput, Rotation } from "./card.ts";

/** What a stack's outputs have for devices. */
interface Outputs {
  url: string;
  devices: Readonly<Record<string, DeviceOutput>>;
}

/** An exported stack, as far as it is looked at here. */
interface Exported {
  deployment: { resources?: { type: string; urn: string; inputs?: { clientSecretVersion?: number } }[] };
}

const SERVICE_TOKEN = "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken";

/** A stack of the project in the working directory, by way of the Pulumi CLI on the PATH. */
export class DeployedStack {
  public readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /**
   * @param name the stack; by default the one that is selected.
   * @throws CommandError if there is none, or no CLI.
   */
  public static async open(name?: string): Promise<DeployedStack> {
    return new DeployedStack(name ?? (await capture(["stack", "--show-name"])).trim());
  }

  /**
   * The credentials of a device, with the site's address.
   * @throws CommandError that names the devices which there are.
   */
  public async device(name: string | undefined): Promise<{ url: string; output: DeviceOutput }> {
    const outputs = JSON.parse(await this.run("stack", "output", "--json", "--show-secrets")) as Partial<Outputs>;
    const { url, devices = {} } = outputs;
    const output = devices[this.chosen(name, Object.keys(devices))];
    if (url !== undefined && output !== undefined) return { url, output };
    throw new CommandError(`the outputs of the stack ${this.name} are incomplete: run pulumi up`);
  }

  /** The setting `deviceRotations`. */
  public async rotations(): Promise<Readonly<Record<string, Rotation>>> {
    const { deviceRotations = "{}" } = settingTexts(await this.run("config", "--json"));
    return JSON.parse(deviceRotations) as Record<string, Rotation>;
  }

  /**
   * Version of a device's secret as it was last deployed.
   * @throws CommandError that names the devices which there are.
   */
  public async secretVersion(name: string | undefined): Promise<number> {
    const { deployment } = JSON.parse(await this.run("stack", "export")) as Exported;
    const versions = (deployment.resources ?? []).flatMap(({ type, urn, inputs }): [string, number][] =>
      type === SERVICE_TOKEN ? [[urn.replace(/^.*-access-token-/, ""), inputs?.clientSecretVersion ?? 1]] : [],
    );
    const byDevice = Object.fromEntries(versions);
    return byDevice[this.chosen(name, Object.keys(byDevice))] ?? 1;
  }

  /** Sets a device's entry of `deviceRotations`. */
  public async rotate(device: string, { secretVersion, previousSecretExpiresAt }: Rotation): Promise<void> {
    const path = `deviceRotations["${device}"]`;
    const values = [
      `${path}.secretVersion=${secretVersion.toString()}`,
      `${path}.previousSecretExpiresAt=${previousSecretExpiresAt}`,
    ];
    await this.run("config", "set-all", "--path", ...values.flatMap((value) => ["--plaintext", value]));
  }

  /** Runs `pulumi up` on this terminal, with a preview and a question unless `yes`. Resolves to its exit status. */
  public up(yes: boolean): Promise<number> {
    const args = ["up", "--stack", this.name, "--suppress-outputs", ...(yes ? ["--yes", "--skip-preview"] : [])];
    const child = spawn("pulumi", args, { stdio: "inherit" });
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (code) => {
        resolve(code ?? 1);
      });
    });
  }

  private chosen(name: string | undefined, there: readonly string[]): string {
    if (name !== undefined && there.includes(name)) return name;
    const problem = name === undefined ? "--device is missing" : `there is no device ${name}`;
    throw new CommandError(`${problem}; the stack ${this.name} has ${there.join(", ") || "none yet"}`);
  }

  private run(...args: string[]): Promise<string> {
    return capture([...args, "--stack", this.name]);
  }
}

import { spawn } from "node:child_process";
import type { AccessApplicationArgs } from "../../components/access-application.ts";
import { ACCESS_APPLICATION, serviceTokenName } from "../../components/token-names.ts";
import { chooseDevice, type SiteDevice, type DeviceOptions } from "./choice.ts";
import type { DeviceOutput, Outputs } from "./outputs.ts";
import { capture, settingTexts } from "./pulumi.ts";
import { pulumiCommand } from "./pulumi-command.ts";

/** How the home networks reach a site's Immich on the main host. */
export interface HomeAccess {
  homeNetworks: readonly string[];
  /** The host's address for SSH. */
  sshAddress: string;
  /** Where nginx on the host finds Immich, `address:port`. */
  immichUpstream: string;
}

/** The setting `deviceRotations` of one device. */
export interface Rotation {
  secretVersion: number;
  previousSecretExpiresAt: string;
}

/** A site's `deviceRotations` and their path in the configuration. */
export interface Rotations {
  path: string;
  byDevice: Readonly<Record<string, Rotation>>;
}

/** A device with the last deployed version of its secret. */
export type DeployedDevice = SiteDevice & { secretVersion: number };

/** The parts of an exported resource that are read here. */
interface Exported {
  type: string;
  urn: string;
  parent?: string;
  inputs?: Readonly<Record<string, unknown>>;
  /** Whether it has been replaced and is still to be deleted. */
  delete?: boolean;
}

const SERVICE_TOKEN = "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken";

/** A stack of the project in the working directory, accessed through the Pulumi CLI on the PATH. */
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
   * The credentials of a device, with its site's address.
   * @throws CommandError that names the devices which there are.
   */
  public async device(wanted: DeviceOptions): Promise<SiteDevice & { url: string; output: DeviceOutput }> {
    const outputs = JSON.parse(await this.run("stack", "output", "--json", "--show-secrets")) as Partial<Outputs>;
    const { moreSites = {}, ...main } = outputs;
    const sites = [main, ...Object.values(moreSites)].flatMap(({ url, devices = {} }) =>
      url === undefined ? [] : [{ url, devices }],
    );
    const all = sites.flatMap(({ url, devices }) =>
      Object.entries(devices).map(([device, output]) => ({ site: new URL(url).hostname, device, url, output })),
    );
    return chooseDevice(this.name, all, wanted);
  }

  /** The configured rotations of a site's devices; `undefined` if the settings have no such site. */
  public async rotations(): Promise<(site: string) => Rotations | undefined> {
    const texts = settingTexts(await this.run("config", "--json"));
    const { hostname, deviceRotations = "{}", moreSites = "[]" } = texts;
    const further = JSON.parse(moreSites) as { hostname?: string; deviceRotations?: Rotations["byDevice"] }[];
    return (site) => {
      if (site === hostname) {
        return { path: "deviceRotations", byDevice: JSON.parse(deviceRotations) as Rotations["byDevice"] };
      }
      const place = further.findIndex((one) => one.hostname === site);
      if (place < 0) return undefined;
      return {
        path: `moreSites[${place.toString()}].deviceRotations`,
        byDevice: further[place]?.deviceRotations ?? {},
      };
    };
  }

  /** How the main host's home networks reach each site; `undefined` if the settings have no such site. */
  public async homeAccess(): Promise<(site: string) => HomeAccess | undefined> {
    const texts = settingTexts(await this.run("config", "--json"));
    const { hostname = "", immichUpstream = "", sshAddress = "", homeNetworks = "[]", moreSites = "[]" } = texts;
    const networks = JSON.parse(homeNetworks) as string[];
    const further = JSON.parse(moreSites) as { hostname?: string; immichUpstream?: string }[];
    return (site) => {
      const found = [{ hostname, immichUpstream }, ...further].find((one) => one.hostname === site);
      return found && { homeNetworks: networks, sshAddress, immichUpstream: found.immichUpstream ?? "" };
    };
  }

  /**
   * The device as it was last deployed.
   * @throws CommandError that names the devices which there are.
   */
  public async deployed(wanted: DeviceOptions): Promise<DeployedDevice> {
    const { deployment } = JSON.parse(await this.run("stack", "export")) as { deployment: { resources?: Exported[] } };
    return chooseDevice(this.name, devicesInState(deployment.resources ?? []), wanted);
  }

  /** Sets a device's entry of the rotations at `path`. */
  public async rotate(path: string, device: string, rotation: Rotation): Promise<void> {
    const entry = `${path}["${device}"]`;
    const values = [
      `${entry}.secretVersion=${rotation.secretVersion.toString()}`,
      `${entry}.previousSecretExpiresAt=${rotation.previousSecretExpiresAt}`,
    ];
    await this.run("config", "set-all", "--path", ...values.flatMap((value) => ["--plaintext", value]));
  }

  /** Runs `pulumi up` on this terminal, with a preview and a question unless `yes`. Resolves to its exit status. */
  public up(yes: boolean): Promise<number> {
    const args = ["up", "--stack", this.name, "--suppress-outputs", ...(yes ? ["--yes", "--skip-preview"] : [])];
    const { file, first } = pulumiCommand();
    const child = spawn(file, [...first, ...args], { stdio: "inherit" });
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (code) => {
        resolve(code ?? 1);
      });
    });
  }

  private run(...args: string[]): Promise<string> {
    return capture([...args, "--stack", this.name]);
  }
}

/** The devices of all sites that have a token, from the inputs of each site's component. */
export function devicesInState(resources: readonly Exported[]): DeployedDevice[] {
  const tokens = resources.filter((resource) => resource.type === SERVICE_TOKEN && !resource.delete);
  const sites = resources.filter((resource) => resource.type === ACCESS_APPLICATION);
  return sites.flatMap(({ urn, inputs = {} }) => {
    const { hostname: site = "", devices = [] } = inputs as Partial<AccessApplicationArgs>;
    return devices.flatMap((device): DeployedDevice[] => {
      const name = serviceTokenName(site, device);
      const token = tokens.find((one) => one.parent === urn && one.inputs?.["name"] === name);
      return token ? [{ site, device, secretVersion: Number(token.inputs?.["clientSecretVersion"] ?? 1) }] : [];
    });
  });
}

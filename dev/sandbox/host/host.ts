// The sandbox's Linux host: boots it, ends it, runs commands on it.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SandboxError } from "../error.ts";
import { commandAt, managementAddress, resetHostNetwork } from "../network/network.ts";
import { startTime } from "../processes.ts";
import { run, type RunOptions } from "../run.ts";
import type { CommandResult } from "../sandbox.ts";

/** More than all stages of up.sh may take together, so that up.sh times out first and cleans up. */
const BOOT_MS = 300_000;
/** The same for down.sh. */
const HALT_MS = 120_000;

export interface HostOptions {
  /** Number of the sandbox, whose networks must be there. */
  number: number;
  /** Folder for the host's keys and its disk. */
  folder: string;
  /** The layer from layer.ts. */
  layer: string;
  /** PEM file of a CA for the host to trust. Default: none. */
  ca?: string | undefined;
}

export interface SshOptions extends RunOptions {
  /** root, or one of the host's other users: `deploy` may use sudo, `nosudo` may not. Default: root. */
  user?: "root" | "deploy" | "nosudo";
  /** Default: the host's address in the network that only this machine shares. */
  address?: string;
  /** Default: 22. */
  port?: number;
  /** Whether to connect on the host itself, over loopback. Default: no. */
  onHost?: boolean;
}

/** One host, running or not. What it is told is kept on its disk. */
export class Host {
  /** Address for SSH. */
  public readonly address: string;
  private readonly options: HostOptions;

  public constructor(options: HostOptions) {
    this.options = options;
    this.address = managementAddress(options.number);
  }

  /** Boots the host and waits until systemd is up and sshd answers, usually 2 s. */
  public async boot(): Promise<void> {
    const { number, folder, layer, ca } = this.options;
    const args = [String(number), folder, layer, ...(ca ? [ca] : [])];
    const { code, stderr } = await this.script("up.sh", args, { timeout: BOOT_MS });
    if (code !== 0) {
      // The boot's error matters more than one of this clean-up; giving the number back ends the host again.
      await this.halt().catch(() => undefined);
      throw new SandboxError(stderr.trim().split("\n").at(-1) ?? "the sandbox host did not come up");
    }
    writeFileSync(this.knownHosts, `${this.address} ${this.hostKey}\n`, { mode: 0o600 });
  }

  /** Ends the host as a power failure would; its disk stays. Throws SandboxError if something of it goes on. */
  public async halt(): Promise<void> {
    const args = [String(this.options.number), this.options.folder];
    const { code, stderr } = await this.script("down.sh", args, { timeout: HALT_MS });
    if (code !== 0) throw new SandboxError(stderr.trim() || `the sandbox host cannot be ended: code ${code}`);
  }

  /** Power failure and boot: what was not on disk is gone, among it the firewall in the kernel. */
  public async reboot(): Promise<void> {
    await this.halt();
    await resetHostNetwork(this.options.number);
    await this.boot();
  }

  /** Ends the host for good: unmounts a disk that had to be in memory, and keeps one that is in the folder. */
  public async park(): Promise<void> {
    await this.halt();
    await run(["umount", "-q", join(this.options.folder, "disk")]);
  }

  /** The process id of the host's systemd on this machine, or undefined when the host does not run. */
  public get pid(): number | undefined {
    try {
      const [pid, started] = readFileSync(join(this.options.folder, "pid"), "utf8").trim().split(" ");
      return startTime(Number(pid)) === started ? Number(pid) : undefined;
    } catch {
      return undefined;
    }
  }

  /** The host's public key, `<type> <base64>`. It is another one exactly when the disk is another one. */
  public get hostKey(): string {
    return readFileSync(join(this.options.folder, "host_key.pub"), "utf8").trim().split(" ").slice(0, 2).join(" ");
  }

  /** Path of the private key that root, deploy and nosudo accept. */
  public get keyFile(): string {
    return join(this.options.folder, "key");
  }

  /** Runs a command line on the host over SSH, through the user's login shell. */
  public ssh(
    command: string,
    {
      user = "root",
      onHost = false,
      address = onHost ? "127.0.0.1" : this.address,
      port = 22,
      ...options
    }: SshOptions = {},
  ): Promise<CommandResult> {
    const settings = [
      "BatchMode=yes",
      // Limit for the key exchange, which takes seconds on a busy machine.
      "ConnectTimeout=30",
      `HostKeyAlias=${this.address}`,
      "IdentitiesOnly=yes",
      // The quickest one: most of a login's time is the exchange of keys.
      "KexAlgorithms=curve25519-sha256",
      "LogLevel=ERROR",
      "StrictHostKeyChecking=yes",
      `UserKnownHostsFile=${this.knownHosts}`,
    ].flatMap((setting) => ["-o", setting]);
    const target = ["-p", String(port), "-l", user, address];
    const login = ["ssh", "-F", "none", "-i", this.keyFile, ...settings, ...target, command];
    return run(onHost ? commandAt(this.options.number, "host", login) : login, options);
  }

  /** Runs a command on the host as root, past SSH and the firewall. */
  public inside(command: readonly string[], options?: RunOptions): Promise<CommandResult> {
    const { pid } = this;
    if (pid === undefined) throw new SandboxError("the sandbox host does not run");
    const clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"];
    const enter = ["nsenter", "-t", String(pid), "-m", "-n", "-p", "-u", "-i", "-C", "-r", "-w", "--"];
    return run([...enter, ...clean, ...command], options);
  }

  /** Whether the host runs and has ever been booted with the disk that it has now. */
  public get running(): boolean {
    return this.pid !== undefined && existsSync(this.knownHosts);
  }

  private get knownHosts(): string {
    return join(this.options.folder, "known_hosts");
  }

  private script(name: string, args: readonly string[], options?: RunOptions): Promise<CommandResult> {
    return run(["bash", join(import.meta.dirname, name), ...args], options);
  }
}

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agentCommand, agentInput, type AgentSource } from "../../components/origin-host/agent.ts";
import { readAnswer } from "../../components/origin-host/answer.ts";
import type { StepName } from "../../components/origin-host/payload.ts";
import { Host, type SshOptions } from "../../dev/sandbox/host/host.ts";
import { hostLayer, type LayerOptions } from "../../dev/sandbox/host/layer.ts";
import { installImmich } from "../../dev/sandbox/immich/install.ts";
import { removeClaimed } from "../../dev/sandbox/lifecycle.ts";
import { addLan, makeNetwork, type Place, runAt } from "../../dev/sandbox/network/network.ts";
import { numbers, ownProcess, type Claim } from "../../dev/sandbox/numbers.ts";
import type { RunOptions } from "../../dev/sandbox/run.ts";
import type { CommandResult } from "../../dev/sandbox/sandbox.ts";
import { payloadFor, type Told } from "./payloads.ts";

/** Checkouts count from 1, test hosts from here. */
const FIRST_NUMBER = 101;

/** Which agent runs a step. */
interface StepAgent {
  /** Default: the step brings it. */
  source?: AgentSource | undefined;
  /** Default: host/'s. */
  archive?: string | undefined;
}

/** What a step of the host agent reads. */
export const stepInput = (step: string, told: Told, { source, archive }: StepAgent = {}): string =>
  agentInput({ revision: REVISION, payload: payloadFor(step, told) }, source, archive);

const REVISION = 7;

/** The result of a step. */
export interface StepResult {
  code: number;
  /** What a person reads: its line, or why it failed. */
  said: string;
  /** What the program reads: after a success the step's answer, which matches its schema; else whatever it has printed. */
  answer: unknown;
}

/** A real host with networks of its own, for one test file. */
export class TestHost {
  /** In the names of the namespaces, `ia<number>-…`. */
  public readonly number: number;
  /** Address for SSH. */
  public readonly address: string;
  /** Where the host lies on this machine. */
  public readonly folder: string;
  private readonly host: Host;
  private readonly claim: Claim;

  public constructor(host: Host, claim: Claim) {
    this.host = host;
    this.claim = claim;
    this.number = claim.number;
    this.folder = claim.hostFolder;
    this.address = host.address;
  }

  /** Runs a step of the host agent as the program does: over SSH, with its request on standard input. */
  public async step(
    step: string,
    told: Told,
    { source, archive, ...options }: Omit<SshOptions, "input"> & StepAgent = {},
  ): Promise<StepResult> {
    const input = stepInput(step, told, { source, archive });
    const { code, stdout, stderr } = await this.host.ssh(agentCommand(step), { timeout: 100_000, ...options, input });
    if (code !== 0) return { code, said: stderr, answer: stdout };
    const answer = readAnswer(step as StepName, stdout);
    if (answer.revision !== REVISION) throw new Error(`${step} has answered with the revision ${answer.revision}`);
    return { code, said: stderr, answer };
  }

  /** Runs a command line over SSH; as root unless told otherwise. */
  public ssh(command: string, options?: SshOptions): Promise<CommandResult> {
    return this.host.ssh(command, options);
  }

  /** Runs a shell command line on the host as root, past SSH and the firewall. */
  public inside(command: string, options?: RunOptions): Promise<CommandResult> {
    return this.host.inside(["sh", "-c", command], options);
  }

  /** A unit's whole log, after journald has written what a unit that just ended has printed. `options` are journalctl's. */
  public async journal(unit: string, options = ""): Promise<string> {
    return (await this.inside(`journalctl --sync; journalctl -q -o cat -u ${unit} ${options}`)).stdout;
  }

  /** Runs a shell command line of this machine from Cloudflare's place in the networks. */
  public fromEdge(command: string): Promise<CommandResult> {
    return runAt(this.number, "edge", ["sh", "-c", command]);
  }

  /** Runs a shell command line of this machine from a stranger's place in the networks. */
  public fromStranger(command: string, options?: RunOptions): Promise<CommandResult> {
    return runAt(this.number, "out", ["sh", "-c", command], options);
  }

  /** Runs a shell command line of this machine at any place in the networks. */
  public from(place: Place, command: string, options?: RunOptions): Promise<CommandResult> {
    return runAt(this.number, place, ["sh", "-c", command], options);
  }

  /** Has the small Immich run there, as on a sandbox's own host. */
  public installImmich(): Promise<void> {
    return installImmich(this.host);
  }

  /** Power failure and boot: files stay, everything in memory and in the kernel is gone. */
  public reboot(): Promise<void> {
    return this.host.reboot();
  }

  /**
   * Removes the host and its networks, and keeps the number: nobody else can have it, so anything with it in its name was
   * left behind by this host.
   */
  public async takeDown(): Promise<void> {
    await numbers.holding(this.claim, () => removeClaimed(this.claim));
  }

  /** Removes the host and its networks, and gives the number back. */
  public close(): Promise<void> {
    return numbers.giveBack(this.claim, removeClaimed);
  }
}

export interface TestHostOptions extends LayerOptions {
  /** PEM file of a CA for the host to trust. Default: none. */
  ca?: string;
  /** Whether the host is on a network at home, too, with a neighbour. Default: no. */
  lan?: boolean;
}

const report = (line: string) => {
  console.error(line);
};

/** Fetches what hosts are made of, if it is not there yet, so that no test spends its time on it. See hostLayer. */
export function prepareTestHosts({ release, engine }: LayerOptions = {}): Promise<string> {
  return hostLayer(report, { release, engine });
}

/**
 * Boots a fresh host (usually 2 s; 30 s more when its packages must be fetched first). Close it at the end; one whose
 * process was killed is removed when the next one starts.
 */
export async function startTestHost({ ca, lan = false, ...options }: TestHostOptions = {}): Promise<TestHost> {
  const layer = await prepareTestHosts(options);
  await numbers.sweep(removeClaimed, report);
  const hostFolder = mkdtempSync(join(tmpdir(), "immich-access-host-"));
  const claim = numbers.claim(FIRST_NUMBER, { hostFolder, owner: ownProcess() });
  const host = new Host({ number: claim.number, folder: hostFolder, layer, ca });
  try {
    await makeNetwork(claim.number);
    if (lan) await addLan(claim.number);
    await host.boot();
  } catch (error) {
    await numbers.giveBack(claim, removeClaimed);
    throw error;
  }
  return new TestHost(host, claim);
}

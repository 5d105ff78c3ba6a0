// Whether a deployment's secrets stay where they belong: in the encrypted state, in files of mode 0600, in memory.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { PYTHON } from "../../support/python.ts";
import { tracesOf } from "./traces.ts";
import type { Outputs, World } from "./world.ts";

/** A secret that was found where it must not be. */
export interface Leak {
  /** What kind of place it is. */
  place: "arguments" | "environment" | "file" | "wide file" | "output";
  /** Which file, variable or command. */
  where: string;
  /** Name of the secret. */
  secret: string;
}

/** Of an exported state, with its secrets in the clear. */
interface State {
  resources: { urn: string; outputs?: Record<string, unknown> }[];
}

interface Answer {
  found: Leak[];
  /** How often it was looked, and the longest time in which it was not, in seconds. */
  samples: number;
  gap: number;
}

/** Longer than a busy machine keeps a process waiting; a longer gap in the watch fails the test. */
const GAP_SECONDS = 5;
const PROGRAM = join(import.meta.dirname, "secrets.py");

const PASSPHRASE_VARIABLE = "PULUMI_CONFIG_PASSPHRASE";
/**
 * Pulumi's own ways: that of a person to tell the passphrase, and that of the language host to tell a program its
 * settings. The kernel shows a process's variables to nobody but its user and root.
 */
const PULUMIS_OWN: Readonly<Record<string, string>> = {
  passphrase: PASSPHRASE_VARIABLE,
  "API token": "PULUMI_CONFIG",
  "SSH key": "PULUMI_CONFIG",
};
const isPulumisOwn = ({ place, where, secret }: Leak) =>
  place === "environment" && where.startsWith(`${PULUMIS_OWN[secret] ?? ""} of `);

/** Searches for a world's secrets outside their places, as long as the world exists. */
export class SecretWatch {
  private readonly world: World;
  private readonly since = Date.now() / 1000;
  private readonly secrets = new Map<string, string>();
  private readonly watcher: ChildProcessByStdio<Writable, Readable, null>;
  private readonly answers: Interface;

  /** Begins to watch; every secret that is there later has to be learned, before it is replaced. */
  public constructor(world: World) {
    this.world = world;
    const folders = [world.deployment.folder, world.stateDir];
    this.watcher = spawn(PYTHON, ["-IB", PROGRAM, ...folders], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.answers = createInterface(this.watcher.stdout);
    this.learn("API token", world.sandbox.token);
    this.learn("SSH key", world.sandbox.sshTarget.privateKey);
    this.learn("passphrase", world.deployment.stack.workspace.envVars[PASSPHRASE_VARIABLE] ?? "");
  }

  /** Learns a secret. Another one of the same name is one more. */
  public learn(name: string, secret: string): void {
    if ([...this.secrets.values()].includes(secret)) return;
    let own = name;
    for (let version = 2; this.secrets.has(own); version += 1) own = `${name} (${version.toString()})`;
    this.secrets.set(own, secret);
  }

  /** Learns the secrets of the devices as they are now. */
  public learnDevices({ devices }: Outputs): void {
    for (const [name, { clientSecret }] of Object.entries(devices))
      this.learn(`client secret of ${name}`, clientSecret);
  }

  /** Learns every key that is in the stack's state. */
  public async learnKeys(): Promise<void> {
    const { deployment } = (await this.world.deployment.stack.exportStack()) as { deployment: State };
    for (const { urn, outputs } of deployment.resources) {
      for (const [property, value] of Object.entries(outputs ?? {})) {
        const { plaintext = "null" } = (value ?? {}) as { plaintext?: string };
        const text: unknown = JSON.parse(plaintext);
        if (typeof text !== "string" || !text.startsWith("-----BEGIN ")) continue;
        this.learn(`${property} of ${urn.split("::").at(-1) ?? ""}`, text);
      }
    }
  }

  /** What has been learned so far, by name. */
  public get known(): ReadonlyMap<string, string> {
    return this.secrets;
  }

  /**
   * Where secrets have been seen so far, or are to be seen now, that must not be there.
   * @throws Error if nobody has watched for a while.
   */
  public async leaks(): Promise<Leak[]> {
    const needles = [...this.secrets].flatMap(([name, secret]) => tracesOf(secret).map((text) => [name, text]));
    const { deployment, sandbox, stateDir } = this.world;
    const { workDir, envVars } = deployment.stack.workspace;
    const question = { needles, since: this.since, commands: [] };
    const [here, there] = await Promise.all([
      this.ask({
        ...question,
        everywhere: [
          ...[join(deployment.folder, "backend"), workDir],
          ...[join(stateDir, "sandbox/logs"), join(stateDir, "sandbox/api/requests.jsonl")],
        ],
        wide: [deployment.folder, stateDir, envVars["PULUMI_HOME"] ?? ""],
      }),
      sandbox.runOnHost([PYTHON, "-IB", "-c", readFileSync(PROGRAM, "utf8")], {
        input: `${JSON.stringify({
          ...question,
          everywhere: ["/var/log"],
          wide: ["/etc", "/var", "/usr/local", "/run", "/tmp", "/dev/shm", "/root", "/home", "/opt", "/srv"],
          commands: [["journalctl", "-q", "-o", "export"]],
        })}\n`,
      }),
    ]);
    if (here.gap > GAP_SECONDS) throw new Error(`nobody watched for ${here.gap.toString()} s`);
    if (there.code !== 0) throw new Error(`the host was not searched: ${there.stderr}`);
    const { found } = JSON.parse(there.stdout) as Answer;
    return [
      ...here.found.filter((leak) => !isPulumisOwn(leak)),
      ...found.map((leak) => ({ ...leak, where: `${leak.where} on the host` })),
      ...this.printed(needles as [string, string][]),
    ];
  }

  /** Ends the watch. */
  public async stop(): Promise<void> {
    const closed = once(this.watcher, "close");
    this.watcher.stdin.end();
    await closed;
  }

  private printed(needles: readonly [name: string, text: string][]): Leak[] {
    const { transcript } = this.world.deployment;
    const names = new Set(needles.filter(([, text]) => transcript.includes(text)).map(([name]) => name));
    return [...names].map((secret) => ({ place: "output", where: "pulumi", secret }));
  }

  private async ask(question: object): Promise<Answer> {
    const answer = once(this.answers, "line");
    this.watcher.stdin.write(`${JSON.stringify(question)}\n`);
    const [line] = (await answer) as [string];
    return JSON.parse(line) as Answer;
  }
}

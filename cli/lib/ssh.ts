// The tools' connections to the host over SSH.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type ClientChannel } from "ssh2";
import { agentCommand, agentInput } from "../../components/origin-host/agent.ts";
import { type Answer, readAnswer } from "../../components/origin-host/answer.ts";
import { checkedPayload, type Payload } from "../../components/origin-host/payload.ts";
import { agentProblem, agentSocket } from "../../components/origin-host/ssh-login.ts";
import { printable } from "../../components/origin-host/printable.ts";
import type { SettingsValues } from "../../settings/schema.ts";
import type { JumpHost } from "../../settings/topology.ts";

/** Milliseconds to wait for the login and for the answer: enough for a busy host. */
const LOGIN_MS = 6000;
const ANSWER_MS = 25_000;

/** `ufw limit` refuses an address for 30 s after its sixth connection within 30 s. */
const LIMIT_MS = 35_000;

/**
 * Tries to connect; if the host refuses, says so and tries once more when `ufw limit`, which may be why, has ended.
 *
 * @param where the host, for the line
 */
export async function patiently<T>(where: string, attempt: () => Promise<T>, wait = LIMIT_MS): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("ECONNREFUSED")) throw error;
    console.error(
      `${where} refuses the connection; a rule of ufw limit does so for 30 s after six of them: waiting for ${(wait / 1000).toString()} s`,
    );
    await sleep(wait);
    return attempt();
  }
}

/** The settings with which the deployment itself logs in to the host. */
export type Connection = Pick<SettingsValues, "sshAddress" | "sshPort" | "sshUser" | "sshHostKey" | "sshJump"> & Login;

/** The settings that choose the key. */
export type Login = Pick<SettingsValues, "sshAgent" | "sshPrivateKey" | "sshPrivateKeyPassphrase">;

/**
 * Runs a read-only step of the agent over one SSH connection. It does not install Python on a host that lacks it.
 *
 * @param payload is sent on standard input; it must not contain secrets
 * @throws Error with a one-line reason if there is no answer
 */
export async function askAgent<S extends "doctor" | "survey">(
  connection: Connection,
  step: S,
  payload: Payload<S>,
): Promise<Answer<S>> {
  const problem = connection.sshAgent ? await agentProblem(agentSocket()) : undefined;
  if (problem !== undefined) throw new Error(problem);
  const command = `${NEEDS_PYTHON} && ${agentCommand(step)}`;
  const input = agentInput({ revision: 0, payload: checkedPayload(step, payload) });
  const where = `${connection.sshAddress}:${connection.sshPort.toString()}`;
  const { code, stdout, stderr } = await patiently(where, () => execute(connection, command, input));
  if (code === 0) return readAnswer(step, stdout);
  throw new Error(whyNoAnswer(code, stdout, stderr));
}

/** Says so where there is no Python, as a forced command or a login script that ends by itself would not. */
const NEEDS_PYTHON = `sh -c 'test -x /usr/bin/python3 || { echo "immich-access: /usr/bin/python3 is missing" >&2; exit 1; }'`;

/** Why a login has ended without an answer, in the host's own words. */
export function whyNoAnswer(code: number, stdout: string, stderr: string): string {
  const said = lastLine(stderr) ?? lastLine(stdout);
  if (said?.startsWith("immich-access: ")) return `the host says: ${said.slice("immich-access: ".length)}`;
  const words = said === undefined ? "without a word" : `with the words ${JSON.stringify(said)}`;
  return `the login has ended with status ${code.toString()} ${words}; see what \`ssh\` prints as that user`;
}

/** The last line of a program's output that says something, fit to be printed. */
const lastLine = (output: string): string | undefined =>
  output
    .split("\n")
    .map((line) => printable(line).trim())
    .findLast((line) => line !== "")
    ?.slice(0, 300);

/** The types of host key that the program pins, in order of preference. */
const HOST_KEYS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"] as const;

/**
 * The public key that a host presents, `<type> <base64>`. It is not verified.
 *
 * @param via the jump host that leads there, and the login on it
 * @throws Error with a one-line reason if there is none
 */
export async function shownHostKey(
  host: string,
  port: number,
  via?: { jump: JumpHost; login: Login },
): Promise<string> {
  const where = `${host}:${port.toString()}`;
  if (!via) return patiently(where, () => keyOf(where, { host, port }));
  const jump = await logIn(via.jump, via.login);
  try {
    return await keyOf(where, { sock: await channelTo({ address: host, port }, jump, via.jump) });
  } finally {
    jump.end();
  }
}

function keyOf(where: string, way: { host: string; port: number } | { sock: ClientChannel }): Promise<string> {
  const client = new Client();
  return new Promise((resolve, reject) => {
    client.on("error", ({ message }) => {
      const none = /no matching host key/.test(message);
      reject(new Error(`${where}: ${none ? "the host has neither an ed25519 nor an ecdsa key" : message}`));
    });
    client.connect({
      ...way,
      username: "root",
      readyTimeout: LOGIN_MS,
      algorithms: { serverHostKey: [...HOST_KEYS] },
      hostVerifier: (key: Buffer) => {
        const type = key.subarray(4, 4 + key.readUInt32BE(0)).toString();
        resolve(`${type} ${key.toString("base64")}`);
        return false;
      },
    });
  });
}

/** The fingerprint of a public key `<type> <base64>`, in OpenSSH's form. */
export function fingerprint(key: string): string {
  const blob = Buffer.from(key.split(" ")[1] ?? "", "base64");
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** Messages of ssh2, and their meanings here. */
const MEANINGS: readonly (readonly [said: RegExp, means: string])[] = [
  [/Host denied/, "it shows another host key than the stack's sshHostKey"],
  [/no matching host key/, "it has no host key of the kind of the stack's sshHostKey"],
  [/authentication methods failed/, "it does not take the stack's sshPrivateKey, or none of the SSH agent's keys"],
  [/Timed out/, "no answer in time"],
  [
    /ECONNREFUSED/,
    "it refuses the connection (ECONNREFUSED): nothing listens on that port, or a rule of `ufw limit` is blocking this machine",
  ],
];

/** Runs a command over one SSH connection, through the jump host if there is one. */
async function execute(connection: Connection, command: string, input: string) {
  const { sshAddress: address, sshPort: port, sshUser: user, sshHostKey: hostKey, sshJump } = connection;
  const host = { address, port, user, hostKey };
  if (!sshJump) return runOver(await logIn(host, connection), host, command, input);
  const jump = await logIn(sshJump, connection);
  try {
    return await runOver(await logIn(host, connection, await channelTo(host, jump, sshJump)), host, command, input);
  } finally {
    jump.end();
  }
}

const nameOf = ({ user, address, port }: Omit<JumpHost, "hostKey">): string => `${user}@${address}:${port.toString()}`;

/** @param sock the way there; default: a connection of its own */
function logIn(host: JumpHost, login: Login, sock?: ClientChannel): Promise<Client> {
  const [type = "", pinned = ""] = host.hostKey.split(" ");
  const client = new Client();
  return new Promise((resolve, reject) => {
    const fail = (text: string) => {
      client.destroy();
      reject(new Error(`${nameOf(host)}: ${text}`));
    };
    client.on("error", ({ message }) => {
      fail(MEANINGS.find(([said]) => said.test(message))?.[1] ?? message);
    });
    client.on("ready", () => {
      resolve(client);
    });
    try {
      client.connect({
        ...(sock ? { sock } : { host: host.address, port: host.port }),
        username: host.user,
        ...authentication(login),
        readyTimeout: LOGIN_MS,
        // Makes the server present the pinned key and not another one that it also has.
        algorithms: { serverHostKey: [type as "ssh-ed25519"] },
        hostVerifier: (key: Buffer) => key.equals(Buffer.from(pinned, "base64")),
      });
    } catch {
      // The error's own message could quote the key.
      fail("the stack's sshPrivateKey cannot be used");
    }
  });
}

/** A way from the jump host to another one. */
function channelTo(
  { address, port }: { address: string; port: number },
  jump: Client,
  via: JumpHost,
): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    jump.forwardOut("127.0.0.1", 0, address, port, (error, channel) => {
      if (error) reject(new Error(`${nameOf(via)} does not get to ${address}:${port.toString()}: ${error.message}`));
      else resolve(channel);
    });
  });
}

function runOver(client: Client, host: JumpHost, command: string, input: string) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve, reject) => {
    const fail = (text: string) => {
      clearTimeout(timer);
      client.destroy();
      reject(new Error(`${nameOf(host)}: ${text}`));
    };
    const timer = setTimeout(() => {
      fail(`no answer within ${(ANSWER_MS / 1000).toString()} s`);
    }, ANSWER_MS);
    client.on("error", ({ message }) => {
      fail(message);
    });
    client.exec(command, (error, channel) => {
      if (error) {
        fail(error.message);
        return;
      }
      let [stdout, stderr] = ["", ""];
      channel.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
      channel.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
      channel.on("close", (code: number | null) => {
        clearTimeout(timer);
        client.end();
        resolve({ code: code ?? 1, stdout, stderr });
      });
      channel.end(input);
    });
  });
}

/** What ssh2 logs in with. */
function authentication({ sshAgent, sshPrivateKey, sshPrivateKeyPassphrase }: Login) {
  if (sshAgent) return { agent: agentSocket() };
  return {
    privateKey: sshPrivateKey,
    ...(sshPrivateKeyPassphrase !== "" && { passphrase: sshPrivateKeyPassphrase }),
  };
}

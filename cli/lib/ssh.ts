// The tools' connections to the host over SSH.
import { createHash } from "node:crypto";
import { Client } from "ssh2";
import { agentCommand, agentInput } from "../../components/origin-host/agent.ts";
import { type Answer, readAnswer } from "../../components/origin-host/answer.ts";
import { checkedPayload, type Payload } from "../../components/origin-host/payload.ts";
import type { SettingsValues } from "../../settings/schema.ts";

/** Milliseconds to wait for the login and for the answer: enough for a busy host. */
const LOGIN_MS = 6000;
const ANSWER_MS = 25_000;

/** The settings with which the deployment itself logs in to the host. */
export type Connection = Pick<SettingsValues, "sshAddress" | "sshPort" | "sshUser" | "sshPrivateKey" | "sshHostKey">;

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
  const command = `test -x /usr/bin/python3 && ${agentCommand(step)}`;
  const input = agentInput({ revision: 0, payload: checkedPayload(step, payload) });
  const { code, stdout, stderr } = await execute(connection, command, input);
  if (code === 0) return readAnswer(step, stdout);
  const said = stderr
    .trim()
    .split("\n")
    .at(-1)
    ?.replace(/^immich-access: /, "");
  throw new Error(said ? `the host says: ${said}` : "/usr/bin/python3 is missing on the host");
}

/** The types of host key that the program pins, in order of preference. */
const HOST_KEYS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"] as const;

/**
 * The public key that a host presents, `<type> <base64>`. It is not verified.
 *
 * @throws Error with a one-line reason if there is none
 */
export function shownHostKey(host: string, port: number): Promise<string> {
  const client = new Client();
  return new Promise((resolve, reject) => {
    client.on("error", ({ message }) => {
      const none = /no matching host key/.test(message);
      reject(
        new Error(`${host}:${port.toString()}: ${none ? "the host has neither an ed25519 nor an ecdsa key" : message}`),
      );
    });
    client.connect({
      host,
      port,
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
  [/authentication methods failed/, "it does not take the stack's sshPrivateKey"],
  [/Timed out/, "no answer in time"],
];

function execute(connection: Connection, command: string, input: string) {
  const { sshAddress: host, sshPort: port, sshUser: username, sshPrivateKey: privateKey, sshHostKey } = connection;
  const [type = "", pinned = ""] = sshHostKey.split(" ");
  const client = new Client();
  const where = `${username}@${host}:${port.toString()}`;
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve, reject) => {
    const fail = (text: string) => {
      clearTimeout(timer);
      client.destroy();
      reject(new Error(`${where}: ${text}`));
    };
    const timer = setTimeout(() => {
      fail(`no answer within ${(ANSWER_MS / 1000).toString()} s`);
    }, ANSWER_MS);
    client.on("error", ({ message }) => {
      fail(MEANINGS.find(([said]) => said.test(message))?.[1] ?? message);
    });
    client.on("ready", () => {
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
    try {
      client.connect({
        host,
        port,
        username,
        privateKey,
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

import { Client } from "ssh2";
import type { SettingsValues } from "../../settings/schema.ts";
import { type HostPayload, type HostReport, hostStep, readReport } from "./host.ts";

/** Milliseconds until the host must have let us in, and until it must have answered: much for one that is busy. */
const LOGIN_MS = 6000;
const ANSWER_MS = 25_000;

type Connection = Pick<SettingsValues, "sshAddress" | "sshPort" | "sshUser" | "sshPrivateKey" | "sshHostKey">;

/**
 * Has the agent look at the host, over one SSH connection.
 *
 * @throws Error with one line about why it could not
 */
export async function askHost(connection: Connection, payload: HostPayload): Promise<HostReport> {
  const { command, input } = hostStep(payload);
  const { code, stdout, stderr } = await execute(connection, command, input);
  if (code !== 0) {
    const said = stderr
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^immich-access: /, "");
    throw new Error(said ? `the host says: ${said}` : "/usr/bin/python3 is missing on the host");
  }
  try {
    // The host's own login scripts may have said something before.
    return readReport(stdout.trim().split("\n").at(-1) ?? "");
  } catch {
    throw new Error("the host's answer cannot be read");
  }
}

/** What ssh2 says, and what that means here. */
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
        ...{ host, port, username, privateKey },
        readyTimeout: LOGIN_MS,
        // The server shall show the key that is pinned, not another one that it also has.
        algorithms: { serverHostKey: [type as "ssh-ed25519"] },
        hostVerifier: (key: Buffer) => key.equals(Buffer.from(pinned, "base64")),
      });
    } catch {
      // Its words could quote the key.
      fail("the stack's sshPrivateKey cannot be used");
    }
  });
}

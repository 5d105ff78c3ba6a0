// Runs one command line over an SSH connection.
import { StringDecoder } from "node:string_decoder";
import type { Client, ClientChannel } from "ssh2";

/** What a command left behind. */
export interface Output {
  /** Without the last line break. */
  stdout: string;
  stderr: string;
}

/** Which lines are shown while the command runs. */
export type Logging = "stdout" | "stderr" | "stdoutAndStderr" | "none";

/** Hands over whole lines; the rest when there is no more. */
function byLine(line: (text: string) => void): { push(text: string): void; end(): void } {
  let rest = "";
  return {
    push(text) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      lines.forEach(line);
    },
    end() {
      if (rest !== "") line(rest);
      rest = "";
    },
  };
}

function open(client: Client, command: string, environment: Record<string, string>): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.exec(command, { env: environment }, (error, channel) => (error ? reject(error) : resolve(channel)));
  });
}

/**
 * Runs `command` with the login shell of the user.
 * @param options.environment is offered to the server, which may ignore it.
 * @param options.show gets each line that `logging` lets through.
 * @throws Error with how it ended, the command line and everything it printed, however little is logged.
 */
export async function run(
  client: Client,
  command: string,
  options: {
    stdin: string;
    environment: Record<string, string>;
    logging: Logging;
    show: (line: string) => void;
    signal: AbortSignal;
  },
): Promise<Output> {
  const { logging, signal } = options;
  const parts = { stdout: "", stderr: "", both: "" };
  const close = () => client.destroy();
  signal.addEventListener("abort", close, { once: true });

  const collect = (channel: ClientChannel, name: "stdout" | "stderr") => {
    const stream = name === "stdout" ? channel : channel.stderr;
    const decoder = new StringDecoder("utf8");
    const lines = byLine(logging === "stdoutAndStderr" || logging === name ? options.show : () => undefined);
    const take = (text: string) => {
      parts[name] += text;
      parts.both += text;
      lines.push(text);
    };
    stream.on("data", (chunk: Buffer) => take(decoder.write(chunk)));
    channel.on("close", () => {
      take(decoder.end());
      lines.end();
    });
  };

  try {
    const channel = await open(client, command, options.environment);
    const ended = await new Promise<string | undefined>((resolve) => {
      let outcome: string | undefined = "wait: remote command exited without exit status or exit signal";
      collect(channel, "stdout");
      collect(channel, "stderr");
      channel.on("exit", (code: number | null, signalName?: string) => {
        if (code === 0) outcome = undefined;
        else if (code !== null) outcome = `Process exited with status ${code}`;
        else outcome = `Process exited from signal ${signalName?.replace(/^SIG/, "")}`;
      });
      channel.on("close", () => resolve(outcome));
      client.on("error", (error) => (outcome = error.message));
      channel.on("error", () => undefined); // a command may end before it has read all of its input
      channel.end(options.stdin);
    });
    signal.throwIfAborted();
    if (ended !== undefined) throw new Error(`${ended}: running ${JSON.stringify(command)}:\n${parts.both}`);
  } finally {
    signal.removeEventListener("abort", close);
  }
  return { stdout: parts.stdout.replace(/\n$/, ""), stderr: parts.stderr.replace(/\n$/, "") };
}

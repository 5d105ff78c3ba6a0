// Runs one command line over an SSH connection.
import type { Client, ClientChannel } from "ssh2";
import { type Logging, type Output, Transcript } from "./transcript.ts";

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
  const { signal } = options;
  const transcript = new Transcript(options.logging, options.show);
  const close = () => client.destroy();
  signal.addEventListener("abort", close, { once: true });

  try {
    const channel = await open(client, command, options.environment);
    const ended = await new Promise<string | undefined>((resolve) => {
      let outcome: string | undefined = "wait: remote command exited without exit status or exit signal";
      const streams = [transcript.collect("stdout", channel), transcript.collect("stderr", channel.stderr)];
      channel.on("exit", (code: number | null, signalName?: string) => {
        if (code === 0) outcome = undefined;
        else if (code !== null) outcome = `Process exited with status ${code}`;
        else outcome = `Process exited from signal ${signalName?.replace(/^SIG/, "")}`;
      });
      channel.on("close", () => {
        for (const stream of streams) stream.ended();
        resolve(outcome);
      });
      client.on("error", (error) => (outcome = error.message));
      channel.on("error", () => undefined); // a command may end before it has read all of its input
      channel.end(options.stdin);
    });
    signal.throwIfAborted();
    if (ended !== undefined) throw new Error(`${ended}: running ${JSON.stringify(command)}:\n${transcript.both}`);
  } finally {
    signal.removeEventListener("abort", close);
  }
  return transcript.output;
}

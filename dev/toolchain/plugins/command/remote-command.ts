// command:remote:Command
import type { Resource } from "../sdk/plugin.ts";
import type { Failure } from "../sdk/shape.ts";
import type { Values } from "../sdk/values.ts";
import { checkConnection, connectionType, dial } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { commandInputs, commandResource, type Execute } from "./lifecycle.ts";
import { run } from "./session.ts";
import type { Logging } from "./transcript.ts";

// `environment` is left out on purpose: the library cannot tell whether the server took it, and taking it is a must.
const inputs = {
  ...commandInputs,
  connection: { type: connectionType, required: true },
  triggers: { type: ["any"] },
} as const;

/** Runs `command` with the connection and the input of `values`, where an earlier run's output may be, too. */
const execute: Execute = async (command, values, { signal, log }) => {
  const client = await dial(values.connection as unknown as Connection, signal, (message) =>
    log("info", message, true),
  );
  try {
    const previous: Record<string, string> = {};
    if (values.addPreviousOutputInEnv !== false) {
      if (values.stdout) previous.PULUMI_COMMAND_STDOUT = values.stdout as string;
      if (values.stderr) previous.PULUMI_COMMAND_STDERR = values.stderr as string;
    }
    return await run(client, command, {
      stdin: (values.stdin as string | undefined) ?? "",
      environment: previous,
      logging: (values.logging as Logging | undefined) ?? "stdoutAndStderr",
      show: (line) => log("info", line, true),
      signal,
    });
  } finally {
    client.end();
  }
};

/** A command line that runs on a host when it is created, changed and deleted. */
export const remoteCommand: Resource<unknown> = {
  ...commandResource(inputs, new Set(["triggers"]), execute),
  secrets: ["connection"],

  check({ connection }): Failure[] {
    return typeof connection === "object" && connection !== null ? checkConnection(connection as Values) : [];
  },
};

// command:remote:Command
import { randomBytes } from "node:crypto";
import { difference } from "../sdk/diff.ts";
import type { Context, Resource } from "../sdk/plugin.ts";
import type { Failure, Property } from "../sdk/shape.ts";
import { unknown } from "../sdk/values.ts";
import type { Values } from "../sdk/values.ts";
import { checkConnection, connectionType, dial } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { run } from "./session.ts";
import type { Logging } from "./transcript.ts";

// `environment` is left out on purpose: the library cannot tell whether the server took it, and taking it is a must.
const inputs = {
  addPreviousOutputInEnv: { type: "boolean" },
  connection: { type: connectionType, required: true },
  create: { type: "string" },
  delete: { type: "string" },
  logging: { type: "string", oneOf: ["stdout", "stderr", "stdoutAndStderr", "none"] },
  stdin: { type: "string" },
  triggers: { type: ["any"] },
  update: { type: "string" },
} as const satisfies Record<string, Property>;

/** The urn's last part: the resource's name. */
const nameOf = (urn: string) => urn.split("::").slice(3).join("::");

/** Runs `command` with the connection and the input of `values`, where an earlier run's output may be, too. */
async function execute(command: string, values: Values, { signal, log }: Context): Promise<Values> {
  const client = await dial(values.connection as unknown as Connection, signal, (message) =>
    log("info", message, true),
  );
  try {
    const previous: Record<string, string> = {};
    if (values.addPreviousOutputInEnv !== false) {
      if (values.stdout) previous.PULUMI_COMMAND_STDOUT = values.stdout as string;
      if (values.stderr) previous.PULUMI_COMMAND_STDERR = values.stderr as string;
    }
    return {
      ...(await run(client, command, {
        stdin: (values.stdin as string | undefined) ?? "",
        environment: previous,
        logging: (values.logging as Logging | undefined) ?? "stdoutAndStderr",
        show: (line) => log("info", line, true),
        signal,
      })),
    };
  } finally {
    client.end();
  }
}

/** A command line that runs on a host when it is created, changed and deleted. */
export const remoteCommand: Resource<unknown> = {
  inputs,
  secrets: ["connection"],

  check({ connection }): Failure[] {
    return typeof connection === "object" && connection !== null ? checkConnection(connection as Values) : [];
  },

  diff: ({ state }, wanted) => difference(state, wanted, Object.keys(inputs), new Set(["triggers"])),

  plan(wanted, existing) {
    const runs = existing ? (wanted.update ?? wanted.create) : wanted.create;
    const { stdout = "", stderr = "" } = existing?.state ?? {};
    return { ...wanted, ...(runs === undefined ? { stdout, stderr } : { stdout: unknown, stderr: unknown }) };
  },

  async create(_client, wanted, context) {
    const output =
      wanted.create === undefined
        ? { stdout: "", stderr: "" }
        : await execute(wanted.create as string, wanted, context);
    return { id: nameOf(context.urn) + randomBytes(4).toString("hex"), state: { ...wanted, ...output } };
  },

  async update(_client, { state }, wanted, context) {
    const { stdout = "", stderr = "" } = state;
    const values: Values = { ...wanted, stdout, stderr };
    const command = wanted.update ?? wanted.create;
    return command === undefined ? values : { ...values, ...(await execute(command as string, values, context)) };
  },

  async delete(_client, { state }, context) {
    if (state.delete !== undefined) await execute(state.delete as string, state, context);
  },
};

// What command:local:Command and command:remote:Command have in common: when their command lines run.
import { randomBytes } from "node:crypto";
import { difference } from "../sdk/diff.ts";
import type { Context, Resource } from "../sdk/plugin.ts";
import type { Property } from "../sdk/shape.ts";
import { unknown } from "../sdk/values.ts";
import type { Values } from "../sdk/values.ts";
import type { Output } from "./transcript.ts";

/** Inputs that both have. */
export const commandInputs = {
  addPreviousOutputInEnv: { type: "boolean" },
  create: { type: "string" },
  delete: { type: "string" },
  logging: { type: "string", oneOf: ["stdout", "stderr", "stdoutAndStderr", "none"] },
  stdin: { type: "string" },
  update: { type: "string" },
} as const satisfies Record<string, Property>;

/** Runs a command line with the inputs of `values`, where an earlier run's output may be, too. */
export type Execute = (command: string, values: Values, context: Context) => Promise<Output>;

/** The urn's last part: the resource's name. */
const nameOf = (urn: string) => urn.split("::").slice(3).join("::");

/**
 * A resource whose command lines run when it is created, changed and deleted.
 * @param inputs all that it takes
 * @param replacing the inputs whose change replaces it
 */
export function commandResource(
  inputs: Readonly<Record<string, Property>>,
  replacing: ReadonlySet<string>,
  execute: Execute,
): Omit<Resource<unknown>, "secrets"> {
  return {
    inputs,

    diff: ({ state }, wanted) => difference(state, wanted, Object.keys(inputs), replacing),

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
}

// command:local:Command
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { difference } from "../sdk/diff.ts";
import type { Context, Resource } from "../sdk/plugin.ts";
import type { Property } from "../sdk/shape.ts";
import { unknown } from "../sdk/values.ts";
import type { Values } from "../sdk/values.ts";
import { type Logging, type Output, Transcript } from "./transcript.ts";

const inputs = {
  addPreviousOutputInEnv: { type: "boolean" },
  create: { type: "string" },
  delete: { type: "string" },
  logging: { type: "string", oneOf: ["stdout", "stderr", "stdoutAndStderr", "none"] },
  stdin: { type: "string" },
  update: { type: "string" },
} as const satisfies Record<string, Property>;

const nameOf = (urn: string) => urn.split("::").slice(3).join("::");

/** Runs a command line with the input of `values`. */
async function execute(command: string, values: Values, { signal, log }: Context): Promise<Output> {
  const transcript = new Transcript((values.logging as Logging | undefined) ?? "stdoutAndStderr", (line) =>
    log("info", line, true),
  );
  const child = spawn("/bin/sh", ["-c", command], {
    stdio: "pipe",
    signal,
  });
  const streams = [transcript.collect("stdout", child.stdout), transcript.collect("stderr", child.stderr)];
  child.stdin.on("error", () => undefined); // a command may end before it has read all of its input
  child.stdin.end((values.stdin as string | undefined) ?? "");
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  for (const stream of streams) stream.ended();
  if (code !== 0) throw new Error(`exit status ${code}: running ${JSON.stringify(command)}:\n${transcript.both}`);
  return transcript.output;
}

/** A command line that runs on this machine when it is created, changed and deleted. */
export const localCommand: Resource<unknown> = {
  inputs,
  secrets: [],

  diff: ({ state }, wanted) => difference(state, wanted, Object.keys(inputs), new Set()),

  plan(wanted, existing) {
    const runs = existing ? (wanted.update ?? wanted.create) : wanted.create;
    const { stdout = "", stderr = "" } = existing?.state ?? {};
    return { ...wanted, ...(runs === undefined ? { stdout, stderr } : { stdout: unknown, stderr: unknown }) };
  },

  async create(_client, wanted, context) {
    const { create } = wanted;
    const output = create === undefined ? { stdout: "", stderr: "" } : await execute(create as string, wanted, context);
    return { id: nameOf(context.urn) + randomBytes(4).toString("hex"), state: { ...wanted, ...output } };
  },

  async update(_client, { state }, wanted, context) {
    const { stdout = "", stderr = "" } = state;
    const command = wanted.update ?? wanted.create;
    return command === undefined
      ? { ...wanted, stdout, stderr }
      : { ...wanted, ...(await execute(command as string, wanted, context)) };
  },

  async delete(_client, { state }, context) {
    if (state.delete !== undefined) await execute(state.delete as string, state, context);
  },
};

// command:local:Command
import { spawn } from "node:child_process";
import type { Resource } from "../sdk/plugin.ts";
import { commandInputs, commandResource, type Execute } from "./lifecycle.ts";
import { type Logging, Transcript } from "./transcript.ts";

/** Runs a command line with the input of `values`. */
const execute: Execute = async (command, values, { signal, log }) => {
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
};

/** A command line that runs on this machine when it is created, changed and deleted. */
export const localCommand: Resource<unknown> = { ...commandResource(commandInputs, new Set(), execute), secrets: [] };

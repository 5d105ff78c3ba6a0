import { globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment as ExportedState } from "@pulumi/pulumi/automation/index.js";

/** Where checkpoints lie: a folder for each version, in it a file for each stack, and its program. */
export const CHECKPOINTS = join(import.meta.dirname, "checkpoints");

/** The folder of a version's checkpoints. */
export const folderOf = (version: string): string => join(CHECKPOINTS, version);

/** Encrypts their secrets, which opened a sandbox that is gone: searches for leaked keys shall not find them. */
export const PASSPHRASE = "upgrades";

/** Placeholder for the API's address, which a test replaces by its own. */
export const API_URL = "https://api.cloudflare.invalid/client/v4";

/** A resource in a state. */
export interface StoredResource {
  urn: string;
  type: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
}

/** A state as `pulumi stack export` writes it. */
export interface State extends ExportedState {
  deployment: { resources: StoredResource[] };
}

/** A stack that a version of the program has deployed. */
export interface Checkpoint {
  /** When it was deployed, RFC 3339: the day on which its program ran. */
  recorded: string;
  /** Salt of the key that is derived from the passphrase, for the secrets in `config`. */
  encryptionSalt: string;
  /** The stack's configuration, secrets encrypted. */
  config: Record<string, unknown>;
  /** Its state, secrets encrypted. */
  state: State;
}

/** All checkpoints: their versions, the names of their stacks, and their files. */
export const checkpoints = (): { version: string; name: string; file: string }[] =>
  readdirSync(CHECKPOINTS).flatMap((version) =>
    globSync("*.json", { cwd: folderOf(version) }).map((entry) => ({
      version,
      name: entry.replace(/\.json$/, ""),
      file: join(folderOf(version), entry),
    })),
  );

/** Reads a checkpoint. @param apiUrl the address of the API that its program is to use */
export const readCheckpoint = (file: string, apiUrl = API_URL): Checkpoint =>
  JSON.parse(readFileSync(file, "utf8").replaceAll(API_URL, apiUrl)) as Checkpoint;

const DAY = 86_400_000;

/**
 * Moves the times in a checkpoint by whole days, as if it had been recorded today. The certificates in it would be due for
 * renewal some day by the clock of the TLS plugin, and the preview would rightly replace them.
 */
export function movedToToday(checkpoint: Checkpoint): Checkpoint {
  const days = Math.floor((Date.now() - Date.parse(checkpoint.recorded)) / DAY);
  const later = (date: string) => new Date(Date.parse(date) + days * DAY).toISOString().slice(0, 10);
  const text = JSON.stringify(checkpoint).replaceAll(/\b20\d\d-\d\d-\d\d(?=[T ]\d\d:\d\d:\d\d)/g, later);
  return { ...(JSON.parse(text) as Checkpoint), recorded: checkpoint.recorded };
}

/** The settings of a configuration that are not secret, without the namespace in their names. */
export const plainSettings = (config: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(config)
      .filter(([, value]) => !(typeof value === "object" && value !== null && "secure" in value))
      .map(([key, value]) => [key.replace(/^.*:/, ""), value]),
  );

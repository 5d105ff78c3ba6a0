import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment as ExportedState } from "@pulumi/pulumi/automation/index.js";
import { renewalPeriod } from "../../components/renewal.ts";

/** Where checkpoints lie: a folder for each version, a file for each stack. */
const CHECKPOINTS = join(import.meta.dirname, "checkpoints");

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
  replacementTrigger?: unknown;
}

/** A state as `pulumi stack export` writes it. */
export interface State extends ExportedState {
  deployment: { resources: StoredResource[] };
}

/** A stack that a version of the program has deployed. */
export interface Checkpoint {
  /** When it was deployed, RFC 3339. */
  recorded: string;
  /** Salt of the key that is derived from the passphrase, for the secrets in `config`. */
  encryptionSalt: string;
  /** The stack's configuration, secrets encrypted. */
  config: Record<string, unknown>;
  /** Its state, secrets encrypted. */
  state: State;
}

/** All checkpoints: their versions, the names of their stacks, and their files. */
export function checkpoints(): { version: string; name: string; file: string }[] {
  return readdirSync(CHECKPOINTS).flatMap((version) =>
    readdirSync(folderOf(version)).map((entry) => ({
      version,
      name: entry.replace(/\.json$/, ""),
      file: join(folderOf(version), entry),
    })),
  );
}

/** Reads a checkpoint, as it were had it been deployed today, by way of the API at `apiUrl`. */
export function readCheckpoint(file: string, apiUrl: string): Checkpoint {
  const text = readFileSync(file, "utf8").replaceAll(API_URL, apiUrl);
  const { recorded } = JSON.parse(text) as Checkpoint;
  return movedTo(new Date(), new Date(recorded), text);
}

const DAY = 86_400_000;

/**
 * Moves the times in a checkpoint by whole days to `now`: certificates would be due for renewal some day, and the preview
 * would replace them.
 *
 * The number of the period in which a key was made is moved by as many periods as have passed by today's way of counting,
 * so that another way of counting shows as the change that it is.
 */
function movedTo(now: Date, recorded: Date, text: string): Checkpoint {
  const days = Math.floor((now.getTime() - recorded.getTime()) / DAY);
  const later = (date: string) => new Date(Date.parse(date) + days * DAY).toISOString().slice(0, 10);
  const checkpoint = JSON.parse(text.replaceAll(/\b20\d\d-\d\d-\d\d(?=[T ]\d\d:\d\d:\d\d)/g, later)) as Checkpoint;
  const { resources } = checkpoint.state.deployment;
  const certificate = resources.find(({ type }) => type.endsWith(":OriginCaCertificate"));
  const period = (time: Date) => renewalPeriod(time, Number(certificate?.inputs?.["requestedValidity"]));
  for (const resource of resources) {
    if (typeof resource.replacementTrigger === "number") resource.replacementTrigger += period(now) - period(recorded);
  }
  return checkpoint;
}

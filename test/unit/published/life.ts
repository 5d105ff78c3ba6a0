// The life of a stack at the sandbox's API, without an engine: the inputs are those that the program registers, and the
// requests those of the stand-in plugin, which the conformance tests hold to the official one's.

import { generateKeyPairSync } from "node:crypto";
import { issue, newKey, selfSigned } from "../../../dev/sandbox/certificates/x509.ts";
import type { Client } from "../../../dev/toolchain/plugins/cloudflare/client.ts";
import { resources } from "../../../dev/toolchain/plugins/cloudflare/resources/index.ts";
import type { Existing } from "../../../dev/toolchain/plugins/sdk/plugin.ts";
import type { Values } from "../../../dev/toolchain/plugins/sdk/values.ts";
import { attribute, distinguishedName } from "../../../dev/toolchain/x509/names.ts";
import { certificateRequest } from "../../../dev/toolchain/x509/request.ts";
import type { Registered } from "../support/mocks.ts";

const DAY = 86_400_000;
const VALID = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + 300 * DAY) };
const CA = selfSigned({ subject: [["CN", "origin pulls"]], ...VALID }, newKey("rsa"));

/** A certificate with its key, and a request, in the place of what the mocked provider of keys says. */
function newTexts(): Record<string, string> {
  const leaf = newKey("rsa");
  const certificate = issue(CA, { subject: [["CN", "leaf"]], publicKey: leaf.publicKey, ...VALID });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = distinguishedName([[attribute.commonName, ["photos"]]]);
  return {
    "LEAF PEM": certificate,
    "KEY PEM": leaf.pem,
    "CSR PEM": certificateRequest(subject, [], privateKey).pem,
  };
}

const context = { urn: "", signal: AbortSignal.timeout(120_000), log: () => undefined };

/** A stack's resources at Cloudflare. */
export class Life {
  readonly #client: Client;
  readonly #made = new Map<string, { type: string; inputs: Values; existing: Existing }>();
  /** Names in the order in which the program last registered them; the reverse is the order of deletion. */
  #order: string[] = [];
  /** By resource, so that a second run finds the same texts. */
  readonly #texts = new Map<string, Record<string, string>>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** What `pulumi up` does once the program has registered these: creates, updates, replaces, then deletes. */
  async up(registered: readonly Registered[]): Promise<void> {
    const wanted = registered.filter(({ type }) => type in resources);
    const replaced: { type: string; existing: Existing }[] = [];
    for (const { type, name, inputs: given } of wanted) {
      const resource = resources[type]!;
      const inputs = this.#real(name, given) as Values;
      const before = this.#made.get(name);
      const difference = before && resource.diff(before.existing, inputs);
      if (before && Object.keys(difference?.paths ?? {}).length === 0) continue;
      if (before && resource.update && difference?.replaces.length === 0) {
        const state = await resource.update(this.#client, before.existing, inputs, context);
        this.#made.set(name, { type, inputs, existing: { id: before.existing.id, state } });
        continue;
      }
      if (before) replaced.push(before);
      this.#made.set(name, { type, inputs, existing: await resource.create(this.#client, inputs, context) });
    }
    for (const { type, existing } of replaced.reverse()) await this.#delete(type, existing);
    const names = wanted.map(({ name }) => name);
    await this.#remove(this.#order.filter((name) => !names.includes(name)));
    this.#order = names;
  }

  /** What `pulumi refresh` does. */
  async refresh(): Promise<void> {
    for (const { type, inputs, existing } of this.#made.values()) {
      const found = await resources[type]?.read?.(this.#client, existing, inputs, context);
      if (found === undefined) throw new Error(`${type} ${existing.id} is gone`);
    }
  }

  /** Puts another value into the state of all resources of a type, as an import or a refresh does that finds it. */
  find(type: string, field: string, value: string): void {
    for (const made of this.#made.values()) if (made.type === type) made.existing.state[field] = value;
  }

  /** What `pulumi destroy` does. */
  async destroy(): Promise<void> {
    await this.#remove(this.#order);
  }

  /** The resources that there are. */
  get made(): readonly { type: string; inputs: Values }[] {
    return [...this.#made.values()];
  }

  async #remove(names: readonly string[]): Promise<void> {
    for (const name of names.toReversed()) {
      const { type, existing } = this.#made.get(name)!;
      await this.#delete(type, existing);
      this.#made.delete(name);
    }
  }

  async #delete(type: string, existing: Existing): Promise<void> {
    await resources[type]?.delete?.(this.#client, existing, context);
  }

  /** Inputs with real ids, keys and certificates in the place of the mocked ones. */
  #real(name: string, value: unknown): unknown {
    if (Array.isArray(value)) return value.map((one) => this.#real(name, one));
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.#real(name, one)]));
    }
    if (typeof value !== "string") return value;
    const texts = this.#texts.get(name) ?? newTexts();
    this.#texts.set(name, texts);
    return texts[value] ?? this.#made.get(value.replace(/-id$/, ""))?.existing.id ?? value;
  }
}

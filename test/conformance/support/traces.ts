// The recorded traces, and one form for recorded and for new requests and states in which they can be compared.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExportedResource } from "./engine.ts";
import type { Json, Request } from "./api.ts";

const folder = join(import.meta.dirname, "../traces");

/** Names for the numbered ids in the recorded requests and in the recorded state. */
const recordedIds: Readonly<Record<"requests" | "state", Readonly<Record<string, string>>>> = {
  requests: {
    "ID-1": "phone",
    "ID-2": "certificates 5",
    "ID-3": "One-time PIN",
    "ID-4": "devices",
    "ID-5": "people",
    "ID-6": "certificates 1",
    "ID-7": "immich.example.com",
    "ID-8": "Immich",
    "ID-9": "origin_tls_client_auth 3",
  },
  state: {
    "ID-10": "phone",
    "ID-11": "phone",
    "ID-12": "One-time PIN",
    "ID-13": "devices",
    "ID-14": "people",
    "ID-15": "certificates 1",
    "ID-16": "Immich",
    "ID-17": "certificates 5",
    "ID-18": "origin_tls_client_auth 3",
    "ID-19": "immich.example.com",
  },
};

/** A resource as state.json has it. */
interface RecordedResource {
  type: string;
  name: string;
  inputs: Json;
  outputs: Json;
  additionalSecretOutputs?: string[];
}

const secretMark = "4dabf18193072939515e22adb298388d";

/** Values that differ from run to run, by the form of their text. */
const forms: readonly [RegExp, string][] = [
  [/^-----BEGIN ([A-Z ]+)-----\n[\s\S]*-----END \1-----\n?$/, "<$1>"],
  [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, "<time>"],
  [/^[0-9a-f]{40}$/, "<sha1>"],
  [/^[0-9a-f]{64}$/, "<sha256>"],
  [/^\d{30,}$/, "<serial number>"],
  [/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/, "<md5>"],
  [/^SHA256:[A-Za-z0-9+/]{43}$/, "<SHA256>"],
  [/^(ssh-rsa|ecdsa-sha2-nistp256) [A-Za-z0-9+/=]+\n$/, "<$1>"],
];

function general(value: Json): Json {
  if (typeof value === "string") {
    return forms.reduce((text, [form, general]) => text.replace(form, general), value);
  }
  if (Array.isArray(value)) return value.map(general);
  if (typeof value !== "object" || value === null) return value;
  if (secretMark in value) return "<secret>";
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, general(item)]));
}

function recorded(file: string, ids: Readonly<Record<string, string>>): string {
  return readFileSync(join(folder, file), "utf8").replace(/ID-\d+/g, (id) => `<${ids[id] ?? id}>`);
}

/** Requests in comparable form: one line each, sorted. */
export function comparable(requests: readonly Request[], nameIds: (text: string) => string = (text) => text): string[] {
  const sortedJson = (value: unknown) =>
    JSON.stringify(value, (_key, item: Json) =>
      typeof item === "object" && item !== null && !Array.isArray(item)
        ? Object.fromEntries(Object.entries(item).sort(([left], [right]) => (left < right ? -1 : 1)))
        : item,
    );
  return requests
    .map(({ method, path, body, contentType }) => {
      const rest = body === undefined ? [] : [sortedJson(general(body)), contentType];
      return nameIds([method, path, ...rest].join(" "));
    })
    .sort();
}

/** A recorded trace in comparable form. */
export function trace(name: "create" | "destroy" | "preview" | "refresh" | "up-again" | "update"): string[] {
  const lines = recorded(`${name}.jsonl`, recordedIds.requests).trim().split("\n");
  return comparable(lines.map((line) => JSON.parse(line) as Request));
}

/** The recorded state by resource ("ZoneSetting ssl"). */
export function recordedState(): Record<string, unknown> {
  const resources = JSON.parse(recorded("state.json", recordedIds.state)) as RecordedResource[];
  return Object.fromEntries(
    resources.map(({ type, name, inputs, outputs, additionalSecretOutputs }) => [
      `${type} ${name}`,
      {
        inputs: general(inputs),
        outputs: general(outputs),
        secretOutputs: [...(additionalSecretOutputs ?? [])].sort(),
      },
    ]),
  );
}

/** An exported state in the form of the recorded one. */
export function exportedState(
  resources: readonly ExportedResource[],
  nameIds: (text: string) => string,
): Record<string, unknown> {
  const clean = (values: unknown) => {
    const named = JSON.parse(nameIds(JSON.stringify(values ?? {}))) as { [name: string]: Json };
    // The bridge of the official plugins adds notes of its own under names that begin so.
    return general(Object.fromEntries(Object.entries(named).filter(([name]) => !name.startsWith("__"))));
  };
  return Object.fromEntries(
    resources.map(({ type, urn, inputs, outputs, additionalSecretOutputs }) => [
      `${type} ${urn.split("::").at(-1)!}`,
      {
        inputs: clean(inputs),
        outputs: clean(outputs),
        // The SDK also lists write-only inputs, which never have a value in the state; the recording does not.
        secretOutputs: (additionalSecretOutputs ?? []).filter((output) => !output.endsWith("Wo")).sort(),
      },
    ]),
  );
}

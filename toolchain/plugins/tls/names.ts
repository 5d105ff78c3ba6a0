// Who a certificate is for: its subject and its alternative names.
import { isIP } from "node:net";
import type { Failure, Property } from "../sdk/shape.ts";
import { unknown } from "../sdk/values.ts";
import type { Values } from "../sdk/values.ts";
import { implicit, oid, sequence, set, tag, text } from "./der.ts";
import { nameText } from "./x509.ts";
import type { AltNames } from "./x509.ts";

const string = { type: "string" } as const;

/** Inputs that say who a certificate is for. */
export const nameInputs = {
  dnsNames: { type: ["string"] },
  ipAddresses: { type: ["string"] },
  uris: { type: ["string"] },
  subject: {
    type: {
      properties: {
        commonName: string,
        country: string,
        emailAddress: string,
        locality: string,
        organization: string,
        organizationalUnit: string,
        postalCode: string,
        province: string,
        serialNumber: string,
        streetAddresses: { type: ["string"] },
      },
    },
  },
} as const satisfies Record<string, Property>;

/** Attributes in the order in which Go's pkix.Name writes them. */
const attributes = [
  ["country", "2.5.4.6"],
  ["organization", "2.5.4.10"],
  ["organizationalUnit", "2.5.4.11"],
  ["locality", "2.5.4.7"],
  ["province", "2.5.4.8"],
  ["streetAddresses", "2.5.4.9"],
  ["postalCode", "2.5.4.17"],
  ["commonName", "2.5.4.3"],
  ["serialNumber", "2.5.4.5"],
] as const;

/** The subject's distinguished name in DER; empty without a subject. */
export function subjectName(inputs: Values): Buffer {
  const subject = (inputs.subject ?? {}) as Values;
  const parts = attributes.flatMap(([name, id]) => {
    const value = (subject[name] ?? []) as string | string[];
    const values = (Array.isArray(value) ? value : [value]).filter((one) => one !== "");
    return values.length === 0 ? [] : [set(...values.map((one) => sequence(oid(id), nameText(one))))];
  });
  if (subject.emailAddress) {
    const address = text(tag.ia5, subject.emailAddress as string);
    parts.push(set(sequence(oid("1.2.840.113549.1.9.1"), address)));
  }
  return sequence(...parts);
}

/** The bytes of an IPv4 or IPv6 address. */
function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const mixed = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const plain = mixed
    ? mixed[1]! + [2, 4].map((at) => (Number(mixed[at]) * 256 + Number(mixed[at + 1])).toString(16)).join(":")
    : address;
  const [before, after] = plain.split("::").map((half) => (half === "" ? [] : half.split(":")));
  const zeros = after ? Array<string>(8 - before!.length - after.length).fill("0") : [];
  return Buffer.from([...before!, ...zeros, ...(after ?? [])].map((group) => group.padStart(4, "0")).join(""), "hex");
}

/** DNS names, addresses and URIs as alternative names. */
export function altNames(inputs: Values): AltNames {
  const list = (name: string) => (inputs[name] ?? []) as string[];
  return [
    ...list("dnsNames").map((name) => implicit(2, Buffer.from(name))),
    ...list("ipAddresses").map((address) => implicit(7, addressBytes(address))),
    ...list("uris").map((uri) => implicit(6, Buffer.from(uri))),
  ];
}

/** Addresses and URIs that are none. */
export function checkNames(inputs: Values): Failure[] {
  const each = (name: string, good: (value: string) => boolean, reason: string): Failure[] =>
    Array.isArray(inputs[name])
      ? inputs[name].flatMap((value, index) =>
          value === unknown || good(value as string) ? [] : [{ property: `${name}[${index}]`, reason }],
        )
      : [];
  return [
    ...each("ipAddresses", (address) => isIP(address) !== 0 && !address.includes("%"), "must be an IP address"),
    ...each("uris", (uri) => URL.canParse(uri), "must be a URI"),
  ];
}

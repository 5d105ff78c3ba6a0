// Who a certificate is for: its subject and its alternative names.
import { isIP } from "node:net";
import { GeneralName } from "@peculiar/asn1-x509";
import type { Name } from "@peculiar/asn1-x509";
import { attribute, distinguishedName, hostName } from "../../x509/names.ts";
import type { Failure, Property } from "../sdk/shape.ts";
import { unknown } from "../sdk/values.ts";
import type { Values } from "../sdk/values.ts";

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
  ["country", attribute.country],
  ["organization", attribute.organization],
  ["organizationalUnit", attribute.organizationalUnit],
  ["locality", attribute.locality],
  ["province", attribute.province],
  ["streetAddresses", attribute.streetAddress],
  ["postalCode", attribute.postalCode],
  ["commonName", attribute.commonName],
  ["serialNumber", attribute.serialNumber],
  ["emailAddress", attribute.emailAddress],
] as const;

/** The subject's distinguished name; empty without a subject. */
export function subjectName(inputs: Values): Name {
  const subject = (inputs.subject ?? {}) as Values;
  const parts = attributes.map(([name, id]): [string, string[]] => {
    const value = (subject[name] ?? []) as string | string[];
    return [id, (Array.isArray(value) ? value : [value]).filter((one) => one !== "")];
  });
  return distinguishedName(parts.filter(([, values]) => values.length > 0));
}

/** DNS names, addresses and URIs as alternative names. */
export function altNames(inputs: Values): GeneralName[] {
  const list = (name: string) => (inputs[name] ?? []) as string[];
  return [
    ...list("dnsNames").map((dNSName) => new GeneralName({ dNSName })),
    ...list("ipAddresses").map(hostName),
    ...list("uris").map((uniformResourceIdentifier) => new GeneralName({ uniformResourceIdentifier })),
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

// Who a certificate is for: distinguished names and alternative names.
import { isIP } from "node:net";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AttributeTypeAndValue,
  AttributeValue,
  Extension,
  GeneralName,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  id_ce_subjectAltName,
} from "@peculiar/asn1-x509";

/** Identifiers of the attributes of a distinguished name (RFC 4519; the e-mail address is PKCS #9's). */
export const attribute = {
  commonName: "2.5.4.3",
  serialNumber: "2.5.4.5",
  country: "2.5.4.6",
  locality: "2.5.4.7",
  province: "2.5.4.8",
  streetAddress: "2.5.4.9",
  organization: "2.5.4.10",
  organizationalUnit: "2.5.4.11",
  postalCode: "2.5.4.17",
  emailAddress: "1.2.840.113549.1.9.1",
} as const;

/** The text type that Go's encoder chooses: printable characters where they suffice; e-mail addresses are IA5. */
function attributeValue(id: string, value: string): AttributeValue {
  if (id === attribute.emailAddress) return new AttributeValue({ ia5String: value });
  const printable = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value);
  return new AttributeValue(printable ? { printableString: value } : { utf8String: value });
}

/** A distinguished name from attributes in order; the values of one attribute share a set. */
export function distinguishedName(parts: readonly (readonly [id: string, values: readonly string[]])[]): Name {
  return new Name(
    parts.map(
      ([id, values]) =>
        new RelativeDistinguishedName(
          values.map((value) => new AttributeTypeAndValue({ type: id, value: attributeValue(id, value) })),
        ),
    ),
  );
}

/** An alternative name for a DNS name or an IP address, whichever `host` is. */
export function hostName(host: string): GeneralName {
  if (isIP(host) === 0) return new GeneralName({ dNSName: host });
  // The encoder does not know the mixed form of IPv6 (::ffff:192.0.2.1), which an URL's parser writes without dots.
  return new GeneralName({ iPAddress: isIP(host) === 6 ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host });
}

/** The extension for alternative names, if there are any; critical where they are all that says who it is for. */
export function alternativeNames(names: readonly GeneralName[], subject: Name): Extension[] {
  if (names.length === 0) return [];
  const extnValue = new OctetString(AsnConvert.serialize(new SubjectAlternativeName([...names])));
  return [new Extension({ extnID: id_ce_subjectAltName, critical: subject.length === 0, extnValue })];
}

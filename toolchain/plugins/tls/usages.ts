// The allowed uses of a certificate, as the extensions "key usage" and "extended key usage".
import { bits, oid, sequence } from "./der.ts";

/** Bit numbers of the key usage extension (RFC 5280, 4.2.1.3). */
const keyUsages: Readonly<Record<string, number>> = {
  digital_signature: 0,
  content_commitment: 1,
  key_encipherment: 2,
  data_encipherment: 3,
  key_agreement: 4,
  cert_signing: 5,
  crl_signing: 6,
  encipher_only: 7,
  decipher_only: 8,
};

/** Identifiers of extended uses. */
const extendedUsages: Readonly<Record<string, string>> = {
  any_extended: "2.5.29.37.0",
  server_auth: "1.3.6.1.5.5.7.3.1",
  client_auth: "1.3.6.1.5.5.7.3.2",
  code_signing: "1.3.6.1.5.5.7.3.3",
  email_protection: "1.3.6.1.5.5.7.3.4",
  ipsec_end_system: "1.3.6.1.5.5.7.3.5",
  ipsec_tunnel: "1.3.6.1.5.5.7.3.6",
  ipsec_user: "1.3.6.1.5.5.7.3.7",
  timestamping: "1.3.6.1.5.5.7.3.8",
  ocsp_signing: "1.3.6.1.5.5.7.3.9",
  microsoft_server_gated_crypto: "1.3.6.1.4.1.311.10.3.3",
  netscape_server_gated_crypto: "2.16.840.1.113730.4.1",
  microsoft_commercial_code_signing: "1.3.6.1.4.1.311.2.1.22",
  microsoft_kernel_code_signing: "1.3.6.1.4.1.311.61.1.1",
};

/** Every use there is. */
export const usages: readonly string[] = [...Object.keys(keyUsages), ...Object.keys(extendedUsages)];

/** The extensions for some uses: key usage is critical, extended key usage is not. */
export function usageExtensions(
  allowed: string[],
  extension: (id: string, critical: boolean, value: Buffer) => Buffer,
): Buffer[] {
  const numbers = allowed.flatMap((use) => keyUsages[use] ?? []);
  const extended = allowed.flatMap((use) => extendedUsages[use] ?? []);
  const found: Buffer[] = [];
  if (numbers.length > 0) {
    const highest = Math.max(...numbers);
    const bytes = Buffer.alloc(Math.floor(highest / 8) + 1);
    for (const number of numbers) bytes[Math.floor(number / 8)]! |= 0x80 >> (number % 8);
    found.push(extension("2.5.29.15", true, bits(bytes, 7 - (highest % 8))));
  }
  if (extended.length > 0) found.push(extension("2.5.29.37", false, sequence(...extended.map(oid))));
  return found;
}

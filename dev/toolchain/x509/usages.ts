// The allowed uses of a certificate, as the extensions "key usage" and "extended key usage".
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  ExtendedKeyUsage,
  Extension,
  KeyUsage,
  KeyUsageFlags,
  anyExtendedKeyUsage,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_kp_OCSPSigning,
  id_kp_clientAuth,
  id_kp_codeSigning,
  id_kp_emailProtection,
  id_kp_serverAuth,
  id_kp_timeStamping,
} from "@peculiar/asn1-x509";

const keyUsages: Readonly<Record<string, KeyUsageFlags>> = {
  digital_signature: KeyUsageFlags.digitalSignature,
  content_commitment: KeyUsageFlags.nonRepudiation,
  key_encipherment: KeyUsageFlags.keyEncipherment,
  data_encipherment: KeyUsageFlags.dataEncipherment,
  key_agreement: KeyUsageFlags.keyAgreement,
  cert_signing: KeyUsageFlags.keyCertSign,
  crl_signing: KeyUsageFlags.cRLSign,
  encipher_only: KeyUsageFlags.encipherOnly,
  decipher_only: KeyUsageFlags.decipherOnly,
};

const extendedUsages: Readonly<Record<string, string>> = {
  any_extended: anyExtendedKeyUsage,
  server_auth: id_kp_serverAuth,
  client_auth: id_kp_clientAuth,
  code_signing: id_kp_codeSigning,
  email_protection: id_kp_emailProtection,
  ipsec_end_system: "1.3.6.1.5.5.7.3.5",
  ipsec_tunnel: "1.3.6.1.5.5.7.3.6",
  ipsec_user: "1.3.6.1.5.5.7.3.7",
  timestamping: id_kp_timeStamping,
  ocsp_signing: id_kp_OCSPSigning,
  microsoft_server_gated_crypto: "1.3.6.1.4.1.311.10.3.3",
  netscape_server_gated_crypto: "2.16.840.1.113730.4.1",
  microsoft_commercial_code_signing: "1.3.6.1.4.1.311.2.1.22",
  microsoft_kernel_code_signing: "1.3.6.1.4.1.311.61.1.1",
};

/** Every use there is, by the names of the provider `tls`. */
export const usages: readonly string[] = [...Object.keys(keyUsages), ...Object.keys(extendedUsages)];

/** The extensions for some uses: key usage is critical, extended key usage is not. */
export function usageExtensions(allowed: readonly string[]): Extension[] {
  const flags = allowed.reduce((sum, use) => sum | (keyUsages[use] ?? 0), 0);
  const extended = allowed.flatMap((use) => extendedUsages[use] ?? []);
  const extension = (extnID: string, critical: boolean, value: KeyUsage | ExtendedKeyUsage) =>
    new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
  return [
    ...(flags === 0 ? [] : [extension(id_ce_keyUsage, true, new KeyUsage(flags))]),
    ...(extended.length === 0 ? [] : [extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage(extended))]),
  ];
}

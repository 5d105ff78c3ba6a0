// The sandbox's CAs, made once and kept as files.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { issue, type KeyPairPem, type Name, newKey, selfSigned } from "../certificates/x509.ts";
import { writeAtomically } from "./store.ts";

/** All CAs, PEM. */
export interface Cas {
  /** In place of the public CAs, for visitors and for origins with a public certificate. */
  publicCa: KeyPairPem;
  /** In place of Cloudflare's Origin CA. */
  originCa: KeyPairPem;
  /** Issued the certificate that all Cloudflare accounts share for origin pulls. */
  sharedPullCa: KeyPairPem;
  /** That certificate itself. */
  sharedPull: KeyPairPem;
}

const YEAR = 365 * 86_400_000;
const years = (count: number): { notBefore: Date; notAfter: Date } => ({
  notBefore: new Date(Date.now() - 3_600_000),
  notAfter: new Date(Date.now() + count * YEAR),
});

/** Reads NAME.pem and NAME.key, or makes them (mode 0600) if one is missing. */
function kept(folder: string, name: string, make: () => KeyPairPem): KeyPairPem {
  const [certificate, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  if (existsSync(certificate) && existsSync(key)) {
    return { certificate: readFileSync(certificate, "utf8"), privateKey: readFileSync(key, "utf8") };
  }
  const made = make();
  writeAtomically(key, made.privateKey);
  writeAtomically(certificate, made.certificate);
  return made;
}

/** Loads the CAs from `folder`, making those that are missing. */
export function loadCas(folder: string): Cas {
  const ca = (file: string, subject: Name): KeyPairPem =>
    kept(folder, file, () => selfSigned({ subject, ...years(10) }));
  const sharedPullCa = ca("shared-pull-ca", [
    ["O", "Sandbox"],
    ["CN", "Sandbox shared origin-pull CA"],
  ]);
  return {
    publicCa: ca("public-ca", [
      ["O", "Sandbox"],
      ["CN", "Sandbox public CA"],
    ]),
    originCa: ca("origin-ca", [
      ["O", "Sandbox"],
      ["OU", "Sandbox Origin SSL Certificate Authority"],
    ]),
    sharedPullCa,
    sharedPull: kept(folder, "shared-pull", () => {
      const key = newKey("rsa");
      const certificate = issue(sharedPullCa, {
        subject: [["CN", "origin-pull.cloudflare.localhost"]],
        publicKey: key.publicKey,
        usages: ["clientAuth"],
        ...years(5),
      });
      return { certificate, privateKey: key.pem };
    }),
  };
}

// The certificates of the stand-in plugin and of the sandbox, read back by OpenSSL through node:crypto.
import { X509Certificate, generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { caIssuer, certificate, selfIssuer } from "../x509/certificate.ts";
import { attribute, distinguishedName, hostName } from "../x509/names.ts";
import { fromPem, toPem } from "../x509/pem.ts";
import { certificateRequest, readRequest } from "../x509/request.ts";

const keys: Readonly<Record<string, () => KeyObject>> = {
  "RSA 2048": () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  "P-224": () => generateKeyPairSync("ec", { namedCurve: "secp224r1" }).privateKey,
  "P-256": () => generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey,
  "P-384": () => generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey,
  "P-521": () => generateKeyPairSync("ec", { namedCurve: "secp521r1" }).privateKey,
  Ed25519: () => generateKeyPairSync("ed25519").privateKey,
};
const what = { certificate: "caCertPem", key: "caPrivateKeyPem" };
const from = new Date("2026-01-01T00:00:00Z");
const caName = distinguishedName([
  [attribute.organization, ["Höfe, Inc."]],
  [attribute.commonName, ["CA"]],
]);
const common = { isCa: false, maxPathLength: undefined, from, subjectKeyId: false };

function authority(key: KeyObject): string {
  const until = new Date("2027-01-01T00:00:00Z");
  const contents = { ...common, subject: caName, publicKey: key, names: [], allowedUses: ["cert_signing"], until };
  return certificate({ ...contents, isCa: true, maxPathLength: 0 }, selfIssuer(caName, key, false)).pem;
}

describe.each(Object.entries(keys))("with a key %s", (type, newKey) => {
  it(`a CA with a key ${type} signs what a certificate request asks for`, () => {
    const [caKey, key] = [newKey(), newKey()];
    const ca = new X509Certificate(authority(caKey));
    const hosts = ["photos.example.com", "*.example.com", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.7"];
    const { pem } = certificateRequest(
      distinguishedName([[attribute.commonName, ["photos"]]]),
      hosts.map(hostName),
      key,
    );
    const made = certificate(
      {
        ...common,
        ...readRequest(pem, "certRequestPem"),
        allowedUses: ["digital_signature", "client_auth"],
        until: new Date("2060-01-01T00:00:00Z"),
      },
      caIssuer(ca.toString(), caKey, what),
    );
    const leaf = new X509Certificate(made.pem);

    expect(ca.ca && !leaf.ca).toBe(true);
    expect(ca.verify(ca.publicKey) && leaf.verify(ca.publicKey) && leaf.checkIssued(ca)).toBe(true);
    expect(leaf.checkPrivateKey(key)).toBe(true);
    expect(BigInt(`0x${leaf.serialNumber}`)).toBe(made.serial);
    expect([leaf.subject, leaf.issuer]).toEqual(["CN=photos", "O=Höfe\\, Inc.\nCN=CA"]);
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect([leaf.validFromDate, leaf.validToDate]).toEqual([from, new Date("2060-01-01T00:00:00Z")]);
    expect(leaf.subjectAltName?.split(", ")).toEqual([
      "DNS:photos.example.com",
      "DNS:*.example.com",
      "IP Address:192.0.2.1",
      "IP Address:2001:DB8:0:0:0:0:0:1",
      "IP Address:0:0:0:0:0:FFFF:C000:207",
    ]);
  });
});

describe("requests that are refused", () => {
  const key = keys["P-256"]!();
  const request = certificateRequest(distinguishedName([]), [hostName("photos.example.com")], key);

  it("a certificate request that was altered is refused", () => {
    const der = Buffer.from(request.der);
    der[der.indexOf("photos")] = "q".charCodeAt(0);
    expect(() => readRequest(toPem(der, "CERTIFICATE REQUEST"), "certRequestPem")).toThrow(
      "certRequestPem is not a usable certificate request: its signature does not match its key",
    );
  });

  it.each([
    ["cut short", (der: Buffer) => der.subarray(0, 100)],
    ["empty", () => Buffer.alloc(0)],
    ["something else", () => Buffer.from("3003020101", "hex")],
  ])("a certificate request that is %s is refused", (_name, change) => {
    const pem = toPem(change(request.der), "CERTIFICATE REQUEST");
    expect(() => readRequest(pem, "csr")).toThrow(
      /^csr (is not a usable certificate request: it cannot be parsed|holds no PEM block)/,
    );
  });

  it("a PEM block with another label is refused", () => {
    expect(() => fromPem(toPem(request.der, "CERTIFICATE"), "CERTIFICATE REQUEST", "csr")).toThrow(
      'csr holds no PEM block "CERTIFICATE REQUEST"',
    );
  });

  it("a CA's certificate with another CA's key is refused", () => {
    expect(() => caIssuer(authority(key), keys["P-256"]!(), what)).toThrow(
      "caPrivateKeyPem is not the private key of the certificate in caCertPem",
    );
  });
});

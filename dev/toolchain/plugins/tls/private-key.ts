// tls:index/privateKey:PrivateKey
import type { Failure } from "../sdk/shape.ts";
import { difference } from "../sdk/diff.ts";
import type { Resource } from "../sdk/plugin.ts";
import { unknown } from "../sdk/values.ts";
import type { Values } from "../sdk/values.ts";
import { curves, generateKey, privatePem, publicDer, publicPem, sshPrivate, sshPublic, stateId } from "./keys.ts";
import type { Algorithm } from "./keys.ts";

const inputs = {
  algorithm: { type: "string", required: true, oneOf: ["RSA", "ECDSA", "ED25519"] },
  ecdsaCurve: { type: "string", oneOf: Object.keys(curves) },
  rsaBits: { type: "number" },
} as const;

const settings = (values: Values): Values => ({ ecdsaCurve: "P224", rsaBits: 2048, ...values });

/** Made from nothing but its settings; every change makes a new key. */
export const privateKey: Resource<unknown> = {
  inputs,
  secrets: ["privateKeyPem", "privateKeyOpenssh", "privateKeyPemPkcs8"],

  check({ rsaBits }): Failure[] {
    const usable =
      rsaBits === undefined || rsaBits === unknown || (Number.isInteger(rsaBits) && Number(rsaBits) >= 1024);
    return usable ? [] : [{ property: "rsaBits", reason: "must be a whole number of bits, 1024 at least" }];
  },

  diff: ({ state }, wanted) => difference(state, settings(wanted), Object.keys(inputs), new Set(Object.keys(inputs))),

  plan: (wanted) => ({
    ...settings(wanted),
    ...Object.fromEntries(
      [
        ...privateKey.secrets,
        "publicKeyPem",
        "publicKeyOpenssh",
        "publicKeyFingerprintMd5",
        "publicKeyFingerprintSha256",
      ]
        .concat("id")
        .map((name) => [name, unknown]),
    ),
  }),

  create(_client, wanted) {
    const { algorithm, rsaBits, ecdsaCurve } = settings(wanted) as {
      algorithm: Algorithm;
      rsaBits: number;
      ecdsaCurve: keyof typeof curves;
    };
    const key = generateKey(algorithm, rsaBits, ecdsaCurve);
    const ssh = sshPublic(key);
    const id = stateId(publicDer(key));
    const state: Values = {
      algorithm,
      rsaBits,
      ecdsaCurve,
      id,
      privateKeyPem: privatePem(key, algorithm),
      privateKeyPemPkcs8: key.export({ format: "pem", type: "pkcs8" }) as string,
      privateKeyOpenssh: sshPrivate(key),
      publicKeyPem: publicPem(key),
      publicKeyOpenssh: ssh.line,
      publicKeyFingerprintMd5: ssh.md5,
      publicKeyFingerprintSha256: ssh.sha256,
    };
    return Promise.resolve({ id, state });
  },
};

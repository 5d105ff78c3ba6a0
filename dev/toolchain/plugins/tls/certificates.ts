// tls:index/selfSignedCert:SelfSignedCert and tls:index/locallySignedCert:LocallySignedCert
import { caIssuer, certificate, selfIssuer } from "../../x509/certificate.ts";
import type { Issuer } from "../../x509/certificate.ts";
import { readRequest } from "../../x509/request.ts";
import type { RequestContents } from "../../x509/request.ts";
import { usages } from "../../x509/usages.ts";
import { difference } from "../sdk/diff.ts";
import type { Resource } from "../sdk/plugin.ts";
import type { Failure, Property } from "../sdk/shape.ts";
import { unknown } from "../sdk/values.ts";
import type { Value, Values } from "../sdk/values.ts";
import { readKey } from "./keys.ts";
import { altNames, checkNames, nameInputs, subjectName } from "./names.ts";

const hour = 60 * 60 * 1000;

const commonInputs = {
  allowedUses: { type: ["string"], required: true },
  earlyRenewalHours: { type: "number" },
  isCaCertificate: { type: "boolean" },
  maxPathLength: { type: "number" },
  setSubjectKeyId: { type: "boolean" },
  validityPeriodHours: { type: "number", required: true },
} as const satisfies Record<string, Property>;

/** What tells the two kinds of certificate apart. */
interface Kind {
  inputs: Readonly<Record<string, Property>>;
  /** Defaults beyond those of both kinds. */
  defaults: Values;
  secret: string;
  /** Name of the output with the signing key's algorithm. */
  algorithmOutput: string;
  parts(wanted: Values): {
    contents: RequestContents;
    issuer: Issuer;
    algorithm: string;
  };
}

/** Whether a certificate is inside its window of early renewal, or has ended. */
function due(state: Values, earlyRenewalHours: Value | undefined): boolean {
  const end = Date.parse(state.validityEndTime as string);
  return typeof earlyRenewalHours === "number" && Date.now() >= end - earlyRenewalHours * hour;
}

function checkUses({ allowedUses }: Values): Failure[] {
  if (!Array.isArray(allowedUses)) return [];
  return allowedUses.flatMap((use, index) =>
    use === unknown || usages.includes(use as string)
      ? []
      : [{ property: `allowedUses[${index}]`, reason: `must be one of: ${usages.join(", ")}` }],
  );
}

function checkHours(inputs: Values): Failure[] {
  const bounds = { validityPeriodHours: 0, earlyRenewalHours: 0, maxPathLength: -1 };
  return Object.entries(bounds).flatMap(([property, least]) => {
    const value = inputs[property];
    const fits = typeof value !== "number" || (Number.isInteger(value) && value >= least);
    return fits ? [] : [{ property, reason: `must be a whole number, ${least} at least` }];
  });
}

function certificateResource(kind: Kind): Resource<unknown> {
  const names = Object.keys(kind.inputs);
  // A changed window needs no new certificate.
  const replacing = new Set(names.filter((name) => name !== "earlyRenewalHours"));
  const settings = (wanted: Values): Values => ({
    earlyRenewalHours: 0,
    isCaCertificate: false,
    setSubjectKeyId: false,
    ...kind.defaults,
    ...wanted,
  });

  return {
    inputs: kind.inputs,
    secrets: [kind.secret],
    check: (wanted) => [...checkUses(wanted), ...checkHours(wanted), ...checkNames(wanted)],

    diff({ state }, wanted) {
      const found = difference(state, settings(wanted), names, replacing);
      if (!due(state, settings(wanted).earlyRenewalHours)) return found;
      return {
        paths: { ...found.paths, readyForRenewal: "update" },
        replaces: [...found.replaces, "readyForRenewal"],
      };
    },

    plan(wanted, existing) {
      if (existing) return { ...existing.state, ...settings(wanted) };
      const computed = [
        "id",
        "certPem",
        "validityStartTime",
        "validityEndTime",
        "readyForRenewal",
        kind.algorithmOutput,
      ];
      return { ...settings(wanted), ...Object.fromEntries(computed.map((name) => [name, unknown])) };
    },

    create(_client, wanted) {
      const all = settings(wanted);
      const { contents, issuer, algorithm } = kind.parts(all);
      const from = new Date();
      const until = new Date(from.getTime() + (all.validityPeriodHours as number) * hour);
      const limit = all.maxPathLength as number | undefined;
      const made = certificate(
        {
          ...contents,
          allowedUses: all.allowedUses as string[],
          isCa: all.isCaCertificate as boolean,
          maxPathLength: limit === -1 ? undefined : limit,
          subjectKeyId: all.setSubjectKeyId as boolean,
          from,
          until,
        },
        issuer,
      );
      const id = made.serial.toString();
      const state: Values = {
        ...all,
        id,
        certPem: made.pem,
        [kind.algorithmOutput]: algorithm,
        readyForRenewal: false,
        validityStartTime: from.toISOString(),
        validityEndTime: until.toISOString(),
      };
      return Promise.resolve({ id, state });
    },

    read: (_client, { state }, inputs) =>
      Promise.resolve({ state: { ...state, readyForRenewal: due(state, state.earlyRenewalHours) }, inputs }),

    update: (_client, { state }, wanted) => Promise.resolve({ ...state, ...settings(wanted) }),
  };
}

/** A certificate signed with its own key. */
export const selfSignedCert = certificateResource({
  inputs: {
    ...commonInputs,
    ...nameInputs,
    privateKeyPem: { type: "string", required: true },
    setAuthorityKeyId: { type: "boolean" },
  },
  defaults: { setAuthorityKeyId: false },
  secret: "privateKeyPem",
  algorithmOutput: "keyAlgorithm",
  parts(wanted) {
    const { key, algorithm } = readKey(wanted.privateKeyPem as string, "privateKeyPem");
    const subject = subjectName(wanted);
    return {
      contents: { subject, publicKey: key, names: altNames(wanted) },
      issuer: selfIssuer(subject, key, wanted.setAuthorityKeyId as boolean),
      algorithm,
    };
  },
});

/** A certificate for a request, signed by a CA whose key is at hand. */
export const locallySignedCert = certificateResource({
  inputs: {
    ...commonInputs,
    caCertPem: { type: "string", required: true },
    caPrivateKeyPem: { type: "string", required: true },
    certRequestPem: { type: "string", required: true },
  },
  defaults: {},
  secret: "caPrivateKeyPem",
  algorithmOutput: "caKeyAlgorithm",
  parts(wanted) {
    const { key, algorithm } = readKey(wanted.caPrivateKeyPem as string, "caPrivateKeyPem");
    return {
      contents: readRequest(wanted.certRequestPem as string, "certRequestPem"),
      issuer: caIssuer(wanted.caCertPem as string, key, { certificate: "caCertPem", key: "caPrivateKeyPem" }),
      algorithm,
    };
  },
});

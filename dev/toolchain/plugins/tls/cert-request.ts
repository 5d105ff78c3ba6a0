// tls:index/certRequest:CertRequest
import { certificateRequest } from "../../x509/request.ts";
import { difference } from "../sdk/diff.ts";
import type { Resource } from "../sdk/plugin.ts";
import { unknown } from "../sdk/values.ts";
import { readKey, stateId } from "./keys.ts";
import { altNames, checkNames, nameInputs, subjectName } from "./names.ts";

const inputs = { ...nameInputs, privateKeyPem: { type: "string", required: true } } as const;

/** Made from its inputs alone; every change makes a new request. */
export const certRequest: Resource<unknown> = {
  inputs,
  secrets: ["privateKeyPem"],
  check: checkNames,
  diff: ({ state }, wanted) => difference(state, wanted, Object.keys(inputs), new Set(Object.keys(inputs))),
  plan: (wanted) => ({ ...wanted, id: unknown, certRequestPem: unknown, keyAlgorithm: unknown }),

  create(_client, wanted) {
    const { key, algorithm } = readKey(wanted.privateKeyPem as string, "privateKeyPem");
    const request = certificateRequest(subjectName(wanted), altNames(wanted), key);
    const id = stateId(request.der);
    return Promise.resolve({ id, state: { ...wanted, id, certRequestPem: request.pem, keyAlgorithm: algorithm } });
  },
};

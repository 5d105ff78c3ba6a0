import { DELETED } from "../../../../components/orphan-cleanup/orphans.ts";
import { issue, newKey, type KeyPairPem, selfSigned } from "../../../../dev/sandbox/certificates/x509.ts";
import { describe, type Reply } from "../api.ts";
import type { Laboratory } from "../laboratory.ts";

const DAY = 86_400_000;

/** Certificates for one host name: uploaded, presented, exchanged, given up, deleted and uploaded again. */
export async function probeOriginPulls(lab: Laboratory): Promise<void> {
  const { api } = lab.place;
  const pulls = lab.zone("/origin_tls_client_auth/hostnames");
  const path = (id: string) => `${pulls}/certificates/${id}`;
  const upload = (pair: KeyPairPem) =>
    api.call("POST", `${pulls}/certificates`, { certificate: pair.certificate, private_key: pair.privateKey });
  const associate = (id: string, enabled: boolean | null) =>
    api.must("PUT", pulls, { config: [{ hostname: lab.hostname, cert_id: id, enabled }] });
  const statusAt = async (address: string) => {
    const reply = await api.call("GET", address);
    return reply.status === 404 ? "gone" : reply.ok ? String(reply.result.status) : describe(reply);
  };
  const active = (address: string) =>
    lab.follow(
      () => statusAt(address),
      (seen) => seen === "active",
    );
  const idOf = ({ result }: Reply) => String(result.id);
  const issuer = authority(lab.name);
  const certificate = (nth: number) => clientCertificate(lab.name, nth, issuer);

  const first = certificate(1);
  const uploaded = await upload(first);
  if (!uploaded.ok) throw new Error(`the upload of a certificate is ${describe(uploaded)}`);
  const former = idOf(uploaded);
  // Whether it is taken depends on how fast it is: one that goes is uploaded again.
  const early = await api.call("DELETE", path(former));
  lab.note("7.2", describe(early));
  if (early.ok) throw new Error("the certificate was deleted before it was active, so nothing else can be measured");
  lab.note("7.1", await active(path(former)));
  lab.note("8.1", describe(await upload(first)));

  const association = `${pulls}/${lab.hostname}`;
  await associate(former, true);
  lab.note("7.3", await active(association));
  lab.note("7.4", describe(await api.call("DELETE", path(former))));

  const next = idOf(await upload(certificate(2)));
  await active(path(next));
  await associate(next, true);
  lab.note("7.6", describe(await api.call("DELETE", path(former))));
  lab.note("7.5", await active(association));

  await associate(next, null);
  lab.note("7.8", describe(await api.call("DELETE", path(next))));
  lab.note(
    "7.7",
    await lab.follow(
      () => statusAt(association),
      (seen) => seen === "gone" || seen === DELETED,
    ),
  );

  for (const id of [former, next]) await lab.follow(async () => describe(await api.call("DELETE", path(id))), isEnd);
  const inList = async () => {
    const found = (await api.list(`${pulls}/certificates`)).find(({ id }) => id === former);
    return found ? String(found.status) : "not listed";
  };
  lab.note("8.2", await lab.follow(inList, (seen) => seen === DELETED || seen === "not listed"));
  const again = await upload(first);
  const same = again.ok && idOf(again) === former;
  lab.note("8.3", again.ok ? `accepted, under ${same ? "the same" : "another"} id` : describe(again));

  const room = (await api.list(`${pulls}/certificates`)).filter(({ status }) => status !== DELETED).length;
  lab.note("12.1", await fill(room, (nth) => upload(certificate(nth))));
}

const isEnd = (seen: string): boolean => seen === "accepted" || seen.startsWith("refused: 404");

/** More than Cloudflare documents. */
const MANY = 12;

async function fill(present: number, upload: (nth: number) => Promise<Reply>): Promise<string> {
  for (let count = present; count < MANY; count += 1) {
    const reply = await upload(100 + count);
    if (!reply.ok) return `${count.toString()}, then ${describe(reply)}`;
  }
  return `${MANY.toString()} and more`;
}

function authority(name: string): KeyPairPem {
  return selfSigned({ subject: [["CN", `${name} authority`]], ...validity() }, newKey("rsa"));
}

/** A client certificate as the program makes one, under a name that `clean` knows. */
export function clientCertificate(name: string, nth: number, issuer = authority(name)): KeyPairPem {
  const key = newKey("rsa");
  const certificate = issue(issuer, {
    subject: [["CN", `${name}-${nth.toString()}`]],
    publicKey: key.publicKey,
    ...validity(),
  });
  return { certificate, privateKey: key.pem };
}

const validity = () => ({ notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + 30 * DAY) });

import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { decodeJwt, SignJWT, UnsecuredJWT } from "jose";
import { sign } from "../../../dev/sandbox/access/jwt.ts";
import type { State } from "../../../dev/sandbox/api/state.ts";
import { DEV, newSigningKey, noPulls } from "../../../dev/sandbox/api/world.ts";
import { issue, type KeyPairPem, newKey, selfSigned } from "../../../dev/sandbox/certificates/x509.ts";
import type { DeviceHeaders } from "../../../components/site-check/answers.ts";
import { type Outputs, SITE, type World } from "../support/world.ts";
import { serviceTokens } from "./service-tokens.ts";

// The certificates and tokens of the attackers. They get more than real attackers could, even our own CA's key, so that
// an attack tests whether nginx refuses a certificate of that CA which it should not accept.

const DAY = 86_400_000;
const fromNow = (from: number, until: number) => ({
  notBefore: new Date(Date.now() + from * DAY),
  notAfter: new Date(Date.now() + until * DAY),
});

/** Client certificates by what they are. */
export interface Certificates {
  /** The one that Cloudflare presents for us. */
  own: KeyPairPem;
  /** The one that Cloudflare presents for every customer without a certificate of their own. */
  shared: KeyPairPem;
  /** Another customer's, from a CA of their own. */
  foreign: KeyPairPem;
  /** From a CA with the name of ours and another key. */
  namesake: KeyPairPem;
  selfSigned: KeyPairPem;
  /** From Cloudflare's Origin CA, which the guide once linked as the CA to trust. */
  originCa: KeyPairPem;
  /** From our own CA, but expired, not valid yet, or for servers. */
  expired: KeyPairPem;
  early: KeyPairPem;
  serverAuth: KeyPairPem;
}

/** All that the attacks use. */
export interface Ammunition {
  certificates: Certificates;
  tokens: Awaited<ReturnType<typeof serviceTokens>> & { phone: DeviceHeaders };
  jwts: Awaited<ReturnType<typeof jwts>>;
}

/** A host name of another customer of Cloudflare, whose DNS record leads to our host. */
export const NEIGHBOUR = "www.mallory.localhost";

/**
 * Makes the ammunition. This changes the state at Cloudflare: some service tokens are revoked, and another customer gets
 * a zone with a record for our host.
 */
export async function collect(world: World, outputs: Outputs): Promise<Ammunition> {
  const phone = outputs.devices["annas-phone"];
  if (phone === undefined) throw new Error("the stack has no device annas-phone");
  await moveIn(world);
  const tokens = await serviceTokens(world);
  const state = await world.api.state();
  const ca = await ownCa(world);
  return {
    certificates: certificates(state, ca, dirname(world.sandbox.publicCaPath)),
    tokens: { ...tokens, phone },
    jwts: await jwts(state, outputs.audience, phone),
  };
}

/** Makes the other customer: the origin pulls are on, and no Access application is in front. */
async function moveIn({ api }: World): Promise<void> {
  const { zones, dns_records } = await api.state();
  const [ours] = zones;
  const record = dns_records.find(({ type }) => type === "A");
  if (ours === undefined || record === undefined) throw new Error("the site has no zone or no A record");
  const setting = (value: string) => ({ value, modified_on: null });
  const theirs = {
    ...ours,
    id: "mallory",
    name: "mallory.localhost",
    account_id: "mallory",
    settings: { ...ours.settings, ssl: setting("full"), tls_client_auth: setting("on") },
    origin_pulls: noPulls(),
  };
  await api.alter({
    zones: [...zones, theirs],
    dns_records: [...dns_records, { ...record, id: "mallory", zone_id: theirs.id, name: NEIGHBOUR }],
  });
}

/** A resource in the stack's state. */
interface Resource {
  urn: string;
  outputs?: Record<string, unknown>;
}

/** Our own CA with its key, which only the stack's state has. */
async function ownCa({ deployment }: World): Promise<KeyPairPem> {
  const exported = (await deployment.stack.exportStack()) as { deployment: { resources: Resource[] } };
  const { resources } = exported.deployment;
  const outputsOf = (name: string) => {
    const found = resources.find(({ urn }) => urn.endsWith(`::${SITE}-origin-pulls-certificate-${name}`));
    if (found?.outputs === undefined) throw new Error(`the stack has no ${name} of the origin pulls`);
    return found.outputs;
  };
  const { plaintext } = outputsOf("authority-key")["privateKeyPem"] as { plaintext: string };
  return { certificate: outputsOf("authority")["certPem"] as string, privateKey: JSON.parse(plaintext) as string };
}

function certificates(state: State, ca: KeyPairPem, folder: string): Certificates {
  const key = newKey("ec");
  const pair = (certificate: string): KeyPairPem => ({ certificate, privateKey: key.pem });
  const leaf = (issuer: KeyPairPem, change: Partial<Parameters<typeof issue>[1]> = {}): KeyPairPem => {
    const usual = { subject: [["CN", SITE] as ["CN", string]], publicKey: key.publicKey, ...fromNow(-1, 90) };
    return pair(issue(issuer, { ...usual, usages: ["clientAuth"], ...change }));
  };
  const kept = (name: string): KeyPairPem => ({
    certificate: readFileSync(join(folder, `${name}.pem`), "utf8"),
    privateKey: readFileSync(join(folder, `${name}.key`), "utf8"),
  });
  const [uploaded] = state.zones[0]?.origin_pulls.hostname_certificates ?? [];
  if (uploaded === undefined) throw new Error("Cloudflare has no client certificate for the site");
  return {
    own: { certificate: uploaded.certificate, privateKey: uploaded.private_key },
    shared: kept("shared-pull"),
    foreign: leaf(selfSigned({ subject: [["CN", "mallory's origin pulls"]], ...fromNow(-1, 90) })),
    namesake: leaf(selfSigned({ subject: [["CN", `${SITE} origin pulls`]], ...fromNow(-1, 90) })),
    selfSigned: selfSigned({ subject: [["CN", SITE]], isCa: false, usages: ["clientAuth"], ...fromNow(-1, 90) }),
    originCa: leaf(kept("origin-ca"), { hostnames: [SITE] }),
    expired: leaf(ca, fromNow(-90, -1)),
    early: leaf(ca, fromNow(1, 90)),
    serverAuth: leaf(ca, { usages: ["serverAuth"] }),
  };
}

/** Access tokens by what they are: a person's, a device's, and forged variants of the person's. */
async function jwts(state: State, audience: string, phone: DeviceHeaders) {
  const organization = state.organizations.find(({ account_id }) => account_id === DEV.account);
  const kid = organization?.signing_keys[0]?.kid;
  if (organization === undefined || kid === undefined) throw new Error("the account has no key for Access tokens");
  const login = { aud: [audience], email: "anna@example.com", identity_nonce: "n", sub: "s" };
  const signed = (change: object, seconds = 3600) => sign(organization, "app", { ...login, ...change }, seconds);
  const person = await signed({});
  const claims = decodeJwt(person);
  const header = { alg: "RS256", kid };
  const [head = "", , signature = ""] = person.split(".");
  const body = Buffer.from(JSON.stringify({ ...claims, email: DEV.owner })).toString("base64url");
  return {
    person,
    device: await sign(organization, "app", { aud: audience, common_name: phone.clientId, sub: "" }, 3600),
    forged: await new SignJWT(claims).setProtectedHeader(header).sign(createPrivateKey(newSigningKey().private_key)),
    changed: [head, body, signature].join("."),
    expired: await signed({}, -120),
    unsigned: new UnsecuredJWT(claims).encode(),
    symmetric: await new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", kid })
      .sign(Buffer.from(organization.signing_keys[0]?.certificate ?? "")),
    otherApplication: await signed({ aud: ["b".repeat(64)] }),
    otherTeam: await signed({ iss: "https://mallory.cloudflareaccess.com" }),
    teamDomain: await sign(organization, "org", login, 3600),
  };
}

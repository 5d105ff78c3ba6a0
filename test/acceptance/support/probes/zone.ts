import { isIPv6 } from "node:net";
import { domainToASCII, domainToUnicode } from "node:url";
import { newKey } from "../../../../dev/sandbox/certificates/x509.ts";
import { attribute, distinguishedName } from "../../../../dev/toolchain/x509/names.ts";
import { certificateRequest } from "../../../../dev/toolchain/x509/request.ts";
import { get } from "../../../../components/site-check/network.ts";
import { describe } from "../api.ts";
import type { Laboratory } from "../laboratory.ts";

/** What the zone is like, without changing anything. */
export async function probeZone(lab: Laboratory): Promise<void> {
  const { api } = lab.place;
  const { name, status, type, paused } = (await api.must("GET", lab.zone(""))).result;
  lab.note("10.1", `${String(status)}, ${String(type)}, ${paused === true ? "paused" : "not paused"}`);
  const shown = String(name);
  if (domainToUnicode(domainToASCII(shown)) === domainToASCII(shown)) lab.note("14.1", "ASCII");
  else lab.note("14.1", shown === domainToASCII(shown) ? "ASCII, of an international name" : "Unicode");

  const automatic = await api.call("GET", lab.zone("/settings/ssl_automatic_mode"));
  lab.note("9.1", automatic.ok ? "there" : describe(automatic));

  const team = await api.call("GET", lab.access("/organizations"));
  lab.note("2.1", team.ok ? "there" : describe(team));

  const lists = [lab.zone("/dns_records"), lab.access("/apps"), lab.access("/policies"), lab.access("/service_tokens")];
  const keys = new Set<string>();
  for (const list of lists) {
    const { envelope } = await api.must("GET", `${list}?page=1&per_page=50`);
    for (const key of Object.keys(envelope.result_info ?? {})) keys.add(key);
  }
  lab.note("11.1", [...keys].sort().join(", ") || "none");
}

/** An Origin CA certificate for a week, and Cloudflare's answer to its request. */
export async function requestCertificate({ place: { api } }: Laboratory, hostname: string) {
  const { privateKey, pem } = newKey("ec");
  const subject = distinguishedName([[attribute.commonName, [hostname]]]);
  const { result } = await api.must("POST", "/certificates", {
    csr: certificateRequest(subject, [], privateKey).pem,
    hostnames: [hostname],
    request_type: "origin-ecc",
    requested_validity: 7,
  });
  return { certificate: String(result.certificate), privateKey: pem, result };
}

/** An Origin CA certificate from its request to its revocation. */
export async function probeOriginCertificate(lab: Laboratory): Promise<void> {
  const { api } = lab.place;
  const { result } = await requestCertificate(lab, lab.hostname);
  const path = `/certificates/${String(result.id)}`;
  const has = (one: Record<string, unknown>) => "csr" in one || "requested_validity" in one;
  const later = (await api.must("GET", path)).result;
  if (!has(result)) lab.note("13.1", "never");
  else lab.note("13.1", has(later) ? "in every answer" : "in the answer to its creation only");
  lab.note("13.2", describe(await api.call("DELETE", path)));
}

/** Leads a name to the origin, through the edge. */
export const createRecord = (lab: Laboratory, name: string) =>
  lab.place.api.must("POST", lab.zone("/dns_records"), {
    name,
    type: isIPv6(lab.place.origin) ? "AAAA" : "A",
    content: lab.place.origin,
    proxied: true,
    ttl: 1,
  });

/** What clients of the edge get, whether an origin answers or not. */
export async function probeNames(lab: Laboratory): Promise<void> {
  const { network } = lab.place;
  await createRecord(lab, lab.hostname);
  await createRecord(lab, `deep.${lab.hostname}`);
  // The edge takes longer than a request of ours to give up an origin that does not answer.
  const ask = async (hostname: string): Promise<"challenge" | "online" | "away"> => {
    try {
      const { isChallenge } = await get(network, new URL(`https://${hostname}/`), {});
      return isChallenge ? "challenge" : "online";
    } catch (error) {
      return error instanceof Error && ["TimeoutError", "AbortError"].includes(error.name) ? "online" : "away";
    }
  };
  const online = await lab.follow(
    () => ask(lab.hostname),
    (seen) => seen !== "away",
  );
  if (online.seconds === undefined) throw new Error(`${lab.hostname} does not come online`);
  lab.note("15.1", (await ask(lab.hostname)) === "challenge" ? "challenged" : "not challenged");
  lab.note("17.1", (await ask(`deep.${lab.hostname}`)) === "away" ? "no certificate" : "a certificate");
}

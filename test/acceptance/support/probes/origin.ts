import { X509Certificate } from "node:crypto";
import { get } from "../../../../components/site-check/network.ts";
import type { Laboratory } from "../laboratory.ts";
import type { Witness } from "../witness.ts";
import { clientCertificate } from "./origin-pulls.ts";
import { createRecord, requestCertificate } from "./zone.ts";

/** A host name with an origin behind it. */
interface Origin {
  witness: Witness;
  hostname: string;
}

/** How Cloudflare connects to an origin: needs one that writes it down. */
export async function probeOrigin(lab: Laboratory): Promise<void> {
  const { witness, zoneName, origin: address } = lab.place;
  if (!witness) return;
  const origin = { witness, hostname: `${lab.name}-origin.${zoneName}` };
  witness.renew(await requestCertificate(lab, origin.hostname));
  await createRecord(lab, origin.hostname);
  const reached = await lab.follow(
    () => ask(lab, origin),
    (seen) => seen !== NOBODY,
  );
  if (reached.seconds === undefined) throw new Error(`Cloudflare does not reach ${address} on port 443`);
  lab.note("16.1", `HTTP/${(witness.last(origin.hostname)?.version ?? "").replace(/\.0$/, "")}`);
  await probePresented(lab, origin);
}

const NOBODY = "no request";

/** Whether a host name's own certificate is presented, with the zone's settings as they are. */
async function probePresented(lab: Laboratory, origin: Origin): Promise<void> {
  const { api } = lab.place;
  const { hostname, witness } = origin;
  const pulls = lab.zone("/origin_tls_client_auth/hostnames");
  const { certificate, privateKey } = clientCertificate(lab.name, 50);
  const upload = { certificate, private_key: privateKey };
  const { id } = (await api.must("POST", `${pulls}/certificates`, upload)).result;
  const untilActive = (path: string) =>
    lab.follow(
      async () => String((await api.must("GET", path)).result.status),
      (seen) => seen === "active",
    );
  await untilActive(`${pulls}/certificates/${String(id)}`);
  await api.must("PUT", pulls, { config: [{ hostname, cert_id: id, enabled: true }] });
  await untilActive(`${pulls}/${hostname}`);

  const { raw } = new X509Certificate(certificate);
  const presented = await lab.follow(
    async () => {
      // The edge presents its certificate once for each connection.
      witness.disconnect();
      if ((await ask(lab, origin)) === NOBODY) return NOBODY;
      const client = witness.last(hostname)?.client;
      return client === undefined ? "no certificate" : client.equals(raw) ? "presented" : "another certificate";
    },
    (seen) => seen === "presented",
  );
  const isOn = (await api.must("GET", lab.zone("/settings/tls_client_auth"))).result.value === "on";
  const said = presented.seconds === undefined ? presented.said : "presented";
  lab.note("18.1", { ...presented, said: `${said}${isOn ? ", with tls_client_auth on" : ""}` });
}

/** Sends a request through the edge, and says whether it has come. */
async function ask({ place: { network } }: Laboratory, { witness, hostname }: Origin): Promise<string> {
  const before = witness.last(hostname);
  await get(network, new URL(`https://${hostname}/`), {}).catch(() => undefined);
  return witness.last(hostname) === before ? NOBODY : "a request";
}

// The zone's half of the status page: settings, origin pulls, DNS records, certificates.

import { X509Certificate } from "node:crypto";
import { html } from "hono/html";
import { statusOf } from "../pull-certificates.ts";
import type { PullCertificate, State, Zone } from "../state.ts";
import { badge, code, ends, onOff, section, table, type Tone } from "./parts.ts";

const SSL_TONES: Record<string, Tone> = { strict: "good", full: "warn" };
const FIRST_SETTINGS = ["ssl", "ssl_automatic_mode", "tls_client_auth", "always_use_https", "min_tls_version"];

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

function setting(id: string, value: unknown) {
  if (id === "ssl") return badge(text(value), SSL_TONES[text(value)] ?? "bad");
  return value === "on" || value === "off" ? onOff(value === "on") : code(text(value));
}

function settings(zone: Zone) {
  const rows = (ids: string[]) =>
    ids.map(
      (id) =>
        html`<dt>${id}</dt>
          <dd>${setting(id, zone.settings[id]?.value)}</dd>`,
    );
  const others = Object.keys(zone.settings).filter((id) => !FIRST_SETTINGS.includes(id));
  return html`<dl>${rows(FIRST_SETTINGS)}</dl>
    <details data-key="settings-${zone.id}">
      <summary>${others.length} other settings</summary>
      <dl>${rows(others)}</dl>
    </details>`;
}

function pullRows(level: string, certificates: PullCertificate[]) {
  return certificates.map((certificate) => {
    const { validTo } = new X509Certificate(certificate.certificate);
    const status = statusOf(certificate);
    return {
      cells: [
        level,
        code(certificate.id),
        badge(status, status === "active" ? "good" : "warn"),
        ends(new Date(validTo).toISOString()),
      ],
    };
  });
}

function originPulls({ origin_pulls: pulls, settings: { tls_client_auth: shared } }: Zone) {
  const hostnames = pulls.hostnames.map((entry) => ({
    cells: [entry.hostname, code(entry.cert_id), onOff(entry.enabled)],
  }));
  return html`<h3>Origin pulls</h3>
    <dl>
      <dt>shared certificate</dt>
      <dd>${onOff(shared?.value === "on")}</dd>
      <dt>zone level</dt>
      <dd>${onOff(pulls.enabled)}</dd>
    </dl>
    ${table(
      ["Level", "Certificate", "Status", "Ends"],
      [...pullRows("zone", pulls.certificates), ...pullRows("hostname", pulls.hostname_certificates)],
      "No certificate of your own is uploaded.",
    )}
    ${table(["Host name", "Certificate", "Enabled"], hostnames, "No host name has its own certificate.")}`;
}

/** What keeps a zone from being served as usual. */
const standing = ({ status = "active", paused = false, type = "full" }: Zone) => [
  status === "active" ? "" : badge(status, "bad"),
  paused ? badge("paused", "bad") : "",
  type === "full" ? "" : badge(type, "warn"),
];

export const zones = (state: State) =>
  state.zones.map((zone) =>
    section(
      `Zone ${zone.name}`,
      undefined,
      html`<p>${code(zone.id)} ${standing(zone)}</p>
        ${settings(zone)}${originPulls(zone)}`,
    ),
  );

export function dnsRecords({ dns_records: records }: State) {
  const rows = records.map((record) => ({
    cells: [
      record.name,
      record.type,
      code(record.content),
      record.proxied ? badge("proxied", "orange") : badge("DNS only"),
      record.comment ?? "",
    ],
  }));
  const nothing = "No records: no name leads here.";
  return section("DNS records", records.length, table(["Name", "Type", "Content", "", "Comment"], rows, nothing));
}

export function originCertificates({ origin_certificates: certificates }: State) {
  // "2027-11-24 00:00:00 +0000 UTC"
  const iso = (time: string): string => `${time.slice(0, 19).replace(" ", "T")}Z`;
  const rows = certificates.map((certificate) => ({
    class: certificate.revoked_at === null ? "" : "dim",
    cells: [
      certificate.hostnames.join(", "),
      certificate.request_type,
      certificate.revoked_at === null ? ends(iso(certificate.expires_on)) : badge("revoked", "bad"),
      code(certificate.serial_number),
    ],
  }));
  const heads = ["Host names", "Type", "Ends", "Serial number"];
  return section("Origin CA certificates", certificates.length, table(heads, rows, "None was issued."));
}

// Answers that Access gives itself: refusals, redirects, pages.

import { createHash } from "node:crypto";
import type { OutgoingHttpHeaders } from "node:http";
import { html } from "hono/html";
import type { AccessApp } from "../api/state.ts";
import { type Answer, HTML, htmlPage } from "../edge/answers.ts";
import type { Visit } from "./visit.ts";

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The address that leads to a host the way the visitor came: over TLS, on the same port. */
export const originOf = (host: string, { port }: Visit): string => `https://${host}${port}`;

export const redirect = (location: string, cookies: string[] = [], headers: OutgoingHttpHeaders = {}): Answer => ({
  status: 302,
  headers: { location, "cache-control": "private, no-store", "set-cookie": cookies, ...headers },
});

export const json = (status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Answer => ({
  status,
  headers: { "content-type": "application/json", "cache-control": "private, no-store", ...headers },
  body: JSON.stringify(value),
});

/** A page of Access. It loads nothing and nobody may frame it. */
export const page = (status: number, title: string, body: unknown, headers: OutgoingHttpHeaders = {}): Answer => ({
  status,
  headers: {
    ...HTML,
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "same-origin",
    ...headers,
  },
  body: htmlPage(title, body),
});

/** A page that says what is wrong and where to go on. */
export const problem = (status: number, title: string, text: string, next?: { href: string; label: string }): Answer =>
  page(
    status,
    title,
    html`<h1>${title}</h1>
      <p>${text}</p>
      ${next === undefined ? "" : html`<a class="button" href="${next.href}">${next.label}</a>`}`,
  );

const REFUSALS = {
  401: ["Unauthorized", "This request shows no login and no valid service token."],
  403: ["Forbidden", "You don't have permission to view this. Please contact your system administrator."],
} as const;

/** 401 or 403 in front of an application: JSON for those that ask for it, else a page. */
export function refusal({ request, ray }: Visit, app: AccessApp, status: 401 | 403): Answer {
  const [title, text] = REFUSALS[status];
  const headers = { "cf-access-aud": app.aud, "cf-access-domain": app.domain };
  if ((request.headers.accept ?? "").includes("application/json")) {
    return json(status, { aud: app.aud, message: `${title}. ${text}`, ray_id: ray, status }, headers);
  }
  const body = html`<h1>${title}</h1>
    <p>${text}</p>
    <footer>Ray ID: ${ray} &middot; sandbox Access</footer>`;
  return page(status, `${title}: ${app.name}`, body, headers);
}

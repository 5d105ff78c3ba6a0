// The status page: the state of the sandbox's Cloudflare on one page, which loads nothing from elsewhere.

import { randomBytes } from "node:crypto";
import { Hono } from "hono";
import { html, raw } from "hono/html";
import type { World } from "../app.ts";
import type { ApiContext, Entry } from "../journal.ts";
import { applications, mailbox, organizations, serviceTokens } from "./access-sections.ts";
import { dnsRecords, originCertificates, zones } from "./cloudflare-sections.ts";
import { badge, code, section, table, type Tone } from "./parts.ts";
import { SCRIPT, STYLE } from "./assets.ts";

const SHOWN_REQUESTS = 60;

function tone(status: number): Tone {
  if (status === 0 || status >= 500) return "bad";
  return status >= 400 ? "warn" : "good";
}

function requestRow(entry: Entry) {
  return {
    class: entry.unknown === true ? "unknown" : "",
    cells: [
      entry.at.slice(11, 19),
      entry.method,
      code(entry.path),
      badge(entry.status === 0 ? "cut" : String(entry.status), tone(entry.status)),
      entry.unknown === true ? badge("UNKNOWN ROUTE", "bad") : "",
      entry.fault === undefined ? "" : badge("fault", "orange"),
      entry.token ?? "",
      `${entry.duration_ms} ms`,
    ],
  };
}

function requests(entries: Entry[]) {
  const rows = entries.slice(-SHOWN_REQUESTS).reverse().map(requestRow);
  const heads = ["At", "", "Path", "Status", "", "", "Token", "Took"];
  return section("Requests to the API", entries.length, table(heads, rows, "None yet."));
}

/** Host names of this machine; any other means DNS rebinding by a foreign page. */
const LOOPBACK = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?$/i;

/** The page at `/`. */
export function statusApp({ store, journal }: World): Hono<ApiContext> {
  return new Hono<ApiContext>().get("/", (c) => {
    if (!LOOPBACK.test(c.req.header("host") ?? "")) {
      return c.text("The status page is only for this machine: open it as http://127.0.0.1:PORT/\n", 403);
    }
    const { state } = store;
    const entries = journal.since();
    const unknown = entries.filter((entry) => entry.unknown === true).length;
    const nonce = randomBytes(16).toString("base64");
    c.header(
      "content-security-policy",
      `default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'`,
    );
    c.header("cache-control", "no-store");
    c.header("referrer-policy", "no-referrer");
    return c.html(
      html`<!doctype html>
        <html lang="en">
          <head>
            <meta charset="utf-8" />
            <meta name="viewport" content="width=device-width" />
            <title>Sandbox Cloudflare</title>
            <link rel="icon" href="data:," />
            <style>
              ${raw(STYLE)}
            </style>
            <noscript><meta http-equiv="refresh" content="5" /></noscript>
          </head>
          <body>
            <header>
              <h1>Sandbox Cloudflare</h1>
              <p>What this checkout's API double knows. The page follows every change.</p>
            </header>
            <main>
              ${
                unknown === 0
                  ? ""
                  : html`<p class="alarm">Requests to routes that the sandbox does not know: ${unknown}</p>`
              }
              <div class="columns">
                <div>${zones(state)}${dnsRecords(state)}${originCertificates(state)}</div>
                <div>${applications(state)}${serviceTokens(state)}${mailbox(state)}${organizations(state)}</div>
              </div>
              ${requests(entries)}
            </main>
            <script nonce="${nonce}">
              ${raw(SCRIPT)};
            </script>
          </body>
        </html>`,
    );
  });
}

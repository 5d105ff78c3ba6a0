// Answers that the edge gives itself, without an origin.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { html, raw } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";

/** A whole answer. */
export interface Answer {
  status: number;
  headers?: OutgoingHttpHeaders;
  body?: string;
}

const REASONS: Record<number, string> = {
  520: "Web server is returning an unknown error",
  521: "Web server is down",
  522: "Connection timed out",
  523: "Origin is unreachable",
  524: "A timeout occurred",
  525: "SSL handshake failed",
  526: "Invalid SSL certificate",
};

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fafafa;margin:0}
main{max-width:34rem;margin:8vh auto;padding:1.5rem 2rem;background:#fff;border:1px solid #ddd;border-radius:8px}
h1{font-size:1.4rem;margin:0 0 .75rem}label{display:block;font-weight:600;margin:.75rem 0 .25rem}
input{font:inherit;padding:.5rem;width:100%;box-sizing:border-box;border:1px solid #888;border-radius:4px}
button,.button{font:inherit;display:block;width:100%;box-sizing:border-box;text-align:center;margin-top:.75rem;
padding:.55rem;border:0;border-radius:4px;background:#0b57b7;color:#fff;text-decoration:none;cursor:pointer}
.alert{border-left:4px solid #b3261e;padding-left:.75rem}footer{color:#666;font-size:.85rem;margin-top:1.5rem}`;

/** A plain page. `body` is a template of hono/html, so what is put into it is escaped. */
export function htmlPage(title: string, body: unknown): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${title}</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html>`;
  return (page as HtmlEscapedString).toString();
}

export const HTML = { "content-type": "text/html; charset=UTF-8", "cache-control": "private, no-store" };

/** Whether a request wants a page rather than a line of text. */
const wantsPage = (request: IncomingMessage): boolean => (request.headers.accept ?? "").includes("text/html");

/** An error of the edge: a page for a browser, a line for everybody else. `code` is Cloudflare's own, if it differs. */
export function errorAnswer(
  request: IncomingMessage,
  status: number,
  title: string,
  ray: string,
  code = status,
): Answer {
  if (!wantsPage(request)) {
    const headers = { "content-type": "text/plain; charset=UTF-8", "cache-control": "private, no-store" };
    return { status, headers, body: `error code: ${code}` };
  }
  const body = html`<h1>Error ${code}</h1>
    <p>${title}</p>
    <footer>error code: ${code} &middot; Ray ID: ${ray} &middot; sandbox edge</footer>`;
  return { status, headers: HTML, body: htmlPage(`${title} (${code})`, body) };
}

/** 52x: the origin did not answer as it should. */
export function originErrorAnswer(request: IncomingMessage, status: number, ray: string): Answer {
  return errorAnswer(request, status, REASONS[status] ?? "Web server error", ray);
}

/** Sends an answer, unless one has begun. */
export function send(request: IncomingMessage, response: ServerResponse, answer: Answer, ray: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = Buffer.from(answer.body ?? "");
  const headers = { ...answer.headers, "content-length": body.length, server: "cloudflare", "cf-ray": ray };
  response.writeHead(answer.status, headers);
  response.end(request.method === "HEAD" ? undefined : body);
}

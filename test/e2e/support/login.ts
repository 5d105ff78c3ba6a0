import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import { SITE, type World } from "./world.ts";

/** A page, with the address at which it was found. */
interface Page {
  url: URL;
  body: string;
}

/**
 * Logs a person in as a browser would, by a PIN, and opens the site.
 * @returns the cookies that the browser has in the end, by host and name.
 */
export async function logIn(world: World, email: string): Promise<Map<string, string>> {
  const cookies = new Map<string, string>();
  const ca = readFileSync(world.sandbox.publicCaPath);

  /** Goes to an address, and on to where it leads. */
  async function go(url: URL, form?: Record<string, string>): Promise<Page> {
    const own = [...cookies].filter(([name]) => name.startsWith(`${url.hostname} `));
    const request = https.request({
      host: "127.0.0.1",
      port: url.port,
      servername: url.hostname,
      ca,
      agent: false,
      path: url.pathname + url.search,
      method: form ? "POST" : "GET",
      headers: {
        host: url.host,
        accept: "text/html",
        cookie: own.map(([name, value]) => `${name.split(" ")[1] ?? ""}=${value}`).join("; "),
        ...(form && { "content-type": "application/x-www-form-urlencoded" }),
      },
    });
    request.end(form && new URLSearchParams(form).toString());
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const body = await text(response);
    for (const cookie of response.headers["set-cookie"] ?? []) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(`${url.hostname} ${name}`, value);
    }
    const { location } = response.headers;
    return location === undefined ? { url, body } : go(new URL(location, url));
  }

  /** Fills in the only form of a page and sends it. */
  function submit({ url, body }: Page, fields: Record<string, string>): Promise<Page> {
    const action = /<form[^>]*action="([^"]+)"/.exec(body)?.[1];
    if (action === undefined) throw new Error(`${url.href} has no form`);
    const hidden = [...body.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)];
    const given = Object.fromEntries(hidden.map(([, name = "", value = ""]) => [name, value]));
    return go(new URL(action, url), { ...given, ...fields });
  }

  const login = await go(new URL(world.sandbox.browserUrl(SITE)));
  const code = await submit(login, { email });
  const [mail] = await world.api.mailbox(email);
  if (mail === undefined) throw new Error(`nobody has sent a PIN to ${email}`);
  const { url } = await submit(code, { code: mail.pin });
  if (url.hostname !== SITE) throw new Error(`the login has led to ${url.hostname}`);
  return cookies;
}

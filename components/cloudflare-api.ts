// A small client of Cloudflare's API. It uses fetch because the calls are few: loading Cloudflare's SDK takes longer
// than all of them.

/** The envelope of every response; fields are missing if something other than the API responds. */
export interface Envelope {
  success?: unknown;
  result?: unknown;
  result_info?: { page?: number; per_page?: number; total_pages?: number } | null;
  errors?: unknown;
}

/** One request. */
export interface ApiCall {
  method: string;
  url: string;
  /** API token; it is sent to `url` only. */
  token: string;
  /** Milliseconds to wait for the response. */
  timeout: number;
  /** Sent as JSON. */
  body?: unknown;
}

/** Sends one request. Rejects as `fetch` does, and on a redirect, which would send the token elsewhere. */
export const request = ({ method, url, token, timeout, body }: ApiCall): Promise<Response> =>
  fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    redirect: "error",
    signal: AbortSignal.timeout(timeout),
  });

/** Reads the envelope of a response; empty if it is not the API's. */
export async function readEnvelope(answer: Response): Promise<Envelope> {
  const body: unknown = await answer.json().catch(() => undefined);
  return typeof body === "object" && body !== null ? body : {};
}

/** One of Cloudflare's errors. It contains neither the token nor any other part of the request. */
export interface ApiError {
  code: number | undefined;
  message: string;
}

/** The errors in an envelope. */
export function listedErrors({ errors }: Envelope): ApiError[] {
  const listed: readonly unknown[] = Array.isArray(errors) ? errors : [];
  return listed.flatMap((error) => {
    const { code, message } = (typeof error === "object" && error !== null ? error : {}) as Partial<
      Record<keyof ApiError, unknown>
    >;
    return typeof message === "string" ? [{ code: typeof code === "number" ? code : undefined, message }] : [];
  });
}

/** The messages of the errors in an envelope. */
export const errorMessages = (envelope: Envelope): string[] => listedErrors(envelope).map(({ message }) => message);

/** The codes of the errors in an envelope. */
export const errorCodes = (envelope: Envelope): number[] =>
  listedErrors(envelope).flatMap(({ code }) => (code === undefined ? [] : [code]));

/** The largest page size that all lists accept. */
const PAGE = 50;

/**
 * Reads all pages of a list. Cloudflare promises only the page's number and size: not every list says how many pages it
 * has, and some have only one, whatever is asked for.
 */
export async function allPages<T>(path: string, read: (path: string) => Promise<Envelope>): Promise<T[]> {
  const found: T[] = [];
  for (let page = 1; ; page += 1) {
    const query = `${path.includes("?") ? "&" : "?"}page=${page.toString()}&per_page=${PAGE.toString()}`;
    const { result, result_info: info } = await read(path + query);
    if (page > 1 && info?.page !== page) return found;
    const items = (result ?? []) as T[];
    found.push(...items);
    if (!info || items.length < (info.per_page ?? PAGE) || page === info.total_pages) return found;
  }
}

/** The root cause of a failed fetch, which the outer error does not name. */
export const rootCause = (error: unknown): string =>
  error instanceof Error ? (error.cause === undefined ? error.message : rootCause(error.cause)) : String(error);

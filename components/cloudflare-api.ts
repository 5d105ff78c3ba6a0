// What all who talk to Cloudflare's API themselves have in common. The calls are few, so this is plain fetch: to load
// Cloudflare's SDK takes longer than all of them.

/** The frame around every answer; fields are missing where something else than the API answers. */
export interface Envelope {
  result?: unknown;
  result_info?: { total_pages?: number };
  errors?: readonly { message?: string }[];
}

/** One request. */
export interface ApiCall {
  method: string;
  url: string;
  /** API token; goes nowhere but to `url`. */
  token: string;
  /** Milliseconds for the answer. */
  timeout: number;
  /** Sent as JSON. */
  body?: unknown;
}

/** Makes one request. Rejects as `fetch` does, also for a redirection, which would take the token elsewhere. */
export const request = ({ method, url, token, timeout, body }: ApiCall): Promise<Response> =>
  fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    redirect: "error",
    signal: AbortSignal.timeout(timeout),
  });

/** The frame of an answer; empty if it is none of the API's. */
export const envelopeOf = async (answer: Response): Promise<Envelope> =>
  (await answer.json().catch(() => ({}))) as Envelope;

/** Cloudflare's own words about what is wrong, which name neither the token nor anything else of the request. */
export const complaints = ({ errors = [] }: Envelope): string[] => errors.flatMap(({ message }) => message ?? []);

/** The largest page that all of the lists take. */
const PAGE = 50;

/** The results of all pages of a list. */
export async function allPages<T>(path: string, read: (path: string) => Promise<Envelope>): Promise<T[]> {
  const found: T[] = [];
  for (let page = 1; ; page += 1) {
    const query = `${path.includes("?") ? "&" : "?"}page=${page.toString()}&per_page=${PAGE.toString()}`;
    const { result, result_info: info } = await read(path + query);
    found.push(...((result ?? []) as T[]));
    if (page >= (info?.total_pages ?? 1)) return found;
  }
}

/** The reason of a failed fetch, which its outer error does not name. */
export const innermost = (error: unknown): string =>
  error instanceof Error ? (error.cause === undefined ? error.message : innermost(error.cause)) : String(error);

import { ApiProblem, type ApiReader } from "./collect.ts";

// The calls are few and only read, so this is plain fetch: to load Cloudflare's SDK takes longer than all of them.

/** Milliseconds for an answer. */
const ANSWER_MS = 6000;
/** The largest page that all of the lists take. */
const PAGE = 50;

/** The frame around every answer; fields are missing where something else than the API answers. */
interface Envelope<T> {
  result?: T;
  result_info?: { total_pages?: number };
  errors?: readonly { message?: string }[];
}

/** Reads with an API token, which goes nowhere but to `baseUrl`. */
export function apiReader(baseUrl: string, token: string): ApiReader {
  const read = async <T>(path: string): Promise<Envelope<T> & { result: T }> => {
    const answer = await request(`${baseUrl}${path}`, token).catch((error: unknown) => {
      throw new ApiProblem(0, path, timedOut(error) ? "no answer in time" : innermost(error));
    });
    const envelope = (await answer.json().catch(() => ({}))) as Envelope<T>;
    const { result } = envelope;
    if (answer.ok && result !== undefined) return { ...envelope, result };
    // Cloudflare's own words, which name neither the token nor anything else of the request.
    const said = (envelope.errors ?? []).flatMap(({ message }) => message ?? []);
    throw new ApiProblem(answer.status, path, [`it answers ${answer.status.toString()}`, ...said].join(", "));
  };
  return {
    one: async <T>(path: string) => (await read<T>(path)).result,
    all: async <T>(path: string) => {
      const found: T[] = [];
      for (let page = 1; ; page += 1) {
        const query = `${path.includes("?") ? "&" : "?"}page=${page.toString()}&per_page=${PAGE.toString()}`;
        const { result, result_info: info } = await read<T[]>(path + query);
        found.push(...result);
        if (page >= (info?.total_pages ?? 1)) return found;
      }
    },
  };
}

/** One GET, once more if the first one fails on Cloudflare's side of the line. */
async function request(url: string, token: string): Promise<Response> {
  const ask = () =>
    fetch(url, {
      headers: { authorization: `Bearer ${token}` },
      // A redirection would take the token elsewhere.
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  const answer = await ask();
  return answer.status >= 500 ? ask() : answer;
}

const timedOut = (error: unknown) => error instanceof Error && error.name === "TimeoutError";

/** The reason of a failed fetch, which its outer error does not name. */
const innermost = (error: unknown): string =>
  error instanceof Error ? (error.cause === undefined ? error.message : innermost(error.cause)) : String(error);

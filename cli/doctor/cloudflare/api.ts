import Cloudflare, { APIConnectionTimeoutError, APIError } from "cloudflare";
import { ApiProblem, type ApiReader } from "./collect.ts";

/** Milliseconds for an answer, and how often a question is asked again: the doctor waits for nobody. */
const ANSWER_MS = 6000;
const RETRIES = 1;
/** The largest page that all of the lists take. */
const PAGE = 50;

interface Envelope<T> {
  result: T;
  result_info?: { page?: number; total_pages?: number };
}

/** Reads with an API token. Nothing from the environment goes along with it. */
export function apiReader(baseUrl: string, token: string): ApiReader {
  const client = new Cloudflare({
    apiToken: token,
    apiKey: null,
    apiEmail: null,
    userServiceKey: null,
    baseURL: baseUrl,
    timeout: ANSWER_MS,
    maxRetries: RETRIES,
    logLevel: "off",
  });
  const read = async <T>(path: string, query: Record<string, number> = {}): Promise<Envelope<T>> => {
    try {
      return await client.get<Envelope<T>>(path, { query });
    } catch (error) {
      throw problem(path, error);
    }
  };
  return {
    one: async <T>(path: string) => (await read<T>(path)).result,
    all: async <T>(path: string) => {
      const found: T[] = [];
      for (let page = 1; ; page += 1) {
        const { result, result_info: info } = await read<T[]>(path, { page, per_page: PAGE });
        found.push(...result);
        if (page >= (info?.total_pages ?? 1)) return found;
      }
    },
  };
}

/** What became of a question, in Cloudflare's own words, which name neither the token nor anything of the request. */
function problem(path: string, error: unknown): ApiProblem {
  if (error instanceof APIConnectionTimeoutError) return new ApiProblem(0, path, "no answer in time");
  if (!(error instanceof APIError)) throw error;
  const { status, errors, cause } = error as APIError;
  if (status === undefined) return new ApiProblem(0, path, cause instanceof Error ? innermost(cause) : "no connection");
  const said = errors.map(({ message }) => message ?? "").filter((message) => message !== "");
  return new ApiProblem(status, path, [`Cloudflare answers ${status.toString()}`, ...said].join(", "));
}

/** The reason of a failed fetch, which its outer error does not name. */
const innermost = (error: Error): string => (error.cause instanceof Error ? innermost(error.cause) : error.message);

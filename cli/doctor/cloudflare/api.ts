// Reads Cloudflare's API for the tools.
import { setTimeout as sleep } from "node:timers/promises";
import {
  allPages,
  type ApiCall,
  type ApiError,
  type Envelope,
  listedErrors,
  readEnvelope,
  rootCause,
  request,
} from "../../../components/cloudflare-api.ts";

/** Reads from Cloudflare's API. Both reject with an `ApiProblem`. */
export interface ApiReader {
  /** Gets one object. */
  one<T>(path: string): Promise<T>;
  /** Gets all pages of a list. */
  all<T>(path: string): Promise<T[]>;
}

/** Why a request to the API failed. */
export class ApiProblem extends Error {
  /** HTTP status; 0 if there was no response, or one that is not the API's. */
  public readonly status: number;
  public readonly path: string;
  /** Cloudflare's own words. */
  public readonly errors: readonly ApiError[];

  public constructor(status: number, path: string, message: string, errors: readonly ApiError[] = []) {
    super(message);
    this.name = "ApiProblem";
    this.status = status;
    this.path = path;
    this.errors = errors;
  }
}

/** Whether the API does not know what was asked for. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof ApiProblem && (error.status === 400 || error.status === 404);

/** The problem with an answer that does not have what Cloudflare documents. */
export const unexpectedForm = (path: string) =>
  new ApiProblem(0, path, "its answer has another form than Cloudflare documents");

/** An error in Cloudflare's own words, with its code. */
export const inWords = ({ code, message }: ApiError) =>
  code === undefined ? message : `${message} (${code.toString()})`;

/** Where the owner of an account chooses its Zero Trust team, for which there is no API. */
export const TEAM_ADVICE = "open https://one.dash.cloudflare.com, choose a team name and the free plan";

const NOT_ENABLED = 9999;

/** Whether the account has no Zero Trust team. Then every call to Access is refused, whatever the token may do. */
export const isWithoutTeam = ({ errors }: Pick<ApiProblem, "errors">) =>
  errors.some(({ code, message }) => code === NOT_ENABLED || message.includes("access.api.error.not_enabled"));

/** A response of the API. */
export interface Reply {
  status: number;
  envelope: Envelope;
  errors: readonly ApiError[];
}

/** Milliseconds to wait for a response, and between two attempts after a refusal. */
const ANSWER_MS = 6000;
const PAUSE_MS = 1000;

/**
 * Sends a request, and repeats it once after a server-side error.
 *
 * @param patienceMs how long to repeat a request that is refused with 403: Cloudflare refuses a token that was just made
 * for some seconds, and refuses requests that are too many in the same way
 */
export async function exchange(call: ApiCall, patienceMs: number): Promise<Reply> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const first = await request(call);
    const answer = first.status >= 500 ? await request(call) : first;
    const envelope = await readEnvelope(answer);
    const reply = { status: answer.status, envelope, errors: listedErrors(envelope) };
    if (reply.status !== 403 || isWithoutTeam(reply) || performance.now() + PAUSE_MS > end) return reply;
    await sleep(PAUSE_MS);
  }
}

/**
 * Reads the API with a token, which is sent to `baseUrl` only.
 *
 * @param patienceMs as for `exchange`
 */
export function apiReader(baseUrl: string, token: string, patienceMs = 0): ApiReader {
  const read = async (path: string): Promise<Envelope> => {
    const call = { method: "GET", url: `${baseUrl}${path}`, token, timeout: ANSWER_MS };
    const { status, envelope, errors } = await exchange(call, patienceMs).catch((error: unknown) => {
      throw new ApiProblem(0, path, timedOut(error) ? "no answer in time" : rootCause(error));
    });
    const isOk = status >= 200 && status < 300;
    if (isOk && envelope.success !== false && envelope.result !== undefined) return envelope;
    const said = [`it answers ${status.toString()}`, ...errors.map(inWords)];
    throw new ApiProblem(status, path, said.join(", "), errors);
  };
  const readAs = async (path: string, isRight: (result: unknown) => boolean): Promise<Envelope> => {
    const envelope = await read(path);
    if (isRight(envelope.result)) return envelope;
    throw unexpectedForm(path);
  };
  return {
    one: async <T>(path: string) => (await readAs(path, isObject)).result as T,
    all: (path) => allPages(path, (page) => readAs(page, isListOfObjects)),
  };
}

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);

// The API has `null` for an empty list in some places.
const isListOfObjects = (value: unknown) => value === null || (Array.isArray(value) && value.every(isObject));

const timedOut = (error: unknown) => error instanceof Error && error.name === "TimeoutError";

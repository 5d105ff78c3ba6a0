import {
  allPages,
  type ApiCall,
  errorMessages,
  type Envelope,
  readEnvelope,
  rootCause,
  request,
} from "../../../components/cloudflare-api.ts";
import { ApiProblem, type ApiReader } from "./collect.ts";

/** Milliseconds to wait for a response. */
const ANSWER_MS = 6000;

/** Reads the API with a token, which is sent to `baseUrl` only. */
export function apiReader(baseUrl: string, token: string): ApiReader {
  const read = async (path: string): Promise<Envelope> => {
    const call = { method: "GET", url: `${baseUrl}${path}`, token, timeout: ANSWER_MS };
    const answer = await requestWithRetry(call).catch((error: unknown) => {
      throw new ApiProblem(0, path, timedOut(error) ? "no answer in time" : rootCause(error));
    });
    const envelope = await readEnvelope(answer);
    if (answer.ok && envelope.success !== false && envelope.result !== undefined) return envelope;
    const said = [`it answers ${answer.status.toString()}`, ...errorMessages(envelope)];
    throw new ApiProblem(answer.status, path, said.join(", "));
  };
  const readAs = async (path: string, isRight: (result: unknown) => boolean): Promise<Envelope> => {
    const envelope = await read(path);
    if (isRight(envelope.result)) return envelope;
    throw new ApiProblem(0, path, "its answer has another form than Cloudflare documents");
  };
  return {
    one: async <T>(path: string) => (await readAs(path, isObject)).result as T,
    all: (path) => allPages(path, (page) => readAs(page, isListOfObjects)),
  };
}

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);

// The API has `null` for an empty list in some places.
const isListOfObjects = (value: unknown) => value === null || (Array.isArray(value) && value.every(isObject));

/** Sends a request, and retries it once after a server-side error. */
async function requestWithRetry(call: ApiCall): Promise<Response> {
  const answer = await request(call);
  return answer.status >= 500 ? request(call) : answer;
}

const timedOut = (error: unknown) => error instanceof Error && error.name === "TimeoutError";

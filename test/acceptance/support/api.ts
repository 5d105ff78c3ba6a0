import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "../../../cli/lib/command.ts";
import {
  allPages,
  type Envelope,
  errorCodes,
  readEnvelope,
  request,
  rootCause,
} from "../../../components/cloudflare-api.ts";

/** One answer of the API. */
export interface Reply {
  ok: boolean;
  status: number;
  codes: number[];
  result: Record<string, unknown>;
  envelope: Envelope;
}

/** Milliseconds to wait for an answer, and between two looks at something that changes. */
const ANSWER_MS = 30_000;
/** How long a token's passing 403 is believed to last. */
const NEW_TOKEN_MS = 10_000;

/** Cloudflare's API, as it answers. */
export class Api {
  /** How many 403s have passed by themselves. */
  public passing403 = 0;
  public readonly url: string;
  public readonly token: string;

  public constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  /** Sends a request. Only a 403 is asked again, for some seconds. @throws CommandError if there is no answer */
  public async call(method: string, path: string, body?: unknown): Promise<Reply> {
    const end = Date.now() + NEW_TOKEN_MS;
    for (let refused = 0; ; refused += 1) {
      const asked = { method, url: this.url + path, token: this.token, timeout: ANSWER_MS, body };
      const answer = await request(asked).catch((error: unknown) => {
        throw new CommandError(`${method} ${path} gets no answer of Cloudflare: ${rootCause(error)}`);
      });
      const envelope = await readEnvelope(answer);
      if (answer.status === 403 && Date.now() < end) {
        await sleep(1000);
        continue;
      }
      if (refused > 0 && answer.ok) this.passing403 += refused;
      const result = (envelope.result ?? {}) as Record<string, unknown>;
      return { ok: answer.ok, status: answer.status, codes: errorCodes(envelope), result, envelope };
    }
  }

  /** All objects of a list. @throws CommandError if the API refuses it */
  public list(path: string): Promise<Record<string, unknown>[]> {
    return allPages(path, async (page) => {
      const { envelope } = await this.must("GET", page);
      // Whoever takes that for an empty list leaves behind what the suite has made.
      if (envelope.result !== null && !Array.isArray(envelope.result))
        throw new CommandError(`GET ${page}: the answer is not one of Cloudflare's API`);
      return envelope;
    });
  }

  /** A request that has to be accepted. @throws CommandError with Cloudflare's status and codes */
  public async must(method: string, path: string, body?: unknown): Promise<Reply> {
    const reply = await this.call(method, path, body);
    if (reply.ok) return reply;
    throw new CommandError(`${method} ${path} is ${describe(reply)}`);
  }
}

/** An answer in the words of the table. */
export const describe = ({ ok, status, codes }: Reply): string =>
  ok ? "accepted" : `refused: ${[status, ...codes.slice(0, 1)].join(", ")}`;

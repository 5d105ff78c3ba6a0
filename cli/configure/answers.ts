// The parts of Cloudflare's answers that configure reads, checked, so that nothing else is taken for them.
import { z } from "zod";
import { type ApiReader, unexpectedForm } from "../doctor/cloudflare/api.ts";
import { apiError } from "./token.ts";

const text = z.string();

/** A zone with its account: GET /zones. */
export const ZONE = z.looseObject({
  id: text,
  name: text,
  account: z.looseObject({ id: text, name: text }),
  status: text.exactOptional(),
  paused: z.boolean().exactOptional(),
  type: text.exactOptional(),
  name_servers: z.array(text).nullable().exactOptional(),
});

/** A way to log in. */
export const PROVIDER = z.looseObject({ id: text, name: text.default(""), type: text });

/** A DNS record. */
export const RECORD = z.looseObject({
  id: text,
  name: text,
  type: text,
  content: text.default(""),
  proxied: z.boolean().default(false),
});

/** An Access application. */
export const APPLICATION = z.looseObject({
  id: text,
  aud: text.default(""),
  name: text.default(""),
  domain: text.nullable().exactOptional(),
  destinations: z
    .array(z.looseObject({ uri: text.exactOptional() }))
    .nullable()
    .exactOptional(),
});

/** An Origin CA certificate. */
export const ISSUED = z.looseObject({
  id: text,
  certificate: text.default(""),
  hostnames: z.array(text),
  expires_on: text.default(""),
});

/** Which requests a Worker takes: GET /zones/{zone}/workers/routes. */
export const ROUTE = z.looseObject({ pattern: text, script: text.nullish() });

/**
 * Reads a list.
 *
 * @throws ApiProblem if it cannot be read, or has another form than Cloudflare documents
 */
export async function tryList<T extends z.ZodType>(api: ApiReader, path: string, item: T): Promise<z.output<T>[]> {
  const { data } = z.array(item).safeParse(await api.all(path));
  if (!data) throw unexpectedForm(path);
  return data;
}

/** The same; a problem becomes a message for a person. */
export const readList = <T extends z.ZodType>(api: ApiReader, path: string, item: T): Promise<z.output<T>[]> =>
  tryList(api, path, item).catch((error: unknown) => {
    throw apiError(error);
  });

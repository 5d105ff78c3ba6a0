// Kinds of settings: the values that are valid, and the messages for others.

import { X509Certificate } from "node:crypto";
import { z } from "zod";
import {
  durationSeconds,
  ORIGIN_CA_END,
  ORIGIN_CA_VALIDITIES,
  type OriginCaValidity,
  withinOriginCa,
} from "./durations.ts";
import { isLoopback, parseEndpoint } from "./network.ts";
import { normaliseHostKey } from "./ssh.ts";

/** A text without a `problem`. The setting's name is put in front of the problem. */
export const text = (problem: (value: string) => string | undefined) =>
  z.string({ error: "is missing" }).superRefine((value, context) => {
    const message = value === "" ? "is missing" : problem(value);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

/** A text without a `problem`, or the empty one. */
export const optional = (problem: (value: string) => string | undefined) =>
  z.string().superRefine((value, context) => {
    const message = value === "" ? undefined : problem(value);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

/** An object of a form, or the empty one, which comes to `undefined`. */
export const emptyOr = <T extends z.ZodObject>(form: T) =>
  z.record(z.string(), z.unknown(), { error: "must be an object" }).transform((value, context) => {
    if (Object.keys(value).length === 0) return undefined;
    const result = form.safeParse(value);
    if (result.success) return result.data;
    for (const { message, path } of result.error.issues) context.addIssue({ code: "custom", message, path });
    return z.NEVER;
  });

export const problemUnless = (holds: boolean, message: string) => (holds ? undefined : message);

export const hexId = text((value) =>
  problemUnless(/^[0-9a-f]{32}$/.test(value), "must be 32 hexadecimal digits, in lower case"),
);

export const uniqueList = (item: z.ZodType<string>) =>
  z.array(item, { error: "must be a list" }).superRefine((values, context) => {
    const repeated = values.find((value, index) => values.indexOf(value) !== index);
    if (repeated !== undefined) context.addIssue({ code: "custom", message: `names ${repeated} twice` });
  });

export const emailList = uniqueList(z.email({ error: "has an entry that is not an email address" }));

export const duration = (from: number, to: number, range: string, forever: "forever" | undefined = undefined) =>
  text((value) => {
    if (value === "forever") return problemUnless(forever !== undefined, `must end some day: ${range}`);
    const seconds = durationSeconds(value);
    return problemUnless(
      seconds !== undefined && seconds >= from && seconds <= to,
      `must be a duration like 24h, ${range}`,
    );
  });

export const integer = (from: number, to: number) =>
  z.int({ error: "must be a whole number" }).superRefine((value, context) => {
    if (value < from || value > to) {
      context.addIssue({ code: "custom", message: `must be between ${from.toString()} and ${to.toString()}` });
    }
  });

export const flag = z.boolean({ error: "must be true or false" });

export const endpoint = (example: string) =>
  text((value) => problemUnless(parseEndpoint(value) !== undefined, `must be address:port, like ${example}`));

export const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(", ")}` });

export const certificateValidity = z
  .int({ error: "must be a whole number of days" })
  .superRefine((days, context) => {
    if (!(ORIGIN_CA_VALIDITIES as readonly number[]).includes(days)) {
      context.addIssue({ code: "custom", message: `must be one of ${ORIGIN_CA_VALIDITIES.join(", ")} days` });
    } else if (!withinOriginCa(days)) {
      const end = ORIGIN_CA_END.toISOString().slice(0, 10);
      context.addIssue({ code: "custom", message: `reaches beyond ${end}, when Cloudflare's Origin CA itself ends` });
    }
  })
  .transform((days) => days as OriginCaValidity);

export const hostKey = z.string({ error: "is missing" }).transform((value, context) => {
  const result = value === "" ? { problem: "is missing" } : normaliseHostKey(value);
  if (result.problem === undefined) return result.line;
  context.addIssue({ code: "custom", message: result.problem });
  return z.NEVER;
});

export const httpUrl = text((value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol === "https:") return undefined;
  // The API token is sent to this address; without encryption only over loopback.
  return problemUnless(
    url?.protocol === "http:" && isLoopback(url.hostname.replace(/^\[|\]$/g, "")),
    "must be an https address",
  );
});

export const certificatePem = z.string().superRefine((value, context) => {
  if (value === "") return;
  try {
    if (!new X509Certificate(value).ca)
      context.addIssue({ code: "custom", message: "is not a certificate authority (CA)" });
  } catch {
    context.addIssue({ code: "custom", message: "is not a PEM certificate" });
  }
});

export const deviceName = text((value) =>
  problemUnless(
    /^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$/.test(value),
    `has «${value}»: use small letters, digits and hyphens`,
  ),
);

export const rotation = z.strictObject(
  {
    secretVersion: z.int().min(2, { error: "needs a secretVersion of 2 or more" }),
    previousSecretExpiresAt: z.iso.datetime({
      offset: true,
      error: "needs previousSecretExpiresAt as a time like 2026-12-01T00:00:00Z",
    }),
  },
  { error: "has exactly secretVersion and previousSecretExpiresAt for each device" },
);

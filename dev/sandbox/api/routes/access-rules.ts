// The rules of an Access policy: which selectors there are, and what each must hold.

import { z } from "zod";

const text = z.string().min(1);
const nothing = z.strictObject({});

/** The selectors that the sandbox's edge can decide, as documented for the API. */
const SELECTORS = {
  email: z.strictObject({ email: z.email() }),
  email_domain: z.strictObject({ domain: z.string().regex(/^[^@\s]+\.[^@\s]+$/, "is a domain, without @") }),
  everyone: nothing,
  ip: z.strictObject({ ip: z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]) }),
  login_method: z.strictObject({ id: text }),
  service_token: z.strictObject({ token_id: text }),
  any_valid_service_token: nothing,
};

export type Selector = keyof typeof SELECTORS;

/** A rule holds exactly one selector. */
const rule = z
  .strictObject(
    Object.fromEntries(Object.entries(SELECTORS).map(([name, schema]) => [name, schema.optional()])) as {
      [K in Selector]: z.ZodOptional<(typeof SELECTORS)[K]>;
    },
  )
  .refine((value) => Object.keys(value).length === 1, "a rule holds exactly one selector");

export const rules = z.array(rule);

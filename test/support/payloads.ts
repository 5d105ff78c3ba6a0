import { z } from "zod";
import { PAYLOADS, type StepName } from "../../components/origin-host/payload.ts";

/** What a test tells a step: fields of its payload by name, those of its one site beside the rest, or `sites`. */
export type Told = Readonly<Record<string, unknown>>;

/** Fields that most tests do not care about. */
const DEFAULTS: Told = {
  owner: "immich-access/test/zone/",
  after: "the step before",
  homeNetworks: [],
  sshFrom: [],
  keepOpen: [],
  originPort: 443,
  closeOthers: true,
  teamDomain: null,
  audience: null,
};

/**
 * A step's payload with the fields that its schema names, in which a wrong value stays wrong. A step that does not exist
 * is told everything.
 */
export function payloadFor(step: string, told: Told): Told {
  if (!(step in PAYLOADS)) return told;
  const { sites, ...fields } = PAYLOADS[step as StepName].shape as z.core.$ZodLooseShape;
  const own = pick(fields, told);
  if (!(sites instanceof z.ZodArray)) return own;
  const { shape } = sites.element as z.ZodObject;
  const all = (told["sites"] as Told[] | undefined) ?? [told];
  return { ...own, sites: all.map((site) => pick(shape, site)) };
}

const pick = (fields: object, told: Told): Told =>
  Object.fromEntries(Object.keys(fields).map((key) => [key, key in told ? told[key] : DEFAULTS[key]]));

// The outputs of a stack, as `pulumi stack output --json --show-secrets` shows them.
import type { DeviceHeaders } from "../../components/site-check/answers.ts";

/** The credentials of a device. */
export interface DeviceOutput extends DeviceHeaders {
  /** When its token expires, RFC 3339, or `never`. */
  expiresAt: string;
}

/** The outputs of one site that the tools need. */
export interface SiteOutputs {
  /** Address of the site. */
  url: string;
  /** Audience tag of its Access application. */
  audience: string;
  devices: Readonly<Record<string, DeviceOutput>>;
}

/** The outputs of a stack: those of the main site, and of further ones by host name. */
export interface Outputs extends SiteOutputs {
  /** Absent without public shares. */
  publicShareUrl?: string;
  /** Absent from a stack that was deployed before this output existed. */
  moreSites?: Readonly<Record<string, SiteOutputs>>;
}

// The outputs of a stack, as index.ts has them and `pulumi stack output --json --show-secrets` shows them.

/** The two values of a device's headers; the secret goes nowhere but to the site. */
export interface DeviceHeaders {
  clientId: string;
  clientSecret: string;
}

/** The credentials of a device. */
export interface DeviceOutput extends DeviceHeaders {
  /** When its token ends, as an RFC 3339 date. */
  expiresAt: string;
}

/** The outputs of one site, as far as commands need them. */
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
  /** Absent from a stack that was deployed before there could be any. */
  moreSites?: Readonly<Record<string, SiteOutputs>>;
}

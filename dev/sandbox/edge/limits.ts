// Cloudflare's limits on a proxied connection.

/** Times in milliseconds, sizes in bytes. */
export interface Limits {
  /** To open a connection to the origin, TCP and TLS each; then 522. */
  connectMs: number;
  /** Without a byte from the origin; then 524. The docs say 100 s or 120 s by age: the lower bound is safe. */
  readMs: number;
  /** For the origin to accept the request; then 524. */
  writeMs: number;
  /** An unused connection to the origin is kept this long. */
  idleMs: number;
  /** Requests at once on one HTTP/2 connection to the origin, if the origin takes as many. */
  streams: number;
  /** One megabyte of the zone's upload limit (the setting `max_upload`, 100 on the Free plan). */
  megabyte: number;
  /** All request headers together; then 431. */
  headerBytes: number;
}

/**
 * Megabytes that Node may hold for one HTTP/2 connection. Beyond its default of 10 it refuses streams, which 40 uploads
 * at once can reach.
 */
export const HTTP2_MEMORY = 1000;

export const LIMITS: Readonly<Limits> = {
  connectMs: 19_000,
  readMs: 100_000,
  writeMs: 30_000,
  idleMs: 900_000,
  streams: 200,
  megabyte: 1_048_576,
  headerBytes: 32_768,
};

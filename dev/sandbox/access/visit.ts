// A request as Access sees it, and Access's decision.

import type { IncomingMessage } from "node:http";
import type { EdgeState } from "../edge/feed.ts";
import type { Answer } from "../edge/answers.ts";

export interface Visit {
  edge: EdgeState;
  request: IncomingMessage;
  method: string;
  /** Host name without port, lower case. */
  host: string;
  /** `:port` if the visitor named one, else empty: redirects must lead back the way the visitor came. */
  port: string;
  scheme: "http" | "https";
  /** Path without query. */
  path: string;
  /** Path with query, as it was sent. */
  url: string;
  address: string;
  ray: string;
}

/** The fields of the query. */
export const queryOf = ({ url, path }: Visit): URLSearchParams => new URLSearchParams(url.slice(path.length));

/** Either the request goes on to the origin, or Access answers it. */
export type Verdict =
  | {
      pass: true;
      /** Headers for the origin. Undefined where Access did not run: no application, or a bypass. */
      headers?: Record<string, string>;
      /** Values of Set-Cookie for the visitor. */
      cookies?: string[];
    }
  | { pass: false; answer: Answer };

// What the sandbox says about Cloudflare that nobody has measured with this program, one fact a line.

/** Something to measure. */
export interface Fact {
  /** What is done or looked at. */
  what: string;
  /** What comes of it in the sandbox with its delays, in the words of the measurement. */
  sandbox: string;
  /** What it takes to be measured, where that is more than a token. */
  needs?: string;
}

const ORIGIN = "needs --origin";
const ENGINE = "needs the Pulumi engine";

/** By an id that stays, so that records can be compared. The number before the point is the fact's group. */
export const FACTS = {
  "1.1": { what: "service_auth_401_redirect without a Service Auth policy", sandbox: "refused: 400, 12130" },
  "1.2": { what: "the last Service Auth policy taken away while it is on", sandbox: "refused: 400, 12130" },
  "2.1": { what: "the account's Zero Trust team", sandbox: "there" },
  "3.1": { what: "a person without a session, with service_auth_401_redirect", sandbox: "401" },
  "3.2": { what: "a person without a session, without it", sandbox: "302 to the login" },
  "4.1": { what: "Access in front of a new application", sandbox: "after a while" },
  "5.1": { what: "passing 403s of the API token", sandbox: "none" },
  "6.1": { what: "an application that names a policy just created", sandbox: "refused: 400, 12133; then accepted" },
  "7.1": { what: "an uploaded host-name certificate", sandbox: "pending_deployment, then active" },
  "7.2": { what: "its deletion before it is active", sandbox: "refused: 400, 1434" },
  "7.3": { what: "a host name's new association", sandbox: "pending_deployment, then active" },
  "7.4": { what: "the deletion of a certificate that a host name presents", sandbox: "refused: 400, 1433" },
  "7.5": { what: "an association with another certificate", sandbox: "pending_deployment, then active" },
  "7.6": { what: "the deletion of the former certificate meanwhile", sandbox: "refused: 400, 1433" },
  "7.7": { what: "a voided association", sandbox: "pending_deletion, then gone" },
  "7.8": { what: "the deletion of its certificate meanwhile", sandbox: "refused: 400, 1433" },
  "8.1": { what: "the same certificate uploaded again", sandbox: "refused: 400, 1406" },
  "8.2": { what: "a deleted certificate in the list", sandbox: "pending_deletion, then deleted" },
  "8.3": { what: "a deleted certificate uploaded again", sandbox: "accepted, under the same id" },
  "9.1": { what: "the zone's setting ssl_automatic_mode", sandbox: "there" },
  "10.1": { what: "the zone", sandbox: "active, full, not paused" },
  "11.1": { what: "result_info of lists", sandbox: "page, per_page" },
  "12.1": { what: "host-name certificates in a zone", sandbox: "10, then refused: 400, 1408" },
  "13.1": { what: "an origin certificate's csr and requested_validity", sandbox: "in the answer to its creation only" },
  "13.2": { what: "the revocation of an origin certificate", sandbox: "accepted" },
  "14.1": { what: "the zone's name in the list of zones", sandbox: "ASCII" },
  "15.1": { what: "a client that is no browser", sandbox: "not challenged" },
  "16.1": { what: "the version of HTTP to the origin", sandbox: "HTTP/2", needs: ORIGIN },
  "17.1": { what: "a name two levels below the zone, over TLS", sandbox: "no certificate" },
  "18.1": { what: "host-name origin pulls without tls_client_auth", sandbox: "presented", needs: ORIGIN },
  "19.1": { what: "a service token with the duration forever", sandbox: "accepted, without an end" },
  "19.2": { what: "a service token's refresh", sandbox: "one more year, no new secret" },
  "20.1": { what: "the program's objects, through the engine", sandbox: "made in one go", needs: ENGINE },
  "20.2": { what: "a preview of them, with a refresh", sandbox: "no change", needs: ENGINE },
  "20.3": { what: "their removal", sandbox: "deleted in one go", needs: ENGINE },
} as const satisfies Readonly<Record<string, Fact>>;

/** Name of a fact. */
export type FactId = keyof typeof FACTS;

/** What came of it. */
export interface Measurement {
  said: string;
  /** How long it took, where something is waited for. */
  seconds?: number;
}

/** All that was measured. */
export type Measurements = Partial<Record<FactId, Measurement>>;

// A Zero Trust team of the tests' own: publishes its keys at the edge's address and signs tokens, good and bad.

import { once } from "node:events";
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import https from "node:https";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, type JWTPayload, SignJWT } from "jose";
import { DEV } from "../../../dev/sandbox/api/world.ts";
import { EDGE } from "../../../dev/sandbox/network/network.ts";
import { certificatesPayload, nginxPayload, Origin, ORIGIN_CA, serverCertificate } from "./origin.ts";

export const TEAM = DEV.teamDomain;
export const AUDIENCE = "a".repeat(64);

/** A signing key. */
export interface TeamKey {
  kid: string;
  publicKey: KeyObject;
  privateKey: KeyObject;
}

export const newTeamKey = (): TeamKey => ({
  kid: randomBytes(32).toString("hex"),
  ...generateKeyPairSync("rsa", { modulusLength: 2048 }),
});

export interface TokenChange {
  /** What signs. Default: the team's current key, with RS256. */
  key?: TeamKey;
  /** The key id in the header. Default: the key's own. */
  kid?: string;
  /** Claims that differ from a person's. */
  claims?: JWTPayload;
  /** Claims of a person's that it lacks. */
  without?: readonly string[];
  /** Seconds by which all times are shifted. Default: 0. */
  shift?: number;
}

export class Team {
  /** The keys that it publishes; the first one signs. */
  public keys: TeamKey[] = [newTeamKey(), newTeamKey()];
  /** What it answers instead of its keys. */
  public answer?: string;
  /** How often it has been asked for its keys. */
  public asked = 0;
  private readonly folder = mkdtempSync(join(tmpdir(), "immich-access-team-"));
  private readonly server: https.Server;

  private constructor() {
    const { certificate, privateKey } = serverCertificate(TEAM);
    this.server = https.createServer({ cert: certificate, key: privateKey }, (request, response) => {
      if (request.url !== "/cdn-cgi/access/certs") {
        response.writeHead(404).end();
        return;
      }
      this.asked += 1;
      void this.document().then((text) => response.end(text));
    });
  }

  /** Starts it where an origin's host finds it. The host does not trust its certificate yet. */
  public static async start(origin: Origin): Promise<Team> {
    const team = new Team();
    await team.resume();
    await origin.relay("edge", [team.route]);
    return team;
  }

  /** The way from the edge's address to it. */
  public get route(): object {
    return { listen: { host: EDGE.ipv4, port: 443 }, connect: { path: join(this.folder, "team") } };
  }

  /** Makes the origin's host trust its certificate. */
  public async trustedBy(origin: Origin): Promise<void> {
    await origin.host.inside("cat >>/etc/ssl/certs/ca-certificates.crt", { input: ORIGIN_CA.certificate });
  }

  /** A person's token, new and valid unless `change` says otherwise. */
  public token({ key = this.keys[0] ?? newTeamKey(), kid = key.kid, claims, without, shift = 0 }: TokenChange = {}) {
    const now = Math.floor(Date.now() / 1000) + shift;
    const all: JWTPayload = {
      type: "app",
      aud: [AUDIENCE],
      email: "anna@example.com",
      iss: `https://${TEAM}`,
      iat: now,
      nbf: now,
      exp: now + 3600,
      identity_nonce: randomBytes(12).toString("base64url"),
      ...claims,
    };
    return new SignJWT(Object.fromEntries(Object.entries(all).filter(([name]) => !without?.includes(name))))
      .setProtectedHeader({ alg: "RS256", kid, typ: "JWT" })
      .sign(key.privateKey);
  }

  /** Stops answering, until `resume`. */
  public async pause(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, "close");
  }

  /** Answers again. */
  public async resume(): Promise<void> {
    this.server.listen(join(this.folder, "team"));
    await once(this.server, "listening");
  }

  public close(): void {
    this.server.close();
    this.server.closeAllConnections();
    rmSync(this.folder, { recursive: true });
  }

  private async document(): Promise<string> {
    const keys = this.keys.map(async ({ kid, publicKey }) => {
      const { kty, e, n } = await exportJWK(publicKey);
      return { kid, kty, alg: "RS256", use: "sig", e, n };
    });
    return this.answer ?? JSON.stringify({ keys: await Promise.all(keys) });
  }
}

/** What nginx is told for a site with the token check. */
export const checkedPayload = { ...nginxPayload, audience: AUDIENCE, teamDomain: TEAM };

/** Starts an origin that serves the site with the token check, and the team that it trusts. */
export async function startCheckedOrigin(): Promise<{ origin: Origin; team: Team }> {
  const origin = await Origin.start();
  const team = await Team.start(origin);
  await team.trustedBy(origin);
  await origin.apply("certificates", certificatesPayload(serverCertificate()));
  await origin.apply("nginx", checkedPayload);
  return { origin, team };
}

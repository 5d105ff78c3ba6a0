import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { defaultSettings } from "../../../cli/lib/project.ts";

/** An ed25519 public key line made of nothing but its form; no private key belongs to it. */
export const HOST_KEY = `ssh-ed25519 ${Buffer.concat([
  Buffer.from([0, 0, 0, 11]),
  Buffer.from("ssh-ed25519"),
  Buffer.from([0, 0, 0, 32]),
  Buffer.alloc(32, 7),
]).toString("base64")}`;

/** A private key made for this run. */
export const PRIVATE_KEY = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  privateKeyEncoding: { format: "pem", type: "sec1" },
  publicKeyEncoding: { format: "pem", type: "spki" },
}).privateKey;

export const API_TOKEN = "t".repeat(20) + "-_".repeat(10);

/** A valid configuration, as the engine passes it: texts, with lists and objects as JSON. */
export const GOOD: Readonly<Record<string, string>> = {
  ...defaultSettings(join(import.meta.dirname, "../../..")),
  hostname: "photos.example.com",
  zoneId: "023e105f4ecef8ad9ca31a8372d0c353",
  accountId: "f037e56e89293a057740de681ac9abbe",
  apiToken: API_TOKEN,
  originAddresses: '["203.0.113.10","2001:db8::10"]',
  sshAddress: "203.0.113.10",
  sshPrivateKey: PRIVATE_KEY,
  sshHostKey: HOST_KEY,
  emails: '["anna@example.com"]',
  emailDomains: '["example.org"]',
  devices: '["annas-phone","frame"]',
  teamDomain: "team.cloudflareaccess.com",
  // There is no site to ask.
  siteCheckSeconds: "0",
};

/** Sets the configuration for the program, with these changes; `undefined` leaves a key out. */
export function configure(changes: Readonly<Record<string, string | undefined>> = {}): void {
  const entries = Object.entries({ ...GOOD, ...changes }).filter(([, value]) => value !== undefined);
  pulumi.runtime.setAllConfig(Object.fromEntries(entries.map(([key, value]) => [`immich-access:${key}`, value ?? ""])));
}

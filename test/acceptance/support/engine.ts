import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Deployment } from "../../e2e/support/deployment.ts";
import { NOWHERE, type Place } from "./laboratory.ts";

const PROGRAM = join(import.meta.dirname, "../program/index.ts");

/** A stack of the program's part at Cloudflare, on the engine with the plugins that this machine has. */
export async function startEngine(place: Place, hostname: string): Promise<Deployment> {
  const { api, zoneId, accountId } = place;
  const deployment = await Deployment.create(false);
  try {
    deployment.replaceIndex(`import ${JSON.stringify(pathToFileURL(PROGRAM).href)};\n`);
    await deployment.configure(
      {
        hostname,
        zoneId,
        accountId,
        apiUrl: api.url,
        teamDomain: "unused.cloudflareaccess.com",
        originAddresses: [NOWHERE],
        emails: ["nobody@example.com"],
        devices: ["device"],
        // The account's own providers stay as they are.
        loginProvider: "account",
        // No host is reached, but settings without one are refused.
        sshAddress: NOWHERE,
        sshHostKey: HOST_KEY,
      },
      { apiToken: api.token, sshPrivateKey: privateKey() },
    );
    return deployment;
  } catch (error) {
    await deployment.dispose();
    throw error;
  }
}

/** A host key of nobody. */
const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const privateKey = (): string =>
  generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }).privateKey;

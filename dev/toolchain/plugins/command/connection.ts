// An SSH connection as the official plugin makes it: pinned host key, its order of authentication, its retries.
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2 from "ssh2";
import type { AnyAuthMethod, Client, ClientChannel, ConnectConfig, ServerHostKeyAlgorithm } from "ssh2";
import type { Failure, Property } from "../sdk/shape.ts";
import type { Values } from "../sdk/values.ts";

const endpoint = {
  agentSocketPath: { type: "string" },
  dialErrorLimit: { type: "number" },
  host: { type: "string", required: true },
  hostKey: { type: "string" },
  password: { type: "string" },
  perDialTimeout: { type: "number" },
  port: { type: "number" },
  privateKey: { type: "string" },
  privateKeyPassword: { type: "string" },
  user: { type: "string" },
} as const;

/** Properties of `connection`. */
export const connectionType = {
  properties: { ...endpoint, proxy: { type: { properties: endpoint } } },
} as const satisfies Property["type"];

/** A connection's settings. Times in seconds. */
export interface Connection {
  host: string;
  /** Default 22. */
  port?: number;
  /** Default root. */
  user?: string;
  password?: string;
  privateKey?: string;
  privateKeyPassword?: string;
  /** Default `$SSH_AUTH_SOCK`. */
  agentSocketPath?: string;
  /** One authorized_keys line. Without it any host key is taken, as the official plugin does. */
  hostKey?: string;
  /** Attempts after the first one; -1 for no limit. Default 10. */
  dialErrorLimit?: number;
  /** Limit of one attempt; 0 for none. Default 15. */
  perDialTimeout?: number;
  /** The host through which the connection leads. */
  proxy?: Omit<Connection, "proxy">;
}

/**
 * Reads one authorized_keys line: options in front and a comment behind are passed over.
 * @throws Error that does not quote the line.
 */
function parseHostKey(line: string): { type: string; key: Buffer } {
  const found = /(?:^|\s)((?:ssh|ecdsa|sk)-[a-z0-9@.-]+)\s+([A-Za-z0-9+/]+=*)(?:\s|$)/.exec(line);
  const key = Buffer.from(found?.[2] ?? "", "base64");
  const named = key.length > 4 ? key.subarray(4, 4 + key.readUInt32BE(0)).toString() : "";
  if (!found || named !== found[1]) {
    throw new Error('connection.hostKey is not one line of an authorized_keys file ("ssh-ed25519 AAAA…")');
  }
  return { type: named, key };
}

/** Problems of a connection that need no network to be seen. */
export function checkConnection(connection: Values): Failure[] {
  if (typeof connection.hostKey !== "string") return [];
  try {
    parseHostKey(connection.hostKey);
    return [];
  } catch {
    return [
      { property: "connection.hostKey", reason: 'must be one line of an authorized_keys file ("ssh-ed25519 AAAA…")' },
    ];
  }
}

/** Milliseconds before attempt `next` (1 for the first repetition). */
const dialPause = (next: number): number => Math.min(5000, 100 * 1.5 ** (next - 1));

/** A socket that is named but dead fails the connection, whatever else there is to authenticate with. */
async function checkAgent(path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve());
    socket.once("error", (error) => reject(new Error(`cannot reach the SSH agent: ${error.message}`)));
    socket.setTimeout(5000, () => reject(new Error("cannot reach the SSH agent: no answer within 5 s")));
    socket.once("connect", () => socket.end());
  });
}

function authentication(settings: Connection, agent: string | undefined): AnyAuthMethod[] {
  const username = settings.user ?? "root";
  const { privateKey, privateKeyPassword, password } = settings;
  return [
    { type: "none", username } as const,
    ...(privateKey
      ? [
          {
            type: "publickey",
            username,
            key: privateKey,
            ...(privateKeyPassword ? { passphrase: privateKeyPassword } : {}),
          } as const,
        ]
      : []),
    ...(password
      ? [
          { type: "password", username, password } as const,
          {
            type: "keyboard-interactive",
            username,
            prompt: (_name, _instructions, _language, prompts, finish) => finish(prompts.map(() => password)),
          } satisfies AnyAuthMethod,
        ]
      : []),
    ...(agent ? [{ type: "agent", username, agent } as const] : []),
  ];
}

/** The library's error in the official plugin's words, where the difference would confuse. */
function dialError(error: Error & { level?: string }, settings: Connection, methods: AnyAuthMethod[]): Error {
  const address = `${settings.host}:${settings.port ?? 22}`;
  if (/host denied|verification failed/i.test(error.message))
    return new Error("ssh: handshake failed: ssh: host key mismatch");
  if (error.level === "client-authentication") {
    const tried = methods.map((method) => (typeof method === "string" ? method : method.type)).join(" ");
    return new Error(
      `ssh: handshake failed: ssh: unable to authenticate, attempted methods [${tried}], no supported methods remain`,
    );
  }
  if (error.level === "handshake") return new Error(`ssh: handshake failed: ${error.message}`);
  return new Error(`dial tcp ${address}: ${error.message}`);
}

/** Connects, through the proxy if there is one, whose connection ends with the other. */
async function dialOnce(settings: Connection, signal: AbortSignal): Promise<Client> {
  if (!settings.proxy) return logIn(settings, signal);
  const proxy = await logIn(settings.proxy, signal);
  try {
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      proxy.forwardOut("127.0.0.1", 0, settings.host, settings.port ?? 22, (error, forwarded) => {
        if (error) reject(new Error(`dial tcp ${settings.host}: ${error.message}`));
        else resolve(forwarded);
      });
    });
    const client = await logIn(settings, signal, channel);
    return client.once("close", () => proxy.end());
  } catch (error) {
    proxy.destroy();
    throw error;
  }
}

async function logIn(settings: Connection, signal: AbortSignal, sock?: ClientChannel): Promise<Client> {
  const agent = settings.agentSocketPath || process.env.SSH_AUTH_SOCK || undefined;
  if (agent) await checkAgent(agent);
  const pinned = settings.hostKey === undefined ? undefined : parseHostKey(settings.hostKey);
  const methods = authentication(settings, agent);
  const config: ConnectConfig = {
    ...(sock ? { sock } : { host: settings.host, port: settings.port ?? 22 }),
    username: settings.user ?? "root",
    readyTimeout: (settings.perDialTimeout ?? 15) * 1000,
    // A host that dies during a command ends the connection after two minutes, not never.
    keepaliveInterval: 30_000,
    keepaliveCountMax: 4,
    authHandler: [...methods],
    ...(pinned
      ? {
          algorithms: { serverHostKey: [pinned.type as ServerHostKeyAlgorithm] },
          hostVerifier: (key: Buffer) => key.equals(pinned.key),
        }
      : {}),
  };
  const client = new ssh2.Client();
  const abort = () => client.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once("ready", resolve);
      client.once("error", (error) => reject(dialError(error, settings, methods)));
      client.once("close", () => reject(new Error(`dial tcp ${settings.host}: connection closed`)));
      client.connect(config);
    });
  } catch (error) {
    client.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
  return client;
}

/**
 * Connects, with retries; every failure counts, a refused key as much as an unreachable host.
 * @param status is told about each failed attempt.
 * @throws Error of the last attempt.
 */
export async function dial(
  settings: Connection,
  signal: AbortSignal,
  status: (message: string) => void,
): Promise<Client> {
  const limit = settings.dialErrorLimit ?? 10;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await dialOnce(settings, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (limit >= 0 && attempt > limit) {
        throw new Error(`after ${attempt} failed attempts: ${(error as Error).message}`);
      }
      status(`Dial ${attempt}/${limit < 0 ? "inf" : limit + 1} failed: retrying`);
      await sleep(dialPause(attempt), undefined, { signal });
    }
  }
}

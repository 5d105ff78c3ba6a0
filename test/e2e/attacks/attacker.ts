// An attacker: a process in the network namespace from which the attacks come. It sends all shots byte for byte, at the
// same time, and prints the answers.
//
//   node attacker.ts      standard input: Shot[] as JSON; standard output: string[], the answers in the same order
import { once } from "node:events";
import http2, { type OutgoingHttpHeaders } from "node:http2";
import net from "node:net";
import { text } from "node:stream/consumers";
import tls from "node:tls";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

/** The TLS handshake of a shot. */
export interface Handshake {
  /** Server name (SNI). Default: none. */
  servername?: string;
  /** Client certificate with its key, PEM. */
  client?: { certificate: string; privateKey: string };
  /** The only TLS version to offer. Default: 1.2 and 1.3. */
  version?: tls.SecureVersion;
}

/** One connection, and the request to send on it. */
export interface Shot {
  address: string;
  port: number;
  /** Default: cleartext. */
  tls?: Handshake;
  /** Bytes as a Latin-1 string, or the headers of an HTTP/2 request. */
  send: string | OutgoingHttpHeaders;
}

/** Limit for an answer to the first packet, well below the second after which the kernel repeats it. */
const CONNECT_MS = 900;
/** Limit for the first byte of an answer. */
const ANSWER_MS = 10_000;
/** An answer on a connection that stays open ends after this silence. */
const SILENCE_MS = 500;

const shots = JSON.parse(await text(process.stdin)) as Shot[];
process.stdout.write(JSON.stringify(await Promise.all(shots.map(fire))));
// Connections that the other side keeps open would keep this process running.
process.exit();

/** Returns the answer as received; `dropped`, `refused`, `TLS refused` or `closed` if there is none. */
async function fire({ address, port, tls: handshake, send }: Shot): Promise<string> {
  const plain = net.connect({ host: address, port });
  try {
    const connected = once(plain, "connect");
    // Node checks its clock before its sockets; the extra turn counts what arrived while it was busy.
    const late = sleep(CONNECT_MS).then(() => nextTurn());
    if ((await Promise.race([connected.then(() => "connected"), late])) !== "connected") {
      connected.catch(() => undefined);
      plain.destroy();
      return "dropped";
    }
  } catch {
    plain.destroy();
    return "refused";
  }
  try {
    const protocols = typeof send === "string" ? ["http/1.1"] : ["h2"];
    const socket = handshake ? await secured(plain, handshake, protocols) : plain;
    return await (typeof send === "string" ? exchange(socket, send) : overHttp2(socket, send));
  } catch {
    return "TLS refused";
  }
}

async function secured(socket: net.Socket, handshake: Handshake, protocols: string[]): Promise<tls.TLSSocket> {
  const { servername, client, version } = handshake;
  const secure = tls.connect({
    socket,
    // The attack continues whatever certificate the other side shows.
    rejectUnauthorized: false,
    ALPNProtocols: protocols,
    servername,
    cert: client?.certificate,
    key: client?.privateKey,
    // OpenSSL offers old versions only at its lowest level.
    ...(version && { minVersion: version, maxVersion: version, ciphers: "DEFAULT:@SECLEVEL=0" }),
  });
  await once(secure, "secureConnect");
  return secure;
}

async function exchange(socket: net.Socket, bytes: string): Promise<string> {
  let answer = "";
  let heard = Date.now() + ANSWER_MS - SILENCE_MS;
  let over = false;
  socket.setEncoding("latin1").on("data", (part: string) => {
    answer += part;
    heard = Date.now();
  });
  const end = () => (over = true);
  socket.on("end", end).on("error", end).on("close", end);
  socket.write(bytes, "latin1");
  while (!over && Date.now() < heard + SILENCE_MS) await sleep(20);
  socket.destroy();
  return answer || "closed";
}

/** Returns the answer in the form of HTTP/1.1. */
async function overHttp2(socket: net.Socket, headers: OutgoingHttpHeaders): Promise<string> {
  const session = http2.connect("https://attacked", { createConnection: () => socket });
  try {
    const stream = session.request(headers);
    const failed = once(session, "error").then(([error]) => Promise.reject(error as Error));
    const [answer] = (await Promise.race([once(stream, "response"), failed])) as [Record<string, string>];
    const lines = Object.entries(answer).map(([name, value]) => `${name}: ${value}`);
    return `HTTP/2 ${answer[":status"] ?? ""} \r\n${lines.join("\r\n")}\r\n\r\n${await text(stream)}`;
  } catch {
    return "closed";
  } finally {
    session.destroy();
  }
}

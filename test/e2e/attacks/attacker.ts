// An attacker, as a process in the network namespace from which the attack comes: sends shots byte for byte, all at the
// same time, and tells what came back.
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
  /** Server name; without one the handshake names none. */
  servername?: string;
  /** Client certificate with its key, PEM. */
  client?: { certificate: string; privateKey: string };
  /** The one version that is offered. Default: TLS 1.2 and 1.3. */
  version?: tls.SecureVersion;
}

/** One connection and what is sent over it. */
export interface Shot {
  address: string;
  port: number;
  /** Without it, bytes go out in the clear. */
  tls?: Handshake;
  /** What is sent: bytes as a Latin-1 string, or one HTTP/2 request's headers. */
  send: string | OutgoingHttpHeaders;
}

/** For an answer to the first packet, well below the second that passes before the kernel sends another one. */
const CONNECT_MS = 900;
/** For the first byte of an answer. */
const ANSWER_MS = 10_000;
/** Without another byte, an answer on a connection that is kept open is over. */
const SILENCE_MS = 500;

const shots = JSON.parse(await text(process.stdin)) as Shot[];
process.stdout.write(JSON.stringify(await Promise.all(shots.map(fire))));
// Connections that the other side keeps open are no reason to stay.
process.exit();

/** The answer as it came; `dropped`, `refused`, `TLS refused` or `closed` where there is none. */
async function fire({ address, port, tls: handshake, send }: Shot): Promise<string> {
  const plain = net.connect({ host: address, port });
  try {
    const connected = once(plain, "connect");
    // Node looks at its clock before its sockets: what came while it was busy counts as well.
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
    // Whatever the other side shows, the attack goes on.
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

/** The answer in the form that HTTP/1.1 would have given it. */
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

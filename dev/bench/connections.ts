// The load generator's connections to nginx: kept, one request at a time, with as little work for this machine as possible,
// which nginx shares with them. Node's own clients take more time for a request than nginx does.

import { once } from "node:events";
import tls from "node:tls";
import type { PullCertificate } from "../sandbox/api/state.ts";

/** Where a connection leads. */
export interface Target {
  address: string;
  /** Name of the server, which is asked for `/`. */
  server: string;
  /** Cloudflare's client certificate and its key. */
  certificate: Pick<PullCertificate, "certificate" | "private_key">;
}

export type Protocol = "HTTP/1.1" | "HTTP/2";

/** The protocols' names in the TLS handshake. */
const ALPN: Record<Protocol, string> = { "HTTP/1.1": "http/1.1", "HTTP/2": "h2" };
const TOKEN_HEADER = "cf-access-jwt-assertion";

/** A connection that is kept. */
export abstract class Connection {
  protected readonly socket: tls.TLSSocket;
  protected readonly server: string;
  private answered?: () => void;

  public constructor(socket: tls.TLSSocket, server: string) {
    this.socket = socket;
    this.server = server;
    socket.on("data", (chunk: Buffer) => {
      this.take(chunk);
    });
    // Also an answer that is no 200: the process ends with it.
    socket.on("error", (error) => {
      throw error;
    });
    socket.on("close", () => {
      if (this.answered !== undefined) throw new Error(`${server} has closed a connection instead of answering`);
    });
  }

  /** Asks once; calls back when all of the answer is there. An answer that is no 200 ends the process. */
  public ask(token: string | undefined, answered: () => void): void {
    this.answered = answered;
    this.send(token);
  }

  public close(): void {
    this.socket.destroy();
  }

  protected abstract send(token: string | undefined): void;
  protected abstract take(chunk: Buffer): void;

  protected done(): void {
    const { answered } = this;
    if (answered === undefined) throw new Error(`${this.server} has answered what nobody asked`);
    delete this.answered;
    answered();
  }
}

/** RFC 9112, section 7.1 */
const LAST_CHUNK = "\r\n0\r\n\r\n";

class Http1 extends Connection {
  private rest = "";

  protected send(token: string | undefined): void {
    const header = token === undefined ? "" : `${TOKEN_HEADER}: ${token}\r\n`;
    this.socket.write(`GET / HTTP/1.1\r\nHost: ${this.server}\r\n${header}\r\n`, "latin1");
  }

  protected take(chunk: Buffer): void {
    this.rest += chunk.toString("latin1");
    const end = this.rest.indexOf("\r\n\r\n");
    if (end < 0) return;
    if (!this.rest.startsWith("HTTP/1.1 200 ")) {
      throw new Error(`${this.server} answers ${this.rest.slice(0, this.rest.indexOf("\r\n"))}`);
    }
    const length = /\r\nContent-Length: (\d+)/i.exec(this.rest)?.[1];
    if (length === undefined ? !this.rest.endsWith(LAST_CHUNK) : this.rest.length < end + 4 + Number(length)) return;
    this.rest = "";
    this.done();
  }
}

// RFC 9113, sections 4.1, 6 and 7
const FRAME_HEAD = 9;
const [DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE] = [0, 1, 3, 4, 7, 8];
const [END_STREAM, ACK, END_HEADERS] = [1, 1, 4];
// RFC 7541, appendix A: what one byte says
const [METHOD_GET, PATH_ROOT, SCHEME_HTTPS, AUTHORITY, STATUS_200] = [0x82, 0x84, 0x87, 0x01, 0x88];
/** The sender's table has another size: RFC 7541, section 6.3. */
const TABLE_SIZE = 0x20;

class Http2 extends Connection {
  private stream = -1;
  private rest: Buffer = Buffer.alloc(0);

  public constructor(socket: tls.TLSSocket, server: string) {
    super(socket, server);
    const window = Buffer.alloc(4);
    window.writeUInt32BE(2 ** 31 - 2 ** 16);
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    socket.write(Buffer.concat([preface, frame(SETTINGS, 0, 0), frame(WINDOW_UPDATE, 0, 0, window)]));
  }

  protected send(token: string | undefined): void {
    this.stream += 2;
    const fields = [
      Buffer.from([METHOD_GET, PATH_ROOT, SCHEME_HTTPS, AUTHORITY]),
      hpackString(this.server),
      ...(token === undefined ? [] : [Buffer.from([0]), hpackString(TOKEN_HEADER), hpackString(token)]),
    ];
    this.socket.write(frame(HEADERS, END_STREAM | END_HEADERS, this.stream, Buffer.concat(fields)));
  }

  protected take(chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (this.rest.length >= FRAME_HEAD) {
      const end = FRAME_HEAD + this.rest.readUIntBE(0, 3);
      if (this.rest.length < end) return;
      const [type, flags, content] = [this.rest[3] ?? 0, this.rest[4] ?? 0, this.rest.subarray(FRAME_HEAD, end)];
      this.rest = this.rest.subarray(end);
      this.frame(type, flags, content);
    }
  }

  private frame(type: number, flags: number, content: Buffer): void {
    if (type === RST_STREAM || type === GOAWAY) throw new Error(`${this.server} ends a stream (frame of type ${type})`);
    if (type === SETTINGS && (flags & ACK) === 0) this.socket.write(frame(SETTINGS, ACK, 0));
    const first = content[0] === TABLE_SIZE ? content[1] : content[0];
    if (type === HEADERS && first !== STATUS_200)
      throw new Error(`${this.server} answers with another status than 200`);
    if ((type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0) this.done();
  }
}

function frame(type: number, flags: number, stream: number, content: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeUIntBE(content.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, content]);
}

/** A text as it is, without Huffman's code: RFC 7541, section 5. */
function hpackString(text: string): Buffer {
  const length: number[] = [Math.min(text.length, 127)];
  if (text.length >= 127) {
    let left = text.length - 127;
    for (; left >= 128; left >>= 7) length.push((left & 127) | 128);
    length.push(left);
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(text, "latin1")]);
}

/** Opens a connection. */
export async function connect(protocol: Protocol, { address, server, certificate }: Target): Promise<Connection> {
  const socket = tls.connect({
    host: address,
    port: 443,
    servername: server,
    cert: certificate.certificate,
    key: certificate.private_key,
    ALPNProtocols: [ALPN[protocol]],
    // The certificate is the site's, for another name.
    rejectUnauthorized: false,
  });
  await once(socket, "secureConnect");
  socket.setNoDelay(true);
  return protocol === "HTTP/2" ? new Http2(socket, server) : new Http1(socket, server);
}

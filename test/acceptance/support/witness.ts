import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type ServerHttp2Session,
} from "node:http2";
import type { TLSSocket, TlsOptions } from "node:tls";
import { UsageError } from "../../../dev/commands/terminal.ts";
import type { KeyPairPem } from "../../../dev/sandbox/certificates/x509.ts";

/** How the edge has sent a request. */
export interface Seen {
  hostname: string;
  /** Version of HTTP, such as "2.0". */
  version: string;
  /** The edge's client certificate, DER; `undefined` if it has presented none. */
  client: Buffer | undefined;
}

/** An origin that answers everybody and writes down how it was asked. */
export class Witness {
  public readonly server: Http2SecureServer;
  private readonly seen: Seen[] = [];
  private readonly sessions = new Set<ServerHttp2Session>();

  public constructor(options: TlsOptions = {}) {
    this.server = createSecureServer({ ...options, allowHTTP1: true, requestCert: true, rejectUnauthorized: false });
    this.server.on("request", (request: IncomingMessage | Http2ServerRequest, response) => {
      const socket = request.socket as TLSSocket;
      this.seen.push({
        hostname: "authority" in request ? request.authority : (request.headers.host ?? ""),
        version: request.httpVersion,
        client: socket.getPeerX509Certificate()?.raw,
      });
      response.end("witnessed\n");
    });
    this.server.on("session", (session) => this.sessions.add(session));
  }

  /** The newest request for a host name. */
  public last(hostname: string): Seen | undefined {
    return this.seen.findLast((one) => one.hostname === hostname);
  }

  /** Presents another certificate, and has every visitor connect anew. */
  public renew({ certificate, privateKey }: KeyPairPem): void {
    this.server.setSecureContext({ cert: certificate, key: privateKey });
    this.disconnect();
  }

  /** Ends all connections, because the edge presents its certificate once for each. */
  public disconnect(): void {
    for (const session of this.sessions) session.destroy();
    this.sessions.clear();
  }

  /**
   * Listens on a port of all addresses.
   * @throws UsageError if it cannot
   */
  public async listen(port: number): Promise<void> {
    this.server.listen(port, "::");
    try {
      await once(this.server, "listening");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UsageError(`--origin needs port ${port.toString()} of this machine for itself: ${reason}`);
    }
  }

  public close(): void {
    this.disconnect();
    this.server.close();
  }
}

// The load generator, a process in the edge's network zone. It sends as many requests as it can to several servers in turns.
//
// Standard input is a Load as JSON; standard output gets the requests per second of each turn, by server, as JSON.

import { once } from "node:events";
import { text } from "node:stream/consumers";
import tls from "node:tls";
import { pathToFileURL } from "node:url";

/** What to do. */
export interface Load {
  address: string;
  /** Names of the servers, each asked for `/`. */
  servers: string[];
  /** The client certificate and its key, PEM. */
  certificate: string;
  privateKey: string;
  /** Connections to each server, kept for all turns. */
  connections: number;
  turns: number;
  /** Length of one server's turn. */
  milliseconds: number;
}

/** A connection that is kept, and asks one thing after the other while it is its server's turn. */
class Client {
  public answered = 0;
  private readonly socket: tls.TLSSocket;
  private readonly request: Buffer;
  private asking = false;
  private received = 0;
  /** Bytes of one answer; all are alike. */
  private size = 0;

  public constructor(socket: tls.TLSSocket, server: string) {
    this.socket = socket;
    this.request = Buffer.from(`GET / HTTP/1.1\r\nHost: ${server}\r\n\r\n`);
  }

  /** Asks once, and learns how long an answer is. Rejects unless its status is 200. */
  public async begin(): Promise<void> {
    this.socket.write(this.request);
    const [answer] = (await once(this.socket, "data")) as [Buffer];
    const head = answer.toString("latin1");
    if (!head.startsWith("HTTP/1.1 200 ")) throw new Error(`the answer is ${head.split("\r\n")[0] ?? ""}`);
    this.size = answer.length;
    this.socket.on("data", (chunk: Buffer) => this.take(chunk.length));
    this.socket.on("error", (error) => {
      throw error;
    });
  }

  public start(): void {
    this.asking = true;
    this.socket.write(this.request);
  }

  public stop(): void {
    this.asking = false;
  }

  public end(): void {
    this.socket.destroy();
  }

  private take(bytes: number): void {
    this.received += bytes;
    if (this.received < this.size) return;
    if (this.received > this.size) throw new Error(`an answer of ${this.received} bytes instead of ${this.size}`);
    this.received = 0;
    this.answered += 1;
    if (this.asking) this.socket.write(this.request);
  }
}

async function connect(load: Load, server: string): Promise<Client> {
  const socket = tls.connect({
    host: load.address,
    port: 443,
    servername: server,
    cert: load.certificate,
    key: load.privateKey,
    // The certificate is the site's, for another name.
    rejectUnauthorized: false,
  });
  await once(socket, "secureConnect");
  const client = new Client(socket, server);
  await client.begin();
  return client;
}

async function run(load: Load): Promise<Record<string, number[]>> {
  const all = await Promise.all(
    load.servers.map(async (server) => {
      const clients = await Promise.all(Array.from({ length: load.connections }, () => connect(load, server)));
      return { server, clients, rates: [] as number[] };
    }),
  );
  const answered = (clients: readonly Client[]) => clients.reduce((sum, client) => sum + client.answered, 0);
  for (let turn = 0; turn < load.turns; turn += 1) {
    for (const { clients, rates } of all) {
      const [before, began] = [answered(clients), performance.now()];
      for (const client of clients) client.start();
      await new Promise((resolve) => setTimeout(resolve, load.milliseconds));
      for (const client of clients) client.stop();
      rates.push(((answered(clients) - before) * 1000) / (performance.now() - began));
      // The answers that are still under way belong to no turn.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  for (const client of all.flatMap(({ clients }) => clients)) client.end();
  return Object.fromEntries(all.map(({ server, rates }) => [server, rates]));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(JSON.stringify(await run(JSON.parse(await text(process.stdin)) as Load)));
}

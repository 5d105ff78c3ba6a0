// Connects browsers to the edge: forwards a TCP port on loopback to the edge's unix socket, which other network
// namespaces share through the file system.

import { once } from "node:events";
import net from "node:net";

/** Passes bytes both ways between two sockets that may be half open; when one fails or closes, the other ends too. */
export function passBytes(near: net.Socket, far: net.Socket): void {
  near.pipe(far);
  far.pipe(near);
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
  near.on("close", () => far.destroy());
  far.on("close", () => near.destroy());
}

/** Forwards 127.0.0.1:`port` to the unix socket. Without an edge behind it, connections are closed at once. */
export async function forward(port: number, socket: string): Promise<net.Server> {
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = net.connect({ path: socket, allowHalfOpen: true });
    passBytes(near, far);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

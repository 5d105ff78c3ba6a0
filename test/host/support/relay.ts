// A way between network namespaces, which share the file system: run in one of them, it passes bytes between a socket
// there and a unix socket. Its argument is a list of `{ listen, connect }` in the form of node:net. It prints a line when
// it listens on all of them.

import { once } from "node:events";
import net from "node:net";
import { passBytes } from "../../../dev/sandbox/api/forward.ts";

interface Route {
  listen: net.ListenOptions;
  connect: net.TcpNetConnectOpts | net.IpcNetConnectOpts;
}

const routes = JSON.parse(process.argv[2] ?? "[]") as Route[];
for (const { listen, connect } of routes) {
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = net.connect({ ...connect, allowHalfOpen: true, noDelay: true } as net.NetConnectOpts);
    passBytes(near, far);
  });
  await once(server.listen(listen), "listening");
}
console.log("listening");
// Ends with the test, however that ends.
process.stdin.resume().on("end", () => process.exit());

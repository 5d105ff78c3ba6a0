// The edge as a process:
//
//   node sandbox/edge/main.ts --api-socket PATH [--socket PATH] [--listen ADDRESS]... [--egress ADDRESS]...
//
// Listens on ports 443 and 80 of every --listen address and on --socket, and reaches origins from the --egress
// addresses (at most one of each family). Ends on SIGTERM and SIGINT.

import { isIP, isIPv4, isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { startEdge } from "./server.ts";

const USAGE =
  "usage: node sandbox/edge/main.ts --api-socket PATH [--socket PATH] [--listen ADDRESS]... [--egress ADDRESS]...";

function readArguments() {
  const { values } = parseArgs({
    options: {
      "api-socket": { type: "string" },
      socket: { type: "string" },
      listen: { type: "string", multiple: true, default: [] },
      egress: { type: "string", multiple: true, default: [] },
    },
  });
  const wrong = [...values.listen, ...values.egress].find((address) => isIP(address) === 0);
  if (wrong !== undefined) throw new Error(`${wrong} is not an IP address`);
  if (values["api-socket"] === undefined) throw new Error("--api-socket is missing");
  return { ...values, apiSocket: values["api-socket"] };
}

let settings: ReturnType<typeof readArguments>;
try {
  settings = readArguments();
} catch (error) {
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exit(2);
}

const ipv4 = settings.egress.find(isIPv4);
const ipv6 = settings.egress.find(isIPv6);
try {
  const edge = await startEdge({
    apiSocket: settings.apiSocket,
    https: settings.listen.map((host) => ({ host, port: 443 })),
    http: settings.listen.map((host) => ({ host, port: 80 })),
    socket: settings.socket,
    egress: { ipv4, ipv6 },
  });
  console.log(`edge: listening on ${[...settings.listen, settings.socket ?? ""].join(" ").trim()}`);
  edge.feed.onChange((state) => console.log(`edge: state ${state.tag}`));
  const stop = (): void => void edge.close().finally(() => process.exit(0));
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
} catch (error) {
  console.error(`The sandbox's edge cannot start: ${(error as Error).message}`);
  process.exit(1);
}

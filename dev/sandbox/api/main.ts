// The API double as a process: node sandbox/api/main.ts STATE_DIR NUMBER
//
// STATE_DIR is the checkout's .state folder, NUMBER the sandbox's number (1 to 250). Ends on SIGTERM and SIGINT.

import { join } from "node:path";
import { forward } from "./forward.ts";
import { startApi } from "./server.ts";

const [folder, digits] = process.argv.slice(2);
const number = Number(digits);
if (folder === undefined || !Number.isInteger(number) || number < 1 || number > 250) {
  console.error("usage: node sandbox/api/main.ts STATE_DIR NUMBER   (NUMBER is 1 to 250)");
  process.exit(2);
}

const sandbox = join(folder, "sandbox");
try {
  const api = await startApi({
    folder: join(sandbox, "api"),
    socket: join(sandbox, "api.sock"),
    port: 18000 + number,
  });
  const way = await forward(19000 + number, join(sandbox, "edge.sock"));
  console.log(
    `API and status page: http://127.0.0.1:${api.port}/   edge for browsers: https://127.0.0.1:${19000 + number}/`,
  );
  const stop = (): void => {
    way.close();
    void api.close().finally(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
} catch (error) {
  console.error(`The sandbox's Cloudflare API cannot start: ${(error as Error).message}`);
  process.exit(1);
}

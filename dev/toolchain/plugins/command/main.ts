// Stands in for the official plugin `command`: command lines that run here or over SSH.
import { servePlugin } from "../sdk/serve.ts";
import { localCommand } from "./local-command.ts";
import { remoteCommand } from "./remote-command.ts";

await servePlugin({
  name: "command",
  version: "1.2.1",
  config: {},
  configure: () => ({}),
  resources: { "command:local:Command": localCommand, "command:remote:Command": remoteCommand },
  functions: {},
});

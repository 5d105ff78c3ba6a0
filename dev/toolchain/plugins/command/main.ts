// Stands in for the official plugin `command`: command lines that run over SSH.
import { servePlugin } from "../sdk/serve.ts";
import { remoteCommand } from "./remote-command.ts";

await servePlugin({
  name: "command",
  version: "1.2.1",
  config: {},
  configure: () => ({}),
  resources: { "command:remote:Command": remoteCommand },
  functions: {},
});

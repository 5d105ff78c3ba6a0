// `npm run sandbox`: the sandbox alone, a local Cloudflare and a Linux host to develop against.
import { startSandbox } from "../sandbox/lifecycle.ts";
import { continueAsRoot } from "../sandbox/prerequisites.ts";
import { command, projectDir, report } from "./terminal.ts";

const usage = `usage: npm run sandbox

Starts the local Cloudflare and the host without deploying anything, and shows where they are. npm stop takes them down.`;

await command({ usage }, async () => {
  continueAsRoot("The sandbox");
  const sandbox = await startSandbox({ projectDir, report });
  const { hostKey, host, keyFile } = sandbox.sshTarget;
  console.log(
    [
      `Sandbox ${sandbox.number} runs until npm stop.`,
      "",
      `Status page        ${sandbox.statusUrl}`,
      `Cloudflare API     ${sandbox.apiUrl}`,
      "  its token        in .state/sandbox/api/token",
      `Edge, in a browser ${sandbox.browserUrl("photos.home.localhost")} (once there is a DNS record)`,
      `  its CA           ${sandbox.publicCaPath}`,
      `Host               ssh -i ${keyFile} root@${host}`,
      `  its key          ${hostKey}`,
      `Strangers          ip netns exec ia${sandbox.number}-out curl …`,
      "",
      "npm start runs pulumi up on it.",
    ].join("\n"),
  );
  return 0;
});

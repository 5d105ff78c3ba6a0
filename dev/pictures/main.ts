// `npm run pictures`: draws the README's pictures anew, from a site in a sandbox.
import { command, projectDir } from "../commands/terminal.ts";

const usage = `usage: npm run pictures

Deploys a site in a sandbox of its own and draws from it what the README shows, into docs/pictures: the doctor's table,
what a stranger and a phone get, and a device's card. It takes about a minute, and installs Chromium where it is missing.`;

await command({ usage }, async () => {
  // Loaded only here, because it takes seconds.
  const { draw } = await import("./draw.ts");
  await draw(projectDir);
  return 0;
});

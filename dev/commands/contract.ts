// `npm run contract`: writes the contract with the host agent beside it, after a change of components/origin-host/
// payload.ts or answer.ts.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { contractFiles } from "../contract/files.ts";
import { command, projectDir } from "./terminal.ts";

const usage = `usage: npm run contract

Writes the contract with the host agent beside the agent: what components/origin-host/payload.ts and answer.ts say.`;

await command({ usage }, () => {
  for (const [path, text] of Object.entries(contractFiles())) {
    writeFileSync(join(projectDir, path), text);
    console.log(`${path} is written`);
  }
  return Promise.resolve(0);
});

// What the tools and the program do on a workstation with Windows, with its paths.
import { readFileSync } from "node:fs";
import { join, win32 } from "node:path";
import { describe, expect, it } from "vitest";
import { namedPath } from "../../cli/configure/options.ts";
import { pulumiCommand } from "../../cli/lib/pulumi-command.ts";
import { pathBelow } from "../../components/origin-host/agent.ts";
import { agentSocket } from "../../components/origin-host/ssh-login.ts";

const BIN = String.raw`C:\Users\anna\immich-access\node_modules\.bin`;
const TOOLS = String.raw`C:\Program Files\Pulumi\bin`;
const GLOBAL = String.raw`C:\Users\anna\AppData\Roaming\npm`;

describe("the Pulumi CLI", () => {
  const started = (path: string, ...files: string[]) =>
    pulumiCommand({ Path: path }, "win32", (file) => files.includes(file));

  it("is run past npm's shim, which only a shell would run", () => {
    const script = String.raw`C:\Users\anna\immich-access\node_modules\pulumi\run.js`;
    expect(started(`${BIN};${TOOLS}`, `${BIN}\\pulumi.cmd`, script, `${TOOLS}\\pulumi.exe`)).toEqual({
      file: process.execPath,
      first: [script],
    });
    const installed = `${GLOBAL}\\node_modules\\pulumi\\run.js`;
    expect(started(`;${GLOBAL}`, `${GLOBAL}\\pulumi.cmd`, installed)).toEqual({
      file: process.execPath,
      first: [installed],
    });
  });

  it("is run as it is where it is a program, or where none is found", () => {
    const program = `${TOOLS}\\pulumi.exe`;
    expect(started(`${TOOLS};${BIN}`, program, `${BIN}\\pulumi.cmd`)).toEqual({ file: program, first: [] });
    expect(started(BIN)).toEqual({ file: "pulumi", first: [] });
    expect(pulumiCommand({ PATH: BIN }, "darwin", () => true)).toEqual({ file: "pulumi", first: [] });
  });
});

it("files that a person names are found, from the home and from where npm was started", () => {
  const [start, home] = [String.raw`D:\work`, String.raw`C:\Users\anna`];
  const named = (name: string) => namedPath(name, start, win32, home);
  for (const name of ["~/.ssh/id_ed25519", String.raw`~\.ssh\id_ed25519`]) {
    expect(named(name)).toBe(String.raw`C:\Users\anna\.ssh\id_ed25519`);
  }
  expect(named("token.txt")).toBe(String.raw`D:\work\token.txt`);
  expect(named(String.raw`E:\key`)).toBe(String.raw`E:\key`);
  expect(named("~anna")).toBe(String.raw`D:\work\~anna`);
});

it("the agent's files have the paths of the host, so that the agent is the same from every workstation", () => {
  const folder = String.raw`C:\Users\anna\immich-access\host`;
  expect(pathBelow(folder, `${folder}\\agent\\firewall\\ufw.py`, win32)).toBe("agent/firewall/ufw.py");
  const attributes = readFileSync(join(import.meta.dirname, "../../.gitattributes"), "utf8");
  expect(attributes).toMatch(/^\* text=auto eol=lf$/m);
});

it("the SSH agent is that of SSH_AUTH_SOCK, else OpenSSH's pipe", () => {
  expect(agentSocket({}, "win32")).toBe(String.raw`\\.\pipe\openssh-ssh-agent`);
  expect(agentSocket({ SSH_AUTH_SOCK: String.raw`\\.\pipe\another` }, "win32")).toBe(String.raw`\\.\pipe\another`);
  expect(agentSocket({}, "darwin")).toBe("");
  expect(agentSocket({ SSH_AUTH_SOCK: "/tmp/agent" }, "linux")).toBe("/tmp/agent");
});

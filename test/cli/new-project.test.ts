// `pulumi new` makes a project of another name from a checkout; the tools then read that project's settings.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { declaredSettings } from "../../cli/lib/project.ts";
import { run } from "../../dev/sandbox/run.ts";
import { resolveToolchain } from "../../dev/toolchain/index.ts";
import { PROJECT } from "../e2e/support/deployment.ts";
import { API_TOKEN, HOST_KEY, PRIVATE_KEY } from "../unit/support/configuration.ts";

const NAME = "our-photos";
const SITE = "photos.example.com";

let folder: string;
let template: string;
let project: string;
let environment: Record<string, string>;
let files: string[];

/** Runs a command that must end well, in a folder; returns what it printed. */
async function done(where: string, ...command: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(["env", "-C", where, ...command], { env: environment });
  if (code !== 0) throw new Error(`${command.join(" ")}: ${stderr || stdout}`);
  return stdout;
}

beforeAll(async () => {
  const toolchain = await resolveToolchain({ projectDir: PROJECT, stateDir: join(PROJECT, ".state") });
  folder = mkdtempSync(join(tmpdir(), "immich-access-new-"));
  [template, project] = [join(folder, "template"), join(folder, "project")];
  for (const made of [template, project, join(folder, "backend")]) mkdirSync(made);
  environment = {
    ...toolchain.env,
    PULUMI_BACKEND_URL: `file://${join(folder, "backend")}`,
    PULUMI_CONFIG_PASSPHRASE: "new",
  };
  const listed = await done(PROJECT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard");
  files = listed.split("\0").filter((file) => file !== "" && !file.startsWith("test/upgrades/checkpoints/"));
  for (const file of files) {
    mkdirSync(dirname(join(template, file)), { recursive: true });
    copyFileSync(join(PROJECT, file), join(template, file));
  }
  const named = ["--name", NAME, "--description", "Our photos"];
  await done(project, toolchain.pulumi, "new", template, ...named, "--generate-only", "--yes");
  symlinkSync(join(PROJECT, "node_modules"), join(project, "node_modules"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

test("pulumi new changes the name and the description in Pulumi.yaml, and no other file", () => {
  const read = (where: string) => parse(readFileSync(join(where, "Pulumi.yaml"), "utf8")) as { config: object };
  const { config, ...others } = read(template);
  // The CLI notes where the template lies.
  const tags = { "pulumi:tags": { value: { "pulumi:template": template } } };
  expect(read(project)).toEqual({ ...others, name: NAME, description: "Our photos", config: { ...config, ...tags } });
  expect(declaredSettings(project)).toEqual(config);
  const differing = files.filter(
    (file) => !readFileSync(join(template, file)).equals(readFileSync(join(project, file))),
  );
  expect(differing).toEqual(["Pulumi.yaml"]);
});

test("it asks for no setting: configure does", () => {
  expect(parse(readFileSync(join(project, "Pulumi.yaml"), "utf8"))).not.toHaveProperty("template");
});

test("what configure writes is read by the program, the doctor and the card, under the new name", async () => {
  const plain = { hostname: SITE, sshAddress: "192.168.1.5", sshHostKey: HOST_KEY, homeNetworks: '["192.168.1.0/24"]' };
  const secret = { apiToken: API_TOKEN, sshPrivateKey: PRIVATE_KEY.trim() };
  const script = `
    import { ConfigStack } from "./cli/configure/stack.ts";
    import { DeployedStack } from "./cli/lib/deployed-stack.ts";
    const stack = await ConfigStack.open("home");
    await stack.write(${JSON.stringify(plain)}, ${JSON.stringify(secret)}, []);
    const home = await (await DeployedStack.open("home")).homeAccess();
    console.log(JSON.stringify({ settings: await stack.settings(), home: home("${SITE}") }));`;
  const read = JSON.parse(await done(project, process.execPath, "--input-type=module", "-e", script)) as object;
  expect(read).toMatchObject({
    settings: { ...plain, ...secret },
    home: { homeNetworks: ["192.168.1.0/24"], sshAddress: "192.168.1.5" },
  });
  const { config } = parse(readFileSync(join(project, "Pulumi.home.yaml"), "utf8")) as { config: object };
  expect(Object.keys(config).every((key) => key.startsWith(`${NAME}:`))).toBe(true);

  // Both name what is missing, and nothing that has been written.
  const missing = /zoneId/;
  const written = /sshHostKey|sshAddress|hostname is/;
  const doctor = ["env", "-C", project, process.execPath, "cli/doctor/main.ts", "--stack", "home"];
  const program = ["env", "-C", project, "pulumi", "preview", "--stack", "home", "--non-interactive"];
  for (const command of [doctor, program]) {
    const { code, stdout, stderr } = await run(command, { env: environment, timeout: 120_000 });
    expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(missing);
    expect(stdout + stderr).not.toMatch(written);
  }
});

test("the sandbox's settings go to the project's own name", async () => {
  const script = `
    import { DevStack } from "./dev/commands/stack.ts";
    import { resolveToolchain } from "./dev/toolchain/index.ts";
    const [projectDir, stateDir] = [process.cwd(), "${join(folder, "state")}"];
    const toolchain = await resolveToolchain({ projectDir, stateDir });
    await new DevStack({ projectDir, stateDir, toolchain }).prepare({ plain: { apiUrl: "http://127.0.0.1:1" }, secret: {} });`;
  mkdirSync(join(folder, "state"));
  await done(project, process.execPath, "--input-type=module", "-e", script);
  const text = readFileSync(join(folder, "state/project/Pulumi.dev.yaml"), "utf8");
  expect(text).toContain(`${NAME}:hostname: photos.home.localhost`);
  expect(text).toContain(`${NAME}:apiUrl: http://127.0.0.1:1`);
  expect(text).not.toContain("immich-access:");
});

// The first thing that `npm start`, `npm test` and the others run: plain JavaScript for whatever Node is there (20 or
// newer). It installs the npm packages if they are missing or another version, among them the Node that everything
// else runs on, and hands over to it.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const project = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const modules = join(project, "node_modules");
const [script, ...args] = process.argv.slice(2);
if (script === undefined) throw new Error("usage: bootstrap.mjs SCRIPT [ARGUMENT …]");

if (!installed()) await installPackages();
const path = `${join(modules, ".bin")}${delimiter}${process.env.PATH ?? ""}`;
process.exitCode = await run(join(modules, ".bin/node"), [join(project, script), ...args], { PATH: path });

/** Whether node_modules holds what package-lock.json names, as far as npm's own record there tells. */
function installed() {
  const wanted = packagesOf(join(project, "package-lock.json"));
  const present = packagesOf(join(modules, ".package-lock.json"));
  if (wanted === undefined) throw new Error("package-lock.json is missing or damaged; get it back with git checkout");
  if (present === undefined) return false;
  return Object.entries(wanted).every(
    ([name, { version, optional, peer }]) =>
      name === "" || present[name]?.version === version || ((optional || peer) && present[name] === undefined),
  );
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

async function installPackages() {
  const started = Date.now();
  const what = "Installing the npm packages (usually 1 to 2 minutes)";
  const tick = setInterval(() => {
    console.error(`${what}: ${Math.round((Date.now() - started) / 1000)} s`);
  }, 10_000);
  console.error(what);
  const code = await run("npm", ["ci", "--loglevel=error", "--no-progress"], {});
  clearInterval(tick);
  if (code !== 0) {
    console.error("npm ci failed (see its output above); check the network and the free space, and try again");
    process.exit(1);
  }
}

/** Runs a command in the checkout on the same terminal; resolves to its exit status. */
function run(command, args, environment) {
  const child = spawn(command, args, { cwd: project, stdio: "inherit", env: { ...process.env, ...environment } });
  // A terminal sends Ctrl-C to the whole group, so it reaches the child by itself; a plain kill does not.
  const stop = (signal) => child.kill(signal);
  process.on("SIGTERM", stop);
  const ignore = () => undefined;
  process.on("SIGINT", ignore);
  return new Promise((resolve) => {
    const end = (code) => {
      process.off("SIGTERM", stop);
      process.off("SIGINT", ignore);
      resolve(code);
    };
    child.on("error", (error) => {
      console.error(`${command} cannot be started: ${error.message}`);
      end(1);
    });
    child.on("exit", (code, signal) => end(code ?? (signal === null ? 1 : 128)));
  });
}

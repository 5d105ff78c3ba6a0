// Loaded before a program. The SDK can turn functions into text, for dynamic providers; TypeScript's compiler and npm's
// resolver, which it needs for that, are the better half of its start. So they are loaded at the first use.
import Module from "node:module";

type Load = (this: unknown, request: string, parent: { path?: string } | undefined, isMain: boolean) => unknown;

/** The SDK's modules for that, in the words in which its runtime asks for them, with what it takes from them. */
const FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  "./closure/serializeClosure": ["serializeFunction", "serializeFunctionAsync"],
  "./closure/codePaths": ["computeCodePaths"],
};

const modules = Module as unknown as { _load: Load };
const load = modules._load;

modules._load = function (request, parent, isMain) {
  const original = () => load.call(this, request, parent, isMain);
  const names = FUNCTIONS[request];
  if (names === undefined || !parent?.path?.endsWith("/@pulumi/pulumi/runtime")) return original();
  const later = (name: string) =>
    function (this: unknown, ...args: unknown[]): unknown {
      return (original() as Record<string, (...args: unknown[]) => unknown>)[name]?.apply(this, args);
    };
  return Object.fromEntries(names.map((name) => [name, later(name)]));
};

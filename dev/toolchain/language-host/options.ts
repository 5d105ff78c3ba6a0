// The runtime options of Pulumi.yaml (`runtime.options`) as the official Node host reads them.

/** Options after defaults. */
export interface RuntimeOptions {
  /** Compile with the SDK's own TypeScript loader. Default true. */
  typescript: boolean;
  /** Path of the tsconfig.json for that loader. */
  tsconfig: string | undefined;
  /** Arguments for Node, before the program. */
  nodeargs: string[];
}

/** Splits a command line at blanks; single and double quotes group, a backslash takes the next character as it is. */
function splitArguments(text: string): string[] {
  const parts = text.matchAll(/(?:[^\s"'\\]|\\[\s\S]|"(?:[^"\\]|\\[\s\S])*"|'[^']*')+/g);
  return [...parts].map(([part]) =>
    part.replace(
      /\\([\s\S])|"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'/g,
      (_all, escaped?: string, double?: string, single?: string) =>
        escaped ?? double?.replace(/\\(["\\])/g, "$1") ?? single ?? "",
    ),
  );
}

/**
 * Reads `runtime.options`. Options about installing packages (`packagemanager`, `production`) do not matter here.
 * @throws Error naming the option when its value has the wrong type.
 */
export function runtimeOptions(raw: Record<string, unknown>): RuntimeOptions {
  const typed = <T>(name: string, type: "boolean" | "string", fallback: T): T => {
    const value = raw[name];
    if (value === undefined || value === null) return fallback;
    if (typeof value !== type) throw new Error(`Pulumi.yaml: runtime option ${name} must be a ${type}`);
    return value as T;
  };
  return {
    typescript: typed("typescript", "boolean", true),
    tsconfig: typed<string | undefined>("tsconfig", "string", undefined),
    nodeargs: splitArguments(typed("nodeargs", "string", "")),
  };
}

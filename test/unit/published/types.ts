// The types that Cloudflare publishes with its SDK, by request, read by the TypeScript compiler.

import { join } from "node:path";
import ts from "typescript";
import { OPERATIONS } from "./operations.ts";

const PROJECT = join(import.meta.dirname, "../../..");
const VIRTUAL = join(import.meta.dirname, "published.mts");

/** How the SDK's methods tell what they send and what they return. */
const HEAD = `
import type { APIPromise } from "cloudflare/core/api-promise";
import type { PagePromise } from "cloudflare/core/pagination";
type Params<F> = F extends (id: string, params: infer P, ...rest: any[]) => unknown
  ? unknown extends P ? never : P
  : F extends (params: infer P, ...rest: any[]) => unknown ? P : never;
type WithoutPath<P> = P extends object ? Omit<P, "zone_id" | "account_id" | "ruleset_id"> : never;
type ResultOf<F> = F extends (...args: any[]) => PagePromise<any, infer Item> ? Item[]
  : F extends (...args: any[]) => APIPromise<infer Result> ? Result : never;
interface Operation<F> {
  body: WithoutPath<NonNullable<Params<F>>>;
  query: NonNullable<Params<F>>;
  result: ResultOf<F>;
}
`;

/** All of it imports the client, and the client all of the API: without it the compiler reads a tenth. */
const CLIENT = "/node_modules/cloudflare/client.d.mts";
const NO_CLIENT = "export declare class BaseCloudflare { private readonly client: true; }";

function text(): string {
  const entries = Object.entries(OPERATIONS).map(([operation, { module, resource, method }]) => {
    const type = `import("cloudflare/resources/${module}").${resource}["${method}"]`;
    return `  ${JSON.stringify(operation)}: Operation<${type}>;`;
  });
  return `${HEAD}export interface Published {\n${entries.join("\n")}\n}\n`;
}

/** The types of one request. */
export interface PublishedTypes {
  body: ts.Type;
  query: ts.Type;
  result: ts.Type;
}

/** The published types beside our own. */
export class Types {
  readonly checker: ts.TypeChecker;
  readonly #program: ts.Program;
  readonly #operations = new Map<string, PublishedTypes>();

  /** @param files of ours whose interfaces are wanted, below the project's folder. */
  constructor(files: readonly string[] = []) {
    const { config } = ts.readConfigFile(join(PROJECT, "tsconfig.json"), (path) => ts.sys.readFile(path)) as {
      config: { compilerOptions: object };
    };
    const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, PROJECT);
    // As the SDK's types are written: there, an optional field may also be undefined.
    const host = ts.createCompilerHost({ ...options, exactOptionalPropertyTypes: false });
    host.fileExists = (path) => path === VIRTUAL || ts.sys.fileExists(path);
    host.readFile = (path) => (path === VIRTUAL ? text() : path.endsWith(CLIENT) ? NO_CLIENT : ts.sys.readFile(path));
    const names = [VIRTUAL, ...files.map((file) => join(PROJECT, file))];
    this.#program = ts.createProgram(names, { ...options, exactOptionalPropertyTypes: false }, host);
    this.checker = this.#program.getTypeChecker();
    const published = this.#declared(VIRTUAL, "Published");
    const problems = this.#program.getSemanticDiagnostics(this.#program.getSourceFile(VIRTUAL));
    if (problems.length > 0) {
      throw new Error(ts.flattenDiagnosticMessageText(problems[0]?.messageText, "\n"));
    }
    for (const operation of published.getProperties()) {
      const type = this.checker.getTypeOfSymbol(operation);
      const part = (name: string): ts.Type => {
        const found = type.getProperty(name);
        if (found === undefined) throw new Error(`${operation.name} has no ${name}`);
        return this.checker.getTypeOfSymbol(found);
      };
      this.#operations.set(operation.name, { body: part("body"), query: part("query"), result: part("result") });
    }
  }

  /** @throws Error if the table of operations has no such request. */
  of(operation: string): PublishedTypes {
    const found = this.#operations.get(operation);
    if (found === undefined) throw new Error(`${operation} is not in the table of operations`);
    return found;
  }

  /** An interface or a type of ours, exported or not. */
  own(file: string, name: string): ts.Type {
    return this.#declared(join(PROJECT, file), name);
  }

  #declared(path: string, name: string): ts.Type {
    const statements = this.#program.getSourceFile(path)?.statements ?? [];
    for (const statement of statements) {
      const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
      if (isType && statement.name.text === name) return this.checker.getTypeAtLocation(statement.name);
    }
    throw new Error(`${path} declares no type ${name}`);
  }
}

// The engine's ResourceProvider protocol on top of a plugin's description.
import * as grpc from "@grpc/grpc-js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import type { PluginAttach } from "@pulumi/pulumi/proto/plugin_pb.js";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import type * as rpc from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { RpcError, serve, unary } from "../../rpc.ts";
import { difference, top } from "./diff.ts";
import type { Difference } from "./diff.ts";
import { engineLog } from "./log.ts";
import type { Context, Existing, Plugin, Resource } from "./plugin.ts";
import { check } from "./shape.ts";
import type { Failure } from "./shape.ts";
import { decode, encode } from "./values.ts";
import type { Bag, Values } from "./values.ts";

/** The refusal of something this plugin does not have, naming it and what there is. */
function refuse(plugin: Plugin<never>, what: string, token: string, have: object): RpcError {
  const list = Object.keys(have).sort().join(", ") || "none";
  return new RpcError(
    grpc.status.UNIMPLEMENTED,
    `the stand-in plugin ${plugin.name} ${plugin.version} has no ${what} ${token} (it has: ${list}); ` +
      "it is available with the official plugin (IMMICH_ACCESS_TOOLCHAIN=online)",
  );
}

/** The property is named in the text alone: the engine would print its value beside the name, were it secret or not. */
function checkFailures(failures: Failure[]): rpc.CheckFailure[] {
  return failures.map(({ property, reason }) => {
    const failure = new provider.CheckFailure();
    failure.setReason(`${property} ${reason}`);
    return failure;
  });
}

function diffResponse({ paths, replaces }: Difference): rpc.DiffResponse {
  const { Kind } = provider.PropertyDiff;
  const response = new provider.DiffResponse();
  const names = [...new Set(Object.keys(paths).map(top))];
  const { DIFF_NONE, DIFF_SOME } = provider.DiffResponse.DiffChanges;
  response.setChanges(names.length === 0 ? DIFF_NONE : DIFF_SOME);
  response.setDiffsList(names);
  response.setReplacesList(replaces);
  response.setHasdetaileddiff(true);
  const kinds = {
    add: [Kind.ADD, Kind.ADD_REPLACE],
    delete: [Kind.DELETE, Kind.DELETE_REPLACE],
    update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
  } as const;
  for (const [path, kind] of Object.entries(paths)) {
    const detail = new provider.PropertyDiff();
    detail.setKind(kinds[kind][replaces.includes(top(path)) ? 1 : 0]);
    response.getDetaileddiffMap().set(path, detail);
  }
  return response;
}

/** Values of the provider's configuration arrive as JSON text where they are not strings. */
function parseConfig(values: Values, properties: Plugin<never>["config"]): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      if (typeof value !== "string" || properties[name]?.type === "string") return [name, value];
      try {
        return [name, JSON.parse(value) as Values[string]];
      } catch {
        return [name, value];
      }
    }),
  );
}

/**
 * Serves `described` to the engine that started this process.
 * @throws when no port can be had.
 */
export async function servePlugin<Client>(described: Plugin<Client>): Promise<void> {
  const self = described as Plugin<never>;
  let cancelled = new AbortController();
  let client: Client | undefined;
  let log = engineLog(process.argv.slice(2).findLast((argument) => !argument.startsWith("-")));

  const ownType = (urn: string) => urn.split("::")[2]?.split("$").at(-1) ?? "";
  const resource = (urn: string): Resource<Client> => {
    const type = ownType(urn);
    const found = described.resources[type];
    if (found === undefined) throw refuse(self, "resource type", type, described.resources);
    return found;
  };
  const configured = () => {
    if (client === undefined) throw new RpcError(grpc.status.FAILED_PRECONDITION, "the provider is not configured");
    return client;
  };
  /** Runs an operation with its context, and lets what it logged reach the engine before it answers. */
  const operate = async <T>(urn: string, seconds: number, operation: (context: Context) => Promise<T>): Promise<T> => {
    const signals = [cancelled.signal, ...(seconds > 0 ? [AbortSignal.timeout(seconds * 1000)] : [])];
    const pending: Promise<void>[] = [];
    try {
      return await operation({
        urn,
        signal: AbortSignal.any(signals),
        log: (severity, message, status = false) => void pending.push(log(urn, severity, message, status)),
      });
    } finally {
      await Promise.all(pending);
    }
  };
  /** Secret are: outputs that the type calls secret, and those named like an input that holds a secret. */
  const output = (type: Resource<Client>, values: Values, ...bags: Bag[]) =>
    encode(values, [...type.secrets, ...bags.flatMap((bag) => [...bag.secrets])]);

  await serve(ResourceProviderService, {
    handshake: unary((request: rpc.ProviderHandshakeRequest) => {
      log = engineLog(request.getEngineAddress());
      const response = new provider.ProviderHandshakeResponse();
      response.setAcceptSecrets(true);
      return response;
    }),

    // An engine that has not started this process, but was told where it is (PULUMI_DEBUG_PROVIDERS).
    attach: unary((request: PluginAttach) => {
      log = engineLog(request.getAddress());
      return new empty.Empty();
    }),

    getPluginInfo: unary(() => {
      const info = new plugin.PluginInfo();
      info.setVersion(described.version);
      return info;
    }),

    getSchema: unary(() => {
      throw new RpcError(grpc.status.UNIMPLEMENTED, `the stand-in plugin ${described.name} has no schema`);
    }),

    checkConfig: unary((request: rpc.CheckRequest) => {
      const news = decode(request.getNews()).values;
      delete news.version;
      const config = parseConfig(news, described.config);
      const response = new provider.CheckResponse();
      const inputs = request.getNews();
      if (inputs) response.setInputs(inputs);
      response.setFailuresList(
        checkFailures([...check(config, described.config), ...(described.checkConfig?.(config) ?? [])]),
      );
      return response;
    }),

    // Without a difference the engine goes on with the former configuration, for instance with the former API token.
    diffConfig: unary((request: rpc.DiffRequest) => {
      const [former, wanted] = [request.getOldInputs() ?? request.getOlds(), request.getNews()].map(decode);
      const names = Object.keys(described.config);
      return diffResponse(difference(former?.values ?? {}, wanted?.values ?? {}, names, new Set()));
    }),

    configure: unary((request: rpc.ConfigureRequest) => {
      const values = decode(request.getArgs()).values;
      delete values.version;
      // Another operation of an engine that attaches; what was cancelled was the last one.
      cancelled = new AbortController();
      client = described.configure(parseConfig(values, described.config));
      const response = new provider.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      return response;
    }),

    check: unary((request: rpc.CheckRequest) => {
      const type = resource(request.getUrn());
      const { values } = decode(request.getNews());
      const response = new provider.CheckResponse();
      const inputs = request.getNews();
      if (inputs) response.setInputs(inputs);
      const failures = check(values, type.inputs);
      response.setFailuresList(checkFailures(failures.length > 0 ? failures : (type.check?.(values) ?? [])));
      return response;
    }),

    diff: unary((request: rpc.DiffRequest) => {
      const existing = { id: request.getId(), state: decode(request.getOlds()).values };
      const found = resource(request.getUrn()).diff(existing, decode(request.getNews()).values);
      const ignored = request.getIgnorechangesList().map(top);
      const paths = Object.entries(found.paths).filter(([path]) => !ignored.includes(top(path)));
      return diffResponse({
        paths: Object.fromEntries(paths),
        replaces: found.replaces.filter((name) => !ignored.includes(name)),
      });
    }),

    create: unary(async (request: rpc.CreateRequest) => {
      const type = resource(request.getUrn());
      const inputs = decode(request.getProperties());
      const response = new provider.CreateResponse();
      if (request.getPreview()) {
        response.setProperties(output(type, type.plan(inputs.values, undefined), inputs));
        return response;
      }
      const made = await operate(request.getUrn(), request.getTimeout(), (context) =>
        type.create(configured(), inputs.values, context),
      );
      response.setId(made.id);
      response.setProperties(output(type, made.state, inputs));
      return response;
    }),

    read: unary(async (request: rpc.ReadRequest) => {
      const type = resource(request.getUrn());
      const state = decode(request.getProperties());
      const inputs = decode(request.getInputs());
      const existing: Existing = { id: request.getId(), state: state.values };
      const found = type.read
        ? await operate(request.getUrn(), request.getTimeout(), (context) =>
            type.read!(configured(), existing, inputs.values, context),
          )
        : { state: state.values, inputs: inputs.values };
      const response = new provider.ReadResponse();
      if (found === undefined) return response;
      response.setId(found.id ?? existing.id);
      response.setProperties(output(type, found.state, state, inputs));
      response.setInputs(encode(found.inputs, [...type.secrets, ...inputs.secrets, ...state.secrets]));
      return response;
    }),

    update: unary(async (request: rpc.UpdateRequest) => {
      const type = resource(request.getUrn());
      const inputs = decode(request.getNews());
      const existing: Existing = { id: request.getId(), state: decode(request.getOlds()).values };
      const response = new provider.UpdateResponse();
      if (request.getPreview()) {
        response.setProperties(output(type, type.plan(inputs.values, existing), inputs));
        return response;
      }
      if (!type.update) {
        throw new RpcError(grpc.status.FAILED_PRECONDITION, `${ownType(request.getUrn())} can only be replaced`);
      }
      const updated = await operate(request.getUrn(), request.getTimeout(), (context) =>
        type.update!(configured(), existing, inputs.values, context),
      );
      response.setProperties(output(type, updated, inputs));
      return response;
    }),

    delete: unary(async (request: rpc.DeleteRequest) => {
      const type = resource(request.getUrn());
      const existing: Existing = { id: request.getId(), state: decode(request.getProperties()).values };
      if (type.delete) {
        await operate(request.getUrn(), request.getTimeout(), (context) =>
          type.delete!(configured(), existing, context),
        );
      }
      return new empty.Empty();
    }),

    invoke: unary(async (request: rpc.InvokeRequest) => {
      const lookup = described.functions[request.getTok()];
      if (lookup === undefined) throw refuse(self, "function", request.getTok(), described.functions);
      const inputs = decode(request.getArgs());
      const response = new provider.InvokeResponse();
      const failures = check(inputs.values, lookup.inputs);
      if (failures.length > 0) {
        response.setFailuresList(checkFailures(failures));
        return response;
      }
      const found = await operate("", 0, (context) => lookup.invoke(configured(), inputs.values, context));
      response.setReturn(encode(found, inputs.secrets.size > 0 ? Object.keys(found) : []));
      return response;
    }),

    cancel: unary(() => {
      cancelled.abort(new Error("cancelled"));
      return new empty.Empty();
    }),
  });
}

// Lines from a plugin to the engine's own log, which the CLI shows with the resource.
import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";

/** Sends one line; settles when the engine has it, or cannot be reached. */
export type EngineLog = (urn: string, severity: "info" | "warning", message: string, status: boolean) => Promise<void>;

/**
 * The log of the engine at `address`. The connection is made with the first line.
 * @param address host:port; without one, lines go nowhere.
 */
export function engineLog(address: string | undefined): EngineLog {
  let client: EngineClient | undefined;
  return (urn, severity, message, status) => {
    if (!address) return Promise.resolve();
    client ??= new EngineClient(address, grpc.credentials.createInsecure());
    const request = new engine.LogRequest();
    request.setSeverity(severity === "info" ? engine.LogSeverity.INFO : engine.LogSeverity.WARNING);
    request.setUrn(urn);
    request.setMessage(message);
    request.setEphemeral(status);
    return new Promise((resolve) => {
      client!.log(request, new grpc.Metadata(), { deadline: Date.now() + 5000 }, () => resolve());
    });
  };
}

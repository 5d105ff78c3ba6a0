// What the language host and the provider plugins share: a gRPC server as the Pulumi engine expects to find it.
import * as grpc from "@grpc/grpc-js";

/** Largest message accepted, in bytes: the limit of the engine itself (400 MiB). */
const maxMessage = 400 * 1024 * 1024;

/** An answer other than success, with the gRPC status that the engine sees. Any other error becomes `UNKNOWN`. */
export class RpcError extends Error {
  readonly code: grpc.status;

  constructor(code: grpc.status, message: string) {
    super(message);
    this.code = code;
  }
}

/** Turns an async function into a handler of a unary call. Only the error's message travels, never its stack. */
export function unary<Request, Response>(
  answer: (request: Request) => Response | Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    Promise.resolve()
      .then(() => answer(call.request))
      .then(
        (response) => callback(null, response),
        (error: unknown) =>
          callback({
            code: error instanceof RpcError ? error.code : grpc.status.UNKNOWN,
            details: error instanceof Error ? error.message : String(error),
          }),
      );
  };
}

/**
 * Serves on a free loopback port and prints its number as the first line of standard output, which is how the engine
 * finds a plugin. The process ends by itself when its parent is gone, so that a killed engine leaves nothing behind.
 * @throws when no port can be had.
 */
export async function serve(
  service: grpc.ServiceDefinition,
  handlers: grpc.UntypedServiceImplementation,
): Promise<void> {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": maxMessage,
    "grpc.max_send_message_length": maxMessage,
  });
  server.addService(service, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, 1000).unref();
  process.stdout.write(`${port}\n`);
}

import * as pulumi from "@pulumi/pulumi";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks.js";
import { vi } from "vitest";
import { sampleOutput } from "../../support/answers.ts";

/** A resource as the program registered it. */
export interface Registered {
  type: string;
  name: string;
  /** Inputs with the secret ones unwrapped. */
  inputs: Record<string, unknown>;
  /** Names of the inputs that went over the wire as secrets. */
  secrets: string[];
  parent: string;
  dependencies: string[];
  protect: boolean;
}

/** Outputs that providers compute and the program reads, by resource type. */
const COMPUTED: Readonly<Record<string, Record<string, unknown>>> = {
  "tls:index/privateKey:PrivateKey": { privateKeyPem: pulumi.secret("KEY PEM") },
  "tls:index/certRequest:CertRequest": { certRequestPem: "CSR PEM" },
  "tls:index/selfSignedCert:SelfSignedCert": { certPem: "CA PEM" },
  "tls:index/locallySignedCert:LocallySignedCert": { certPem: "LEAF PEM", validityEndTime: "2027-01-01T00:00:00Z" },
  "cloudflare:index/originCaCertificate:OriginCaCertificate": {
    certificate: "ORIGIN PEM",
    expiresOn: "2027-11-23 00:00:00 +0000 UTC",
  },
  "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken": {
    clientId: "0123.access",
    clientSecret: pulumi.secret("cfast_secret"),
    expiresAt: "2027-11-23T00:00:00Z",
  },
  "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication": { aud: "AUDIENCE" },
};

function computed({ type, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> | undefined {
  if (type === "command:local:Command") return { stdout: "rule 8443\n", stderr: "" };
  if (type !== "command:remote:Command") return COMPUTED[type];
  const { create, stdin } = inputs as { create?: string; stdin: unknown };
  return { stdout: sampleOutput(create, pulumi.runtime.unwrapRpcSecret(stdin) as string), stderr: "" };
}

/** What a registration request offers, of all that the engine's protocol has. */
interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getDependenciesList(): string[];
  getProtect(): boolean;
  getObject(): { toJavaScript(): Record<string, unknown> } | undefined;
}

export const RANGES = { ipv4Cidrs: ["198.41.128.0/17", "103.21.244.0/22"], ipv6Cidrs: ["2400:cb00::/32"], etag: "e" };

/**
 * Lets the program register its resources without an engine and records them with their options.
 *
 * @param preview registers as a preview does: ids and computed outputs stay unknown
 */
export function recordResources(preview = false): { registered: Registered[]; calls: string[] } {
  const registered: Registered[] = [];
  const calls: string[] = [];
  void pulumi.runtime.setMocks(
    {
      newResource: (args) => ({
        id: preview ? undefined : `${args.name}-id`,
        state: { ...(args.inputs as Record<string, unknown>), ...(preview ? {} : computed(args)) },
      }),
      call: (args) => {
        calls.push(args.token);
        return RANGES;
      },
    },
    "immich-access",
    "test",
    preview,
  );
  // The mocked monitor has no hooks; the engine's tests run them.
  Object.assign(MockMonitor.prototype, {
    registerResourceHook: (_request: unknown, done: (error: null) => void) => {
      done(null);
    },
    registerErrorHook: (_request: unknown, done: (error: null) => void) => {
      done(null);
    },
  });
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the monitor as `this` below
  const original = MockMonitor.prototype.registerResource;
  vi.spyOn(MockMonitor.prototype, "registerResource").mockImplementation(async function (
    this: MockMonitor,
    request: RegisterRequest,
    done,
  ) {
    const wire = request.getObject()?.toJavaScript() ?? {};
    registered.push({
      type: request.getType(),
      name: request.getName(),
      inputs: Object.fromEntries(
        Object.entries(wire).map(([key, value]) => [key, pulumi.runtime.unwrapRpcSecret(value) as unknown]),
      ),
      secrets: Object.keys(wire).filter((key) => pulumi.runtime.isRpcSecret(wire[key])),
      parent: request.getParent(),
      dependencies: request.getDependenciesList(),
      protect: request.getProtect(),
    });
    await original.call(this, request, done);
  });
  return { registered, calls };
}

/** Waits until every registration has been answered. */
export async function settled(): Promise<void> {
  await pulumi.runtime.disconnect();
}

/** An output's value. */
export function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => {
    output.apply(resolve as (value: unknown) => void);
  });
}

/** The one resource of this type and name. */
export function find(registered: readonly Registered[], name: string): Registered {
  const matches = registered.filter((resource) => resource.name === name);
  if (matches.length !== 1) {
    throw new Error(
      `${matches.length.toString()} resources are named ${name}; there are: ${registered.map((r) => r.name).join(", ")}`,
    );
  }
  return matches[0] as Registered;
}

// What the stand-in plugins refuse, asked as the engine asks: over gRPC, of the real processes.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { check } from "../plugins/sdk/shape.ts";
import { generateKey, sshPublic } from "../plugins/tls/keys.ts";
import { nameInputs } from "../plugins/tls/names.ts";

type Inputs = Record<string, JavaScriptValue>;

interface Known {
  type: string;
  good: Inputs;
}

const hostKey = sshPublic(generateKey("ED25519", 0, "P256")).line.trim();

const known: Readonly<Record<string, Known>> = {
  tls: { type: "tls:index/privateKey:PrivateKey", good: { algorithm: "ECDSA", ecdsaCurve: "P256" } },
  command: {
    type: "command:remote:Command",
    good: { connection: { host: "192.0.2.1", privateKey: "hunter2", hostKey }, create: "true" },
  },
  cloudflare: {
    type: "cloudflare:index/dnsRecord:DnsRecord",
    good: { zoneId: "0", name: "photos", type: "A", content: "192.0.2.1", ttl: 1 },
  },
};

const message = (inputs: Inputs) => struct.Struct.fromJavaScript(inputs);

describe.each(Object.entries(known))("the stand-in plugin %s", (name, { type, good }) => {
  let child: ChildProcess;
  let client: ResourceProviderClient;

  beforeAll(async () => {
    const main = join(import.meta.dirname, "../plugins", name, "main.ts");
    child = spawn(process.execPath, [main], { stdio: ["ignore", "pipe", "inherit"] });
    const port = await new Promise<string>((resolve) =>
      createInterface({ input: child.stdout! }).once("line", resolve),
    );
    client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  });
  afterAll(() => {
    client.close();
    child.kill();
  });

  /** The problems that the plugin has with the inputs of a resource; rejects with its refusal. */
  function problems(resourceType: string, inputs: Inputs): Promise<string[]> {
    const request = new provider.CheckRequest();
    request.setUrn(`urn:pulumi:dev::project::${resourceType}::name`);
    request.setNews(message(inputs));
    return new Promise((resolve, reject) => {
      client.check(request, (error, response) => {
        if (error) reject(error);
        else resolve(response.getFailuresList().map((failure) => failure.getReason()));
      });
    });
  }

  it(`the stand-in plugin ${name} accepts a resource that it knows`, async () => {
    expect(await problems(type, good)).toEqual([]);
  });

  it(`the stand-in plugin ${name} refuses an unknown resource type by name, and lists those that it knows`, async () => {
    const wanted = `${name}:index/nothing:Nothing`;
    await expect(problems(wanted, {})).rejects.toMatchObject({
      code: grpc.status.UNIMPLEMENTED,
      details: expect.stringMatching(
        new RegExp(
          `^the stand-in plugin ${name} \\d+\\.\\d+\\.\\d+ has no resource type ${wanted} \\(it has: .*${type}`,
        ),
      ) as string,
    });
  });

  it(`the stand-in plugin ${name} refuses unknown properties, all of them by name, without their values`, async () => {
    const [fisher, hunter, ...others] = (
      await problems(type, { ...good, hunter: "hunter2", fisher: { secret: "hunter2" } })
    ).sort();
    expect(others).toEqual([]);
    expect(fisher).toMatch(/^fisher is not known to the stand-in plugin, which has: /);
    expect(hunter).toMatch(/^hunter is not known to the stand-in plugin, which has: /);
    for (const property of Object.keys(good)) expect(hunter).toContain(property);
    expect(`${fisher} ${hunter}`).not.toContain("hunter2");
  });

  it(`the stand-in plugin ${name} refuses a value of the wrong type`, async () => {
    const property = Object.keys(good)[0]!;
    expect(await problems(type, { ...good, [property]: 7 })).toContainEqual(
      expect.stringMatching(new RegExp(`^${property} must be an? (string|object)`)),
    );
  });

  it(`the stand-in plugin ${name} refuses an unknown function by name`, async () => {
    const request = new provider.InvokeRequest();
    request.setTok(`${name}:index/getNothing:getNothing`);
    request.setArgs(message({}));
    const answer = new Promise((resolve, reject) => {
      client.invoke(request, (error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
    await expect(answer).rejects.toMatchObject({
      code: grpc.status.UNIMPLEMENTED,
      details: expect.stringContaining(`has no function ${name}:index/getNothing:getNothing (it has: `) as string,
    });
  });
});

describe("nested objects", () => {
  it("an unknown property inside an object is named with its path", () => {
    expect(check({ subject: { commonName: "x", nickname: "y" } }, nameInputs)).toEqual([
      {
        property: "subject.nickname",
        reason: expect.stringMatching(/^is not known .*which has: commonName/) as string,
      },
    ]);
  });
});

// Fails in the way that `how` names.
import * as pulumi from "@pulumi/pulumi";

/** A resource of any type with any inputs. */
class Any extends pulumi.CustomResource {
  constructor(type: string, name: string, inputs: pulumi.Inputs = {}) {
    super(type, name, inputs);
  }
}

const ways: Record<string, () => Any> = {
  // The error is thrown inside the SDK, so its stack has frames that the SDK's source maps translate.
  "exception in the SDK": () => new Any("", "unnamed"),
  "unknown resource type": () => new Any("tls:index/nothing:Nothing", "unknown"),
  "unknown property": () =>
    new Any("tls:index/privateKey:PrivateKey", "key", { algorithm: "ED25519", hunter: pulumi.secret("hunter2") }),
};

ways[new pulumi.Config().require("how")]?.();

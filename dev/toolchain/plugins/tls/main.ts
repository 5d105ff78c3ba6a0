// Stands in for the official plugin `tls`: keys, certificate requests and certificates, made on this machine.
import { servePlugin } from "../sdk/serve.ts";
import { certRequest } from "./cert-request.ts";
import { locallySignedCert, selfSignedCert } from "./certificates.ts";
import { privateKey } from "./private-key.ts";

await servePlugin({
  name: "tls",
  version: "5.6.1",
  config: {},
  configure: () => ({}),
  resources: {
    "tls:index/privateKey:PrivateKey": privateKey,
    "tls:index/certRequest:CertRequest": certRequest,
    "tls:index/selfSignedCert:SelfSignedCert": selfSignedCert,
    "tls:index/locallySignedCert:LocallySignedCert": locallySignedCert,
  },
  functions: {},
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

/** Where the API says which certificate is presented, and the token for it. */
export interface Association {
  /** Address of the host name's association. */
  url: string;
  token: pulumi.Input<string>;
}

/**
 * What is deleted between a host name's association and its certificate, and waits meanwhile: Cloudflare refuses to delete
 * a certificate for some seconds after its association has gone (codes 1433 and 1434), and the provider does not try
 * again. Creating it does nothing.
 *
 * It is a command on the workstation because `pulumi destroy` runs no hooks. It never fails: without it the deletion is
 * refused at worst, and works the next time.
 */
export function createRelease(
  name: string,
  association: Association,
  opts: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const script = readFileSync(join(import.meta.dirname, "wait-for-release.mjs"), "utf8");
  return new command.local.Command(
    name,
    {
      // `sh` and cmd.exe both read this.
      delete: "node --input-type=module - || exit 0",
      // The token comes with the script, where no other program sees it.
      stdin: pulumi.secret(
        pulumi.jsonStringify(association).apply((json) => `const association = ${json};\n${script}`),
      ),
      logging: "stderr",
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}

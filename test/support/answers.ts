import type { Answer } from "../../components/origin-host/answer.ts";
import type { Payload } from "../../components/origin-host/payload.ts";

/** A step's answer, for tests without a host. */
const SAMPLES: Readonly<Record<string, (payload: never) => object>> = {
  firewall: (): Omit<Answer<"firewall">, Envelope> => ({
    change: 1,
    sshPorts: [22],
    sshNetworks: ["0.0.0.0/0", "::/0"],
    sshLimit: null,
    ranges: { ipv4: 2, ipv6: 1 },
  }),
  certificates: ({ sites }: Payload<"certificates">): Omit<Answer<"certificates">, Envelope> => ({
    change: 1,
    sites: sites.map(({ hostname }) => ({
      hostname,
      fingerprint: "c".repeat(64),
      endsOn: "2027-11-23",
      clientCas: ["a".repeat(64)],
    })),
  }),
  nginx: ({ sites }: Payload<"nginx">): Omit<Answer<"nginx">, Envelope> => ({
    configuration: "0123456789ab",
    sites: sites.map(({ hostname, upstream, audience }) => ({
      hostname,
      upstream,
      fingerprint: "c".repeat(64),
      audience,
    })),
    foreignDefaults: [],
  }),
  "former-port-close": (): Omit<Answer<"former-port-close">, Envelope> => ({ closed: [443] }),
};

type Envelope = "step" | "revision" | "host";

/** What a host says to a command of components/origin-host/: its standard output. Empty for one that runs nothing. */
export function sampleOutput(command: string | undefined, stdin: string): string {
  const step = command?.split(" ").at(-1) ?? "";
  const { payload, revision } = JSON.parse(stdin.slice(stdin.indexOf("\n.\n") + 3)) as {
    payload: never;
    revision: number;
  };
  const facts = SAMPLES[step]?.(payload);
  return facts === undefined ? "" : `${JSON.stringify({ step, revision, host: "home", ...facts })}\n`;
}

import type { DeviceHeaders } from "../../components/site-check/answers.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";

/** A probe of the running site, and its result. */
export interface Probe {
  /** What is tried, and by whom. */
  what: string;
  /** Whether the answer is the one that keeps the site safe and usable. */
  ok: boolean;
  /** The answer in words. */
  answer: string;
}

/** A device's headers as `curl --config -` reads them; no secret belongs into its arguments. Empty without a device. */
export function curlConfig(headers?: DeviceHeaders): string {
  if (!headers) return "";
  const { clientId, clientSecret } = headers;
  return `header = "CF-Access-Client-Id: ${clientId}"\nheader = "CF-Access-Client-Secret: ${clientSecret}"\n`;
}

/** Seconds for an answer, on a busy machine. */
const ANSWER_SECONDS = 20;
/** Seconds for a connection with its TLS handshake, on a busy machine. */
const CONNECT_SECONDS = 10;
/** Seconds for one where packets are dropped, which always takes all of them: ample within one machine. */
const DROPPED_SECONDS = 1;
/** curl's exit status when nothing answered in time. */
const TIMED_OUT = 28;

/**
 * Makes six probes that show whether the site is protected and open to its owner: five over the network from
 * outside, one over SSH from here. Each takes at most a few seconds, and they run at the same time.
 */
export function runProbes(sandbox: Sandbox, hostname: string, device: DeviceHeaders | undefined): Promise<Probe[]> {
  const url = `https://${hostname}/api/server/ping`;
  const connection = (seconds: number, address: string) => [
    ...["--connect-timeout", seconds.toString(), "--resolve", `${hostname}:443:${address}`],
    url,
  ];
  const throughEdge = ["--cacert", sandbox.publicCaPath, ...connection(CONNECT_SECONDS, sandbox.edge.ipv4)];
  const straight = (seconds: number) => ["--insecure", ...connection(seconds, sandbox.origin.ipv4)];
  const wrong = { clientId: device?.clientId ?? `${"0".repeat(32)}.access`, clientSecret: "wrong" };
  return Promise.all([
    probe(
      "a stranger, straight to the host",
      stranger(straight(DROPPED_SECONDS)),
      (answer) => answer.curl === TIMED_OUT,
    ),
    probe("a stranger, through Cloudflare, without credentials", stranger(throughEdge), isLogin),
    probe("a stranger, through Cloudflare, with a wrong token", stranger(throughEdge, wrong), isRefused),
    ...(device ? [probe("a phone, through Cloudflare, with its token", stranger(throughEdge, device), isPong)] : []),
    probe(
      "someone at Cloudflare, straight to the host, without our certificate",
      atCloudflare(straight(CONNECT_SECONDS)),
      lacksCertificate,
    ),
    probeSsh(sandbox),
  ]);

  function stranger(args: readonly string[], headers?: DeviceHeaders): Promise<Answer> {
    return curl((command, options) => sandbox.runAsStranger(command, options), args, headers);
  }

  function atCloudflare(args: readonly string[]): Promise<Answer> {
    return curl((command, options) => sandbox.runAtEdge(command, options), args);
  }
}

interface Answer {
  curl: number;
  status: number;
  location: string;
  body: string;
}

const isLogin = ({ status, location }: Answer) => status === 302 && location.includes("/cdn-cgi/access/login/");
const isRefused = ({ status }: Answer) => status === 401 || status === 403;
const isPong = ({ status, body }: Answer) => status === 200 && body.includes("pong");
const lacksCertificate = ({ status, body }: Answer) => status === 400 && body.includes("No required SSL certificate");

async function probe(what: string, asked: Promise<Answer>, isRight: (answer: Answer) => boolean): Promise<Probe> {
  const answer = await asked;
  return { what, ok: isRight(answer), answer: inWords(answer) };
}

function inWords({ curl: code, status, location }: Answer): string {
  if (code === TIMED_OUT) return "no answer at all";
  if (code !== 0) return `no connection (curl ${code.toString()})`;
  return location.includes("/cdn-cgi/access/login/") ? `${status.toString()}, to the login page` : status.toString();
}

type Run = Sandbox["runAsStranger"];

/** Runs curl somewhere in the sandbox's networks. Headers go through standard input, never through its arguments. */
async function curl(run: Run, args: readonly string[], headers?: DeviceHeaders): Promise<Answer> {
  const { code, stdout } = await run(
    [
      "curl",
      "--silent",
      "--max-time",
      ANSWER_SECONDS.toString(),
      "--write-out",
      "\n%{http_code} %{redirect_url}",
      "--config",
      "-",
      ...args,
    ],
    { input: curlConfig(headers) },
  );
  const lines = stdout.trimEnd().split("\n");
  const [status = "0", location = ""] = (lines.pop() ?? "").split(" ");
  return { curl: code, status: Number(status), location, body: lines.join("\n") };
}

async function probeSsh(sandbox: Sandbox): Promise<Probe> {
  const { code, stderr } = await sandbox.ssh(["true"]);
  return {
    what: "the owner, over SSH",
    ok: code === 0,
    answer: code === 0 ? "connects" : `fails: ${stderr.trim().split("\n").at(-1) ?? ""}`,
  };
}

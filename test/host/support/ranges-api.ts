// A fake api.cloudflare.com at the edge's addresses, which answers over TLS as a test tells it to.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyPairPem } from "../../../dev/sandbox/certificates/x509.ts";
import { commandAt } from "../../../dev/sandbox/network/network.ts";
import type { TestHost } from "../../support/host.ts";
import { PYTHON } from "../../support/python.ts";

const SERVER = `
import http.server, json, os, socket, ssl, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = json.load(open("answer"))
        body = answer["body"].encode() if self.path == "/client/v4/ips" else b"not found"
        self.send_response(answer["status"])
        self.send_header("Content-Length", str(len(body) + answer["lacks"]))
        self.end_headers()
        self.wfile.write(body)
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    def get_request(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("certificate.pem", "key.pem")
        connection, address = super().get_request()
        return context.wrap_socket(connection, server_side=True), address
def end():
    sys.stdin.read()
    os._exit(0)
# Ends with the test, however that ends.
threading.Thread(target=end).start()
Server(("::", 443), Handler).serve_forever()
`;

/** As the timer does; but the timer starts it once a day, and systemd refuses a unit that is started too often. */
const START = "systemctl reset-failed immich-access-ranges.service; systemctl start immich-access-ranges.service";

/** An answer of the API with these ranges. */
export const listed = (ipv4: string[], ipv6: string[]) => ({
  success: true,
  result: { ipv4_cidrs: ipv4, ipv6_cidrs: ipv6 },
});

export class RangesApi {
  private readonly host: TestHost;
  private readonly folder = mkdtempSync(join(tmpdir(), "immich-access-ranges-"));
  private process: ChildProcess | undefined;

  private constructor(host: TestHost) {
    this.host = host;
  }

  /** Starts it, with a certificate that the host does not trust. */
  public static async start(host: TestHost): Promise<RangesApi> {
    const api = new RangesApi(host);
    writeFileSync(join(api.folder, "server.py"), SERVER);
    await api.atEdge(
      "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 " +
        "-subj /CN=api.cloudflare.com -addext subjectAltName=DNS:api.cloudflare.com",
    );
    const [file = "", ...args] = commandAt(host.number, "edge", [PYTHON, "-IB", "server.py"]);
    api.process = spawn(file, args, { cwd: api.folder, stdio: ["pipe", "ignore", "ignore"] });
    await api.atEdge("until ss -Hltn sport = 443 | grep -q .; do sleep 0.1; done");
    return api;
  }

  /** Makes the host trust its certificate. */
  public async trust(): Promise<void> {
    const certificate = (await this.host.fromEdge(`cat ${this.folder}/certificate.pem`)).stdout;
    await this.host.inside("cat >>/etc/ssl/certs/ca-certificates.crt", { input: certificate });
  }

  /** Shows another certificate from now on. */
  public present({ certificate, privateKey }: KeyPairPem): void {
    writeFileSync(join(this.folder, "certificate.pem"), certificate);
    writeFileSync(join(this.folder, "key.pem"), privateKey);
  }

  /**
   * Runs the host's service as the timer does, with this answer of the API, that `lacks` bytes at its end; gives the
   * service's exit status, its words, and the line of JSON with what it found.
   */
  public async refresh(
    answer: string | object,
    { status = 200, lacks = 0 } = {},
  ): Promise<{ code: number; said: string; told: string }> {
    const body = typeof answer === "string" ? answer : JSON.stringify(answer);
    writeFileSync(join(this.folder, "answer"), JSON.stringify({ status, lacks, body }));
    const since = (await this.host.inside("date +%s.%N")).stdout.trim();
    const { code } = await this.host.inside(START, { timeout: 120_000 });
    const logged = await this.host.journal("immich-access-ranges", `--since @${since} -t python3`);
    const lines = logged.split(/(?<=\n)/);
    const isJson = (line: string) => line.startsWith("{");
    return { code, said: lines.filter((line) => !isJson(line)).join(""), told: lines.filter(isJson).join("") };
  }

  /** Stops answering. */
  public async stop(): Promise<void> {
    if (this.process === undefined) return;
    const closed = once(this.process, "close");
    this.process.stdin?.end();
    await closed;
    this.process = undefined;
  }

  /** Stops it and removes its files. */
  public async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }

  private async atEdge(command: string): Promise<void> {
    const { code, stderr } = await this.host.fromEdge(`cd ${this.folder} && ${command}`);
    if (code !== 0) throw new Error(`${command}: ${stderr}`);
  }
}

// Ways to Immich past our guarded server, as owners of hosts have them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { agentModules } from "../../../components/origin-host/agent.ts";
import type { TestHost } from "../../support/host.ts";
import { serverCertificate } from "./origin.ts";

/** What the agent finds, before a first deployment of photos.example.com. */
export interface Look {
  ways: { problem: string; remedy: string }[];
  unclear: string[];
  silent: string[];
  obstacles: string[];
  holder: { who: string; remedy: string } | null;
  seconds: number;
}

const LOOK = `import json, sys, time
sys.path.insert(0, "/run/agent")
from agent.firewall.ahead import KNOWN, find_obstacles
from agent.firewall.request import Needs
from agent.port_holder import find_holder
from agent.ways_in.look import look_ahead
needs = Needs("immich", 22, "127.0.0.1:2283", home_networks=[], owner=None, ssh_from=[], keep_open=[])
start = time.monotonic()
found = look_ahead({"photos.example.com": needs}, KNOWN)
seconds = time.monotonic() - start
holder = find_holder([443])
print(json.dumps({
    "ways": [way._asdict() for way in found.ways], "unclear": found.unclear, "silent": found.silent, "seconds": seconds,
    "obstacles": [f"{one.problem}: {one.remedy}" for one in find_obstacles(KNOWN, [443])],
    "holder": None if holder is None else holder._asdict(),
}))
`;

/** A test host with Immich and whatever a test puts beside it. */
export class Doors {
  private readonly host: TestHost;

  public constructor(host: TestHost) {
    this.host = host;
  }

  /** Has Immich run, and a certificate lie where the servers of the tests find it. */
  public async prepare(): Promise<void> {
    await this.host.installImmich();
    const { certificate, privateKey } = serverCertificate("own.home.localhost");
    await this.host.inside("cat >/run/web.pem", { input: `${certificate}\n${privateKey}` });
    await this.host.inside("cat >/run/web.py", { input: readFileSync(join(import.meta.dirname, "web.py"), "utf8") });
    for (const [path, text] of Object.entries({ ...agentModules(), "look.py": LOOK }))
      await this.host.inside(`mkdir -p "$(dirname /run/agent/${path})"; cat >/run/agent/${path}`, { input: text });
    await this.succeed("until curl -sf http://127.0.0.1:2283/api/server/ping; do sleep 0.1; done");
  }

  /** What the firewall step, and the survey, would find now. */
  public async look(): Promise<Look> {
    const { code, stdout, stderr } = await this.host.inside("/usr/bin/python3 -I -B /run/agent/look.py");
    if (code !== 0 || stderr !== "") throw new Error(stderr);
    return JSON.parse(stdout) as Look;
  }

  /** The problems among the ways in, on a line each. */
  public async ways(): Promise<string> {
    return (await this.look()).ways.map(({ problem }) => problem).join("\n");
  }

  /** Has nginx read a file of these server blocks, or blocks `http` or `stream` for nginx.conf itself. */
  public async nginx(text: string, file = "/etc/nginx/conf.d/owner.conf"): Promise<void> {
    await this.host.inside(`cat >${file}`, { input: text });
    await this.succeed("nginx -t 2>&1 && systemctl reload-or-restart nginx && sleep 0.3");
  }

  /** Runs `web.py` as the unit `web-PORT.service`, on that port or on several from there on. */
  public async web(kind: string, port: number, name: string | number = ""): Promise<void> {
    await this.succeed(`systemd-run -q --unit web-${port} /usr/bin/python3 /run/web.py ${kind} ${port} ${name}`);
    await this.succeed(`until ss -Hltn sport = ${port} | grep -q .; do sleep 0.05; done`);
  }

  /** Adds a rule of the owner's to ufw, whether it is enabled or not. */
  public allow(rule: string): Promise<void> {
    return this.succeed(`ufw ${rule}`);
  }

  /** Takes everything away again. */
  public async clear(): Promise<void> {
    await this.host.inside(
      "rm -f /etc/nginx/conf.d/owner.conf; systemctl reload nginx; " +
        "for unit in $(systemctl list-units --plain --no-legend 'web-*' | cut -d' ' -f1); do systemctl stop $unit; done; " +
        "systemctl reset-failed; while ufw status numbered 2>/dev/null | grep -q '^\\['; do yes | ufw delete 1; done; " +
        "for file in user user6; do sed -i '/^### tuple/,/^$/d' /etc/ufw/$file.rules; done; sleep 0.3",
    );
  }

  private async succeed(command: string): Promise<void> {
    const { code, stdout, stderr } = await this.host.inside(command, { timeout: 30_000 });
    if (code !== 0) throw new Error(`${command}: ${stderr}${stdout}`);
  }
}

/** A server block that passes everything on, with the lines in which cases differ. */
export const proxy = (lines: string, target = "http://127.0.0.1:2283") =>
  `server {\n    ${lines}\n    location / {\n        proxy_pass ${target};\n    }\n}\n`;

/** The lines of a server with TLS. */
export const TLS = "ssl_certificate /run/web.pem; ssl_certificate_key /run/web.pem;";

// Docker of the host's own Debian on a test host, and containers on it. No registry is asked: the image is a busybox.

import { STRANGER } from "../../../dev/sandbox/network/network.ts";
import type { TestHost } from "../../support/host.ts";

/** What /etc/docker/daemon.json says; nothing of it by default. */
export interface DaemonOptions {
  "userland-proxy"?: false;
  iptables?: false;
  ip6tables?: true;
  experimental?: true;
}

/** Whose name the container of Immich bears, and on which port its server listens in there. */
export const IMMICH = { name: "immich_server", port: 2283 };
/** Another container of the same owner, which strangers may use. */
export const OTHER = { name: "blog", port: 8000 };
/** A way from one place to another that has to go on. */
export const KEPT = ["container to container", "container to the internet", "host to Immich's port"] as const;

/** The image of all containers, which has busybox's web server. */
export const IMAGE = "localhost/immich-access-test";
const PING = "/api/server/ping";
/** A server on the internet, which strangers run. */
export const INTERNET_PORT = 8000;
export const INTERNET = `http://${STRANGER.ipv4}:${INTERNET_PORT}/`;
/** How many containers a network gets in a test, at most. */
const CONTAINERS = 4;

/** A shell script that makes the image on a host, without any registry. */
export const makeImage = (engine: "docker" | "podman"): string => `set -e
root=$(mktemp -d)
mkdir -p $root/bin $root/tmp $root/www/api/server $root/blog
cp /bin/busybox $root/bin/
for applet in sh httpd; do ln -s busybox $root/bin/$applet; done
printf '{"res":"pong"}' >$root/www${PING}
printf 'a blog' >$root/blog/index.html
tar -C $root -c . | ${engine} import - ${IMAGE}
rm -r $root`;

/** The command of a container that answers a ping as Immich does, or serves another folder of the image. */
export const serving = (port: number, folder = "/www"): string => `httpd -f -p ${port} -h ${folder}`;

/** How a container is started. */
export interface Container {
  /** As `docker run -p` takes them. */
  publish?: readonly string[] | undefined;
  /** Default: Docker's own, `bridge`. */
  network?: string | undefined;
  /** The port that its server listens on. */
  port: number;
  /** What it serves. Default: an answer to a ping, as Immich gives it. */
  folder?: string;
}

/** Docker on a host. */
export class Docker {
  private readonly host: TestHost;
  private readonly containers = new Map<string, Container>();

  private constructor(host: TestHost) {
    this.host = host;
  }

  /** Starts it by its own unit, now and at every boot. The host must have been made with the engine `docker`. */
  public static async start(host: TestHost, options: DaemonOptions = {}): Promise<Docker> {
    const docker = new Docker(host);
    await docker.sh("mkdir -p /etc/docker; cat >/etc/docker/daemon.json", JSON.stringify(options));
    await docker.sh("systemctl enable -q containerd docker.socket docker 2>/dev/null; systemctl start docker");
    await docker.sh(makeImage("docker"));
    return docker;
  }

  /** Makes a network of the owner's, as a compose file does. Its bridge is called `br-…`. */
  public async createNetwork(name: string, options = ""): Promise<void> {
    await this.sh(`docker network create ${options} ${name}`);
  }

  /** Starts a container; one of that name is replaced. */
  public async run(name: string, container: Container): Promise<void> {
    const { publish = [], network = "bridge", port, folder } = container;
    const published = publish.map((one) => `-p ${one}`).join(" ");
    await this.sh(
      `docker rm -f ${name} >/dev/null 2>&1; docker run -d --init --restart always --name ${name} --network ${network} ` +
        `${published} ${IMAGE} ${serving(port, folder)}`,
    );
    this.containers.set(name, container);
    await this.ready(name);
  }

  /** Starts Immich's container and another one, which strangers may use. */
  public async runHome(publish: readonly string[], network?: string): Promise<void> {
    await this.run(IMMICH.name, { publish, network, port: IMMICH.port });
    await this.run(OTHER.name, {
      publish: [`${OTHER.port}:${OTHER.port}`],
      network,
      port: OTHER.port,
      folder: "/blog",
    });
  }

  /** Replaces Immich's container by one with another address; with other publications if they are given. */
  public async recreate(publish?: readonly string[]): Promise<void> {
    const container = this.containers.get(IMMICH.name);
    if (container === undefined) throw new Error("Immich's container has not been started");
    const [former] = await this.addresses(IMMICH.name);
    await this.sh(`docker rm -f ${IMMICH.name}`);
    // Takes the address that has become free.
    await this.sh(`docker run -d --init --network ${container.network ?? "bridge"} ${IMAGE} ${serving(80)}`);
    await this.run(IMMICH.name, { ...container, publish: publish ?? container.publish });
    if ((await this.addresses(IMMICH.name))[0] === former)
      throw new Error(`the container has kept its address ${former}`);
  }

  /** Restarts Docker, and waits until all containers answer again. */
  public async restart(): Promise<void> {
    await this.sh("systemctl restart docker");
    await this.settled();
  }

  /** Waits until all containers answer: after a boot, too. */
  public async settled(): Promise<void> {
    await this.sh("systemctl is-active -q --wait docker.service || systemctl start docker");
    for (const name of this.containers.keys()) await this.ready(name);
  }

  /** Addresses of a container, IPv4's first. */
  public async addresses(name: string): Promise<string[]> {
    const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}";
    return (await this.sh(`docker inspect -f '${format}' ${name}`)).trim().split(/\s+/).filter(Boolean);
  }

  /**
   * The host's addresses in the network of Immich's container, and those that its containers get one after the other: a
   * neighbour may try to reach any of them.
   */
  public async targets(): Promise<string[]> {
    const format = "{{range .NetworkSettings.Networks}}{{.Gateway}} {{.IPv6Gateway}} {{end}}";
    const gateways = (await this.sh(`docker inspect -f '${format}' ${IMMICH.name}`))
      .trim()
      .split(/\s+/)
      .filter(Boolean);
    return gateways.flatMap((gateway) =>
      Array.from({ length: CONTAINERS + 1 }, (_, index) => gateway.replace(/1$/, String(1 + index))),
    );
  }

  /** Which of the ways of KEPT are open now. */
  public async kept(upstream: string): Promise<string[]> {
    const format = "{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    const listed = await this.sh(`docker inspect -f '${format}' ${OTHER.name} ${IMMICH.name}`);
    const [[pid = ""] = [], [, address = ""] = []] = listed.split("\n").map((line) => line.split(" "));
    // Without `docker exec`, which takes seconds on a busy machine.
    const asks = (url: string) => `nsenter -t ${pid} -n curl -sf -m 10 -o /dev/null ${url}`;
    const commands = [
      asks(`http://${address}:${IMMICH.port}${PING}`),
      asks(INTERNET),
      `curl -sf -m 10 -o /dev/null http://${upstream}${PING}`,
    ];
    const codes = await Promise.all(commands.map((one) => this.host.inside(one).then(({ code }) => code)));
    return KEPT.filter((_, index) => codes[index] === 0);
  }

  /** Waits until a container's own server answers the host. */
  private async ready(name: string): Promise<void> {
    const { port } = this.containers.get(name) ?? { port: 80 };
    const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    const url = `"http://$(docker inspect -f '${format}' ${name}):${port}${PING}"`;
    await this.sh(`for try in $(seq 300); do curl -s -m 1 -o /dev/null ${url} && exit; sleep 0.1; done; exit 1`);
  }

  private async sh(command: string, input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.host.inside(command, { input, timeout: 300_000 });
    if (code !== 0) throw new Error(`${command}: ${stderr || stdout || code}`);
    return stdout;
  }
}

// A router between the deployment and the host's sshd, which can fail.

import { once } from "node:events";
import net from "node:net";

const SSH_PORT = 22;

/** What happens to a connection before its first byte. */
export type Admission = "pass" | "refuse";

interface Passing {
  near: net.Socket;
  far: net.Socket;
}

/** Passes connections from a port of 127.0.0.1 on to the host's port 22. */
export class SshRelay {
  /** Asked about each connection; counts from 0 since the last `reset`. Default: pass. */
  public admit: (connection: number) => Admission | Promise<Admission> = () => "pass";
  private readonly server: net.Server;
  private readonly passing = new Set<Passing>();
  private connections = 0;

  private constructor(host: string) {
    this.server = net.createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (near) => {
      near.on("error", () => undefined);
      void this.open(near, host);
    });
  }

  /** Starts one that leads to `host`. */
  public static async start(host: string): Promise<SshRelay> {
    const relay = new SshRelay(host);
    relay.server.listen(0, "127.0.0.1");
    await once(relay.server, "listening");
    return relay;
  }

  public get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }

  /** Passes everything on again, and counts from 0. */
  public reset(): void {
    this.admit = () => "pass";
    this.connections = 0;
  }

  /** Swallows what the host says on the connections that there are, from now on. */
  public mute(): void {
    for (const { near, far } of this.passing) {
      far.unpipe(near);
      far.resume();
    }
  }

  /** Ends the connections that there are, to both sides. */
  public cut(): void {
    for (const { near, far } of this.passing) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  public async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, "close");
  }

  private async open(near: net.Socket, host: string): Promise<void> {
    const admission = await this.admit(this.connections++);
    if (admission === "refuse") {
      near.resetAndDestroy();
      return;
    }
    const far = net.connect({ host, port: SSH_PORT, noDelay: true, allowHalfOpen: true });
    const passing = { near, far };
    this.passing.add(passing);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.passing.delete(passing);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

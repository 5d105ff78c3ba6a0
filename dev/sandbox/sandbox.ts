/** How a command that ran somewhere in the sandbox ended. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** A running sandbox, as the dev stack and the tests see it. */
export interface Sandbox {
  /** Distinguishes the sandboxes of one machine; part of the names and ports of all that belongs to it. */
  number: number;
  /** Base address of the API double. */
  apiUrl: string;
  /** Where a browser finds the state, the last requests and the PINs that were not mailed. */
  statusUrl: string;
  /** The API token that the dev stack uses; secret. */
  token: string;
  /** PEM file of the CA behind the edge's certificates. */
  publicCaPath: string;
  /** Where visitors reach the edge, and where the edge reaches the host. */
  edge: { ipv4: string; ipv6: string };
  origin: { ipv4: string; ipv6: string };
  /** Where and as whom SSH reaches the host. `hostKey` is one authorized_keys line. */
  sshTarget: { host: string; hostKey: string; privateKey: string; keyFile: string };
  /** Where a browser on this machine finds a host name that the edge serves; names below localhost lead here. */
  browserUrl(hostname: string): string;
  /** Runs a command on the host over SSH. */
  ssh(command: readonly string[]): Promise<CommandResult>;
  /** Runs a command on the host as root, past SSH and the firewall. */
  runOnHost(command: readonly string[], options?: { input?: string }): Promise<CommandResult>;
  /**
   * Runs a command from a stranger's address on the internet, or from the edge's. It is killed after `timeout` milliseconds,
   * by default 60 000.
   */
  runAsStranger(command: readonly string[], options?: { input?: string; timeout?: number }): Promise<CommandResult>;
  runAtEdge(command: readonly string[], options?: { input?: string; timeout?: number }): Promise<CommandResult>;
}

import type { IncomingMessage } from "node:http";
import { errorAnswer, type Answer } from "../edge/answers.ts";
import type { Verdict, Visit } from "./visit.ts";

/**
 * Guards the host names that have an Access application. It knows no logins and no tokens yet, so it lets nobody
 * through to a guarded name; as at Cloudflare, a name without an application is open to everyone.
 */
export class Access {
  public guard({ edge, host, ray, request }: Visit): Promise<Verdict> {
    const guarded = edge.state.access_apps.some(({ domain, destinations }) =>
      [domain, ...destinations.map(({ uri }) => uri)].some((uri) => uri.split("/")[0] === host),
    );
    if (!guarded) return Promise.resolve({ pass: true });
    return Promise.resolve({ pass: false, answer: this.refusal(request, ray) });
  }

  /** Answers requests to the team domain. */
  public team({ request, ray }: Visit): Promise<Answer> {
    return Promise.resolve(this.refusal(request, ray));
  }

  private refusal(request: IncomingMessage, ray: string): Answer {
    return errorAnswer(request, 403, "Forbidden: Access guards this name", ray);
  }
}

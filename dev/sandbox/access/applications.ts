// Finds the Access application that protects a host name and path. Pure functions.
// Semantics: cloudflare-docs, cloudflare-one/access-controls/policies/app-paths.

import type { AccessApp, Organization, State } from "../api/state.ts";

/** One address of an application. */
interface Destination {
  app: AccessApp;
  host: string;
  /** Begins with a slash; "/" stands for every path. */
  path: string;
}

const escape = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&");

/** In a host name, a wildcard stays within its level. */
const hostPattern = (host: string): RegExp => new RegExp(`^${escape(host).replaceAll("*", "[^.]*")}$`);

/** In a path, a wildcard covers several levels; paths below a protected path are protected too. */
const pathPattern = (path: string): RegExp =>
  path === "/" ? /^/ : new RegExp(`^${escape(path).replaceAll("*", ".*")}(?:/|$)`, "s");

/** The path as origins read it: decoded, with `.`, `..`, backslashes and empty segments resolved. */
function plainPath(path: string): string {
  let decoded = path;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    // Not UTF-8, so it cannot be decoded and is compared as sent.
  }
  const segments: string[] = [];
  for (const segment of decoded.split(/[/\\]/)) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return `/${segments.join("/")}`;
}

function* destinationsFor(state: State, host: string): Generator<Destination> {
  for (const app of state.access_apps) {
    for (const uri of new Set([app.domain, ...app.destinations.map((destination) => destination.uri)])) {
      const slash = uri.indexOf("/");
      const name = slash < 0 ? uri : uri.slice(0, slash);
      if (hostPattern(name).test(host)) yield { app, host: name, path: slash < 0 ? "/" : plainPath(uri.slice(slash)) };
    }
  }
}

/** More literal characters are more specific: those of the host count first, then those of the path. */
function moreSpecific(a: Destination, b: Destination): number {
  const wild = (text: string): number => Number(text.includes("*"));
  return wild(a.host) - wild(b.host) || b.host.length - a.host.length || b.path.length - a.path.length;
}

/** The application that protects this path, or undefined. */
export function applicationFor(state: State, host: string, path: string): AccessApp | undefined {
  const plain = plainPath(path);
  return [...destinationsFor(state, host)]
    .filter((destination) => pathPattern(destination.path).test(plain))
    .sort(moreSpecific)[0]?.app;
}

/** Whether the edge has come to know a new application. */
export const isInForce = (state: State, app: AccessApp): boolean =>
  Date.parse(app.created_at) + state.options.access_enforcement_ms <= Date.now();

/** Every application that protects some path of the host. */
export const applicationsOf = (state: State, host: string): AccessApp[] => [
  ...new Set([...destinationsFor(state, host)].map(({ app }) => app)),
];

/** The organisation that an application belongs to. Throws if the account has none: then it has no applications. */
export function organizationOf(state: State, accountId: string): Organization {
  const found = state.organizations.find((organization) => organization.account_id === accountId);
  if (found === undefined) throw new Error(`account ${accountId} has no Zero Trust organisation`);
  return found;
}

import { ZeroTrustAccessGroup } from "@pulumi/cloudflare/zeroTrustAccessGroup.js";
import {
  validateResourceOfType,
  type PolicyResource,
  type ResourceValidationArgs,
  type ResourceValidationPolicy,
  type StackValidationPolicy,
} from "@pulumi/policy";
import * as cloudflare from "../../components/cloudflare.ts";
import { FOREVER } from "../../components/token-end.ts";
import { durationSeconds } from "../../settings/durations.ts";
import { valueIfKnown, resourcesOfType } from "./preview-values.ts";

/** Default duration of a service token (cloudflare_zero_trust_access_service_token). */
const DEFAULT_TOKEN_DURATION = "8760h";

/** The selectors of a policy that the rules look at. */
interface Admission {
  decision?: string;
  includes?: { everyone?: object; loginMethod?: object; anyValidServiceToken?: object }[];
}

/**
 * A resource that admits people or tokens: a policy, a group that policies include, or an application's own policies.
 */
function admissions(args: ResourceValidationArgs): Admission[] {
  const single = args.asType(cloudflare.ZeroTrustAccessPolicy) ?? args.asType(ZeroTrustAccessGroup);
  if (single) return [single as Admission];
  return (args.asType(cloudflare.ZeroTrustAccessApplication)?.policies ?? []) as Admission[];
}

/** Selectors that admit somebody; those of a Block policy are left out. */
const admitted = (args: ResourceValidationArgs) =>
  admissions(args)
    .filter(({ decision }) => decision !== "deny")
    .flatMap(({ includes }) => includes ?? []);

/** No policy admits everybody. */
export const noEveryone: ResourceValidationPolicy = {
  name: "access-no-everyone",
  description:
    "Everyone admits the whole internet, and so does a login method by itself: anybody can have a PIN mailed to them.",
  validateResource: (args, reportViolation) => {
    for (const include of admitted(args)) {
      const found = include.everyone ? "Everyone" : include.loginMethod ? "a login method" : undefined;
      if (found) reportViolation(`It includes ${found}. Include email addresses or email domains instead.`);
    }
  },
};

/** No policy bypasses Access. */
export const noBypass: ResourceValidationPolicy = {
  name: "access-no-bypass",
  description: "Bypass switches Access off for everyone who matches, and Cloudflare does not even log it.",
  validateResource: (args, reportViolation) => {
    if (admissions(args).some(({ decision }) => decision === "bypass")) {
      reportViolation("Its decision is bypass. Use allow for people and non_identity for devices.");
    }
  },
};

/** No application opens a path of a protected host name. Many guides do that to share links without a login. */
export const noPublicPaths: StackValidationPolicy = {
  name: "access-no-public-paths",
  description:
    "A path that bypasses Access opens more than it names: a shared album needs Immich's API, so strangers reach that.",
  validateStack: ({ resources }, reportViolation) => {
    const open = resourcesOfType(resources, cloudflare.ZeroTrustAccessPolicy).filter(({ props }) =>
      opens(props as Admission),
    );
    for (const application of resourcesOfType(resources, cloudflare.ZeroTrustAccessApplication)) {
      const props = application.props as ApplicationProps;
      const own = (valueIfKnown(() => props.policies) ?? []).some((policy) => opens(policy));
      const listed = application.propertyDependencies["policies"] ?? [];
      if (!own && !open.some((policy) => listed.includes(policy))) continue;
      const destinations = valueIfKnown(() => props.destinations) ?? [];
      const places = [valueIfKnown(() => props.domain), ...destinations.map((one) => valueIfKnown(() => one.uri))];
      for (const place of new Set(places.filter((uri) => uri !== undefined && uri.includes("/")))) {
        reportViolation(
          `It opens ${String(place)} to everybody. To share links without a login, set publicShareHostname, a second ` +
            "host name in front of immich-public-proxy (docs/public-shares.md).",
          application.urn,
        );
      }
    }
  },
};

/** The part of an application that the rule reads. Any value may be unknown in a preview. */
interface ApplicationProps {
  domain?: string;
  destinations?: { uri?: string }[];
  policies?: Admission[];
}

/** Whether the policy admits everyone. A value unknown in a preview counts as no. */
function opens(policy: Admission): boolean {
  const decision = valueIfKnown(() => policy.decision);
  const everyone = (valueIfKnown(() => policy.includes) ?? []).some(
    (include) => valueIfKnown(() => include.everyone) !== undefined,
  );
  return decision === "bypass" || (everyone && decision !== "deny");
}

/** Service tokens are admitted by name. */
export const namedTokens: ResourceValidationPolicy = {
  name: "access-tokens-named",
  description:
    "Any valid service token means all of the account's, including those for other applications and future ones.",
  configSchema: {
    properties: {
      anyServiceToken: {
        type: "boolean",
        default: false,
        description: "Declares that every service token of the account is admitted.",
      },
    },
  },
  validateResource: (args, reportViolation) => {
    if (args.getConfig<{ anyServiceToken: boolean }>().anyServiceToken) return;
    if (admitted(args).some(({ anyValidServiceToken }) => anyValidServiceToken)) {
      reportViolation(
        "It includes any valid service token. Name the devices' tokens (setting anyServiceToken false), or declare " +
          "anyServiceToken in policy/config.json.",
      );
    }
  },
};

/** Service tokens expire, unless it is declared that they do not. */
export const tokenLifetime: ResourceValidationPolicy = {
  name: "token-lifetime",
  description: "A stolen service token that never expires works for ever, and nobody notices.",
  configSchema: {
    properties: {
      maxHours: { type: "integer", minimum: 24, default: 8760, description: "Longest life in hours." },
      forever: { type: "boolean", default: false, description: "Declares that service tokens need not expire." },
    },
  },
  validateResource: validateResourceOfType(
    cloudflare.ZeroTrustAccessServiceToken,
    ({ name, duration = DEFAULT_TOKEN_DURATION }, args, reportViolation) => {
      const { maxHours, forever } = args.getConfig<{ maxHours: number; forever: boolean }>();
      if (duration === FOREVER) {
        if (!forever) {
          reportViolation(
            `The token ${name} never expires. Give it an end (setting tokenDuration; \`up\` refreshes a token in its ` +
              "last month), or declare forever in policy/config.json.",
          );
        }
        return;
      }
      const seconds = durationSeconds(duration);
      if (seconds === undefined || seconds > maxHours * 3600) {
        reportViolation(
          `The token ${name} lasts ${duration}, but at most ${maxHours.toString()}h are allowed. Lower its duration (setting ` +
            "tokenDuration), or allow more in policy/config.json.",
        );
      }
    },
  ),
};

/** Whether a resource belongs to public shares, which need no Access application. */
const ofPublicShares = (urn: string) => urn.includes("immich-access:index:PublicShares$");

/** Each application lists its policies, and each proxied name except that of public shares has an application. */
export const applicationGuarded: StackValidationPolicy = {
  name: "access-application-guarded",
  description:
    "An application admits by the policies that it lists: without the one for people nobody can log in, without the one " +
    "for devices their tokens are useless, and a policy that no application lists has no effect.",
  validateStack: ({ resources }, reportViolation) => {
    const policies = resourcesOfType(resources, cloudflare.ZeroTrustAccessPolicy);
    const applications = resourcesOfType(resources, cloudflare.ZeroTrustAccessApplication);
    const tokens = resourcesOfType(resources, cloudflare.ZeroTrustAccessServiceToken);
    // Each site has a component with its application and its devices' tokens. A site may have no devices.
    const beside = (token: PolicyResource) => applications.some(({ parent }) => parent === token.parent);
    // In a preview a new policy's id is unknown, but the dependency of the application's list on it is known.
    const listed = applications.map(({ propertyDependencies }) => new Set(propertyDependencies["policies"] ?? []));
    applications.forEach(({ name, urn, parent }, index) => {
      const decisions = policies
        .filter((policy) => listed[index]?.has(policy))
        .map(({ props }) => valueIfKnown(() => props["decision"] as string));
      if (!decisions.includes("allow")) {
        reportViolation(`${name} lists no policy that admits people. Add one with decision allow.`, urn);
      }
      const devices = tokens.filter((token) => token.parent === parent || !beside(token));
      if (devices.length > 0 && !decisions.includes("non_identity")) {
        reportViolation(`${name} lists no policy for its service tokens. Add one with decision non_identity.`, urn);
      }
    });
    for (const policy of policies.filter((one) => !listed.some((list) => list.has(one)))) {
      reportViolation(`No application lists ${policy.name}, so it does nothing. Add its id to policies.`, policy.urn);
    }
    const domains = applications.map(({ props }) => valueIfKnown(() => props["domain"] as string));
    for (const { props, urn } of resourcesOfType(resources, cloudflare.DnsRecord).filter(
      (one) => !ofPublicShares(one.urn),
    )) {
      if (valueIfKnown(() => props["proxied"] === true) && !domains.includes(props["name"] as string)) {
        reportViolation(`No application protects ${String(props["name"])}. Declare one with it as domain.`, urn);
      }
    }
  },
};

// Names in the stack's state that tools look for when they read the state without the program.

/** Type of the component AccessApplication. */
export const ACCESS_APPLICATION = "immich-access:index:AccessApplication";

/** Name of a device's service token at Cloudflare. */
export const serviceTokenName = (hostname: string, device: string): string => `${hostname} ${device}`;

/** The device that a site's service token belongs to, from the token's name. */
export const deviceOf = (hostname: string, tokenName: string): string =>
  tokenName.slice(serviceTokenName(hostname, "").length);

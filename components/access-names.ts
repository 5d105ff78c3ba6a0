// What the stack's state says of Access, for tools that read it without the program.

/** Type of the component AccessApplication. */
export const ACCESS_APPLICATION = "immich-access:index:AccessApplication";

/** Name of a device's service token at Cloudflare. */
export const serviceTokenName = (hostname: string, device: string): string => `${hostname} ${device}`;

/** The device of a site's service token, by the token's name. */
export const deviceOf = (hostname: string, tokenName: string): string =>
  tokenName.slice(serviceTokenName(hostname, "").length);

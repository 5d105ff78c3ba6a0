/** The record types that lead a name straight to addresses. */
export const ADDRESS_TYPES = ["A", "AAAA"] as const;

/** The record types that lead a name to an origin. A name has either one CNAME or any number of the others. */
export const ORIGIN_TYPES = [...ADDRESS_TYPES, "CNAME"] as const;

/** Whether records of a type lead a name straight to an address. */
export const isAddressType = (type: string): boolean => ADDRESS_TYPES.some((one) => one === type);

/** Whether records of a type lead a name to an origin. Cloudflare proxies these types only. */
export const isOriginType = (type: string): boolean => ORIGIN_TYPES.some((one) => one === type);

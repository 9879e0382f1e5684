import { isIPv4 } from "node:net";

export type CidrResult = { cidr: string } | { problem: string };

/**
 * Checks a CIDR block, IPv4 or IPv6, and brings it into the one form that AWS shows (lower case, compressed).
 * Bits beyond the prefix are refused with the two things that may be meant: AWS would drop them silently, and the
 * provider refuses them.
 */
export function parseCidr(text: string): CidrResult {
  const [address = "", prefix, ...rest] = text.split("/");
  const family = address.includes(":") ? v6 : v4;
  const value = family.parse(address);
  if (value === undefined || rest.length > 0)
    return { problem: "is not a CIDR block such as 203.0.113.7/32 or 2001:db8::/64" };
  if (prefix === undefined)
    return { problem: `has no prefix length (did you mean ${family.format(value)}/${family.bits}?)` };
  const length = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Infinity;
  if (length > family.bits)
    return { problem: `has the prefix length ${prefix}, which is not between 0 and ${family.bits}` };

  const hostBits = BigInt(family.bits - length);
  const network = (value >> hostBits) << hostBits;
  if (network !== value) {
    const one = `${family.format(value)}/${family.bits}`;
    return {
      problem: `has address bits beyond its prefix (did you mean ${family.format(network)}/${length} or ${one}?)`,
    };
  }
  return { cidr: `${family.format(value)}/${length}` };
}

interface Family {
  bits: number;
  parse(address: string): bigint | undefined;
  format(value: bigint): string;
}

const v4: Family = {
  bits: 32,
  parse: (address) =>
    isIPv4(address) ? address.split(".").reduce((value, octet) => value * 256n + BigInt(octet), 0n) : undefined,
  format: (value) => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join("."),
};

const v6: Family = {
  bits: 128,
  parse(address) {
    const host = hostnameOf(address);
    if (host === undefined) return undefined;
    const [head = "", tail] = host.split("::");
    const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
    const left = groups(head);
    const right = tail === undefined ? [] : groups(tail);
    const zeros = new Array<string>(8 - left.length - right.length).fill("0");
    return [...left, ...zeros, ...right].reduce((value, group) => value * 65536n + BigInt(`0x${group}`), 0n);
  },
  format(value) {
    const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(16 * (7 - i))) & 0xffffn).toString(16));
    return hostnameOf(groups.join(":")) as string;
  },
};

/** The URL parser of the platform knows every spelling of an IPv6 address and writes the canonical one. */
function hostnameOf(address: string): string | undefined {
  if (!/^[0-9a-f:.]+$/i.test(address)) return undefined;
  const url = `http://[${address}]/`;
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : undefined;
}

/** Whether the first block lies within the second; false for blocks of different families and for what is no block. */
export function isWithin(inner: string, outer: string): boolean {
  const family = inner.includes(":") ? v6 : v4;
  const [innerAddress = "", innerLength] = inner.split("/");
  const [outerAddress = "", outerLength] = outer.split("/");
  const [from, to] = [family.parse(innerAddress), family.parse(outerAddress)];
  if (from === undefined || to === undefined || Number(innerLength) < Number(outerLength)) return false;
  const rest = BigInt(family.bits - Number(outerLength));
  return from >> rest === to >> rest;
}

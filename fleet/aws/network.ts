import type { RegionPin } from "../model";

/** Address layout of the networks that this program makes. One VPC per region, never peered: all alike. */

export const VPC_CIDR = "10.42.0.0/16";

/**
 * The subnet of an availability zone: a /20 chosen by the zone's letter and not by its position in a list, so that
 * a zone that comes or goes never moves the others.
 * @throws RangeError for a zone without a letter a-p at its end (local and wavelength zones are never asked for)
 */
export function subnetCidr(availabilityZone: string): string {
  const index = availabilityZone.charCodeAt(availabilityZone.length - 1) - "a".charCodeAt(0);
  if (!(index >= 0 && index < 16)) throw new RangeError(`availability zone ${availabilityZone} has no letter a-p`);
  return `10.42.${index * 16}.0/20`;
}

/** Descriptions of the SSH rules: by them a later run tells a caller's confirmed address from a configured block. */
export const SSH_RULE = { configured: "SSH", caller: "SSH from a confirmed caller address" } as const;

/** Description of the rule that lets everything out. */
export const EGRESS_RULE = "everything out";

/** Is a rule such as this program makes, by its description? */
export function isOwnRule(description: string | undefined): boolean {
  return [SSH_RULE.configured, SSH_RULE.caller, EGRESS_RULE].some((own) => own === description);
}

/** Every IPv4 address: where the way out leads. */
export const EVERYWHERE = "0.0.0.0/0";
/** Every IPv6 address. */
export const EVERYWHERE_V6 = "::/0";

/** The logical name of the fleet's own security group in a region's network. */
export function groupName(region: string, { group = region }: Pick<RegionPin, "group">): string {
  return group;
}

/** The logical name of the rule by which a group lets a block log in. @param group the group's logical name */
export function sshRuleName(group: string, cidr: string): string {
  return `${group}${SSH_INFIX}${cidr}`;
}

const SSH_INFIX = "-ssh-";

/**
 * The block that a rule was declared for, by the rule's logical name: what AWS shows of it, somebody may have changed.
 * Undefined for the name of anything else.
 */
export function cidrOfSshRule(name: string): string | undefined {
  const at = name.lastIndexOf(SSH_INFIX);
  return at < 0 ? undefined : name.slice(at + SSH_INFIX.length);
}

import type { Call } from "../protocol/call";

/** What an action is authorized against. */
export interface Resource {
  type: string;
  /** As the ARN names it; `*` where AWS knows no name yet. */
  name: string;
  /** The id under which AWS keeps its tags. Absent: it does not exist yet, or nothing says which it is. */
  id?: string;
  /** The call makes it, so that the tags asked for are its own. */
  isNew?: true;
}

/** By the ids' prefixes; types as the Service Authorization Reference for Amazon EC2 calls them. */
const typeByPrefix: Record<string, string> = {
  acl: "network-acl",
  ami: "image",
  cgw: "customer-gateway",
  dopt: "dhcp-options",
  eigw: "egress-only-internet-gateway",
  eipalloc: "elastic-ip",
  eni: "network-interface",
  fleet: "fleet",
  i: "instance",
  igw: "internet-gateway",
  key: "key-pair",
  lt: "launch-template",
  nat: "natgateway",
  pcx: "vpc-peering-connection",
  pg: "placement-group",
  pl: "prefix-list",
  rtb: "route-table",
  sg: "security-group",
  sgr: "security-group-rule",
  sir: "spot-instances-request",
  snap: "snapshot",
  subnet: "subnet",
  vgw: "vpn-gateway",
  vol: "volume",
  vpc: "vpc",
  vpce: "vpc-endpoint",
  vpn: "vpn-connection",
};

/** The type of what has such an id; undefined where the prefix is not known. */
export const typeOfId = (id: string): string | undefined => typeByPrefix[id.slice(0, Math.max(0, id.lastIndexOf("-")))];

/** Their ARNs name no account ("Resource types defined by Amazon EC2"). */
const withoutAccount: ReadonlySet<string> = new Set(["image", "snapshot"]);

export const arnOf = ({ region }: Pick<Call, "region">, account: string, { type, name }: Resource): string =>
  `arn:aws:ec2:${region}:${withoutAccount.has(type) ? "" : account}:${type}/${name}`;

export const existing = (type: string, id: string): Resource => ({ type, name: id, id });
export const fresh = (type: string, name = "*"): Resource => ({ type, name, isNew: true });
export const unknown = (type: string): Resource => ({ type, name: "*" });

import { fleet, instance, keyPair, launchTemplate, spotRequest, volume } from "./compute";
import {
  egressOnlyGateway,
  elasticAddress,
  internetGateway,
  natGateway,
  peeringConnection,
  vpcEndpoint,
  vpnConnection,
  vpnGateway,
} from "./gateways";
import type { ResourceKind } from "./kind";
import { networkAcl, networkInterface, routeTable, securityGroup, subnet, vpc } from "./network";

export type { Listed, ResourceKind } from "./kind";

/**
 * Everything that a fleet or somebody beside it can leave in a region, in the order in which AWS lets it go: instances
 * before the interfaces they hold, groups and tables before subnets, ACLs after the subnets that go by them, the VPC when
 * it is empty; then what nothing waits for. To add one, add a row.
 */
const TABLE = [
  spotRequest,
  instance,
  fleet,
  launchTemplate,
  natGateway,
  elasticAddress,
  vpcEndpoint,
  peeringConnection,
  vpnConnection,
  vpnGateway,
  networkInterface,
  securityGroup,
  routeTable,
  subnet,
  networkAcl,
  internetGateway,
  egressOnlyGateway,
  vpc,
  volume,
  keyPair,
] as const;

type Row = (typeof TABLE)[number];

/** The name of a kind: `instance`, `nat-gateway`. */
export type KindName = Row["kind"];

/** The name of a kind that a fleet of ours makes. */
export type FleetKind = Extract<Row, { madeByFleet: true }>["kind"];

/** A row of the table, by whose name objects of it can be told. */
export type KnownKind<Name extends KindName = KindName> = ResourceKind & { kind: Name };

export const RESOURCE_KINDS: readonly KnownKind[] = TABLE;

/** The kinds that a fleet of ours makes, in the same order. */
export const FLEET_KINDS: readonly KnownKind<FleetKind>[] = TABLE.filter((row) => "madeByFleet" in row);

const BY_NAME = new Map<KindName, ResourceKind>(TABLE.map((row) => [row.kind, row]));

/** @throws Error for a name that the table does not have */
export function kindOf(name: KindName): ResourceKind {
  const row = BY_NAME.get(name);
  if (row === undefined) throw new Error(`RESOURCE_KINDS has no row for ${name}`);
  return row;
}

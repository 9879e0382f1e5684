import {
  DeleteRouteCommand,
  DisassociateRouteTableCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  paginateDescribeRouteTables,
  paginateDescribeSecurityGroupRules,
  type EC2Client,
  type Route,
  type RouteTable,
  type SecurityGroupRule,
} from "@aws-sdk/client-ec2";
import type { Lookup } from "../../fleet/checks";
import { EVERYWHERE, isOwnRule } from "../../fleet/aws/network";
import { isDefaultRule } from "../../fleet/drift/compare";
import type { SeenRoute, SeenRule, SeenTable } from "../../fleet/drift/types";
import type { Cloud } from "../clients";
import { onAllPages } from "./kinds/kind";
import { lookUp } from "./look-up";

/**
 * A part of a security group or a route table. AWS tags none of them in the call that makes it, so a part whose call
 * was broken off is known only by what holds it, and by being such as this program makes.
 */
export interface NetworkPart {
  kind: "rule" | "route" | "association";
  region: string;
  /** The group or table. */
  holder: string;
  /** Of a rule or an association; a route has none. */
  id?: string;
  /** It is such as this program makes; anything else somebody added by hand. */
  isOurs: boolean;
  /** AWS puts such a rule into every new group. */
  isDefault?: boolean;
  remove: () => Promise<unknown>;
}

/** The groups and networks of one region whose parts are wanted. */
export interface PartHolders {
  region: string;
  groups: string[];
  vpcs: string[];
}

/** What one look at a region showed of its groups and networks; what is refused is a fact of its own. */
export interface NetworkLook {
  region: string;
  rules: Lookup<SeenRule[]>;
  tables: Lookup<SeenTable[]>;
}

/** Every rule of these groups, and every route table of these networks: two calls a region, by pages. Never throws. */
export async function networkLook(cloud: Cloud, { region, groups, vpcs }: PartHolders): Promise<NetworkLook> {
  const client = cloud.ec2(region);
  const [rules, tables] = await Promise.all([
    lookUp(`DescribeSecurityGroupRules in ${region}`, groups, (Values) =>
      onAllPages(
        paginateDescribeSecurityGroupRules({ client, pageSize: 1000 }, { Filters: [{ Name: "group-id", Values }] }),
        ({ SecurityGroupRules }) => SecurityGroupRules,
      ),
    ),
    // By filter: of a network that is gone, asking by id would be an error for all.
    lookUp(`DescribeRouteTables in ${region}`, vpcs, (Values) =>
      onAllPages(
        paginateDescribeRouteTables({ client, pageSize: 100 }, { Filters: [{ Name: "vpc-id", Values }] }),
        ({ RouteTables }) => RouteTables,
      ),
    ),
  ]);
  return { region, rules: mapped(rules, seenRule), tables: mapped(tables, seenTable) };
}

function mapped<T, R>(found: Lookup<T[]>, read: (one: T) => R[]): Lookup<R[]> {
  return found.failure === undefined ? { value: found.value.flatMap(read) } : found;
}

function seenRule(rule: SecurityGroupRule): SeenRule[] {
  const { SecurityGroupRuleId: id, GroupId: group } = rule;
  if (id === undefined || group === undefined) return [];
  const { IpProtocol: protocol = "", FromPort, ToPort, CidrIpv4, CidrIpv6, ReferencedGroupInfo, PrefixListId } = rule;
  return [
    {
      id,
      group,
      isEgress: rule.IsEgress ?? false,
      protocol,
      ...(protocol === "-1" ? {} : { fromPort: FromPort, toPort: ToPort }),
      cidrIpv4: CidrIpv4 || undefined,
      cidrIpv6: CidrIpv6 || undefined,
      referencedGroup: ReferencedGroupInfo?.GroupId || undefined,
      prefixList: PrefixListId || undefined,
      description: rule.Description || undefined,
    },
  ];
}

function seenTable({ RouteTableId, Routes = [], Associations = [] }: RouteTable): SeenTable[] {
  if (RouteTableId === undefined) return [];
  return [
    {
      id: RouteTableId,
      routes: Routes.flatMap((route): SeenRoute[] => {
        const destination =
          route.DestinationCidrBlock || route.DestinationIpv6CidrBlock || route.DestinationPrefixListId;
        if (!destination) return [];
        return [{ destination, target: targetOf(route), isMade: route.Origin === "CreateRoute" }];
      }),
      associations: Associations.flatMap(({ RouteTableAssociationId: id, SubnetId: subnet, Main }) =>
        id === undefined || subnet === undefined || Main ? [] : [{ id, subnet }],
      ),
    },
  ];
}

/** A route leads to one thing; an instance is named beside its interface. */
function targetOf(route: Route): string {
  const {
    GatewayId,
    NatGatewayId,
    TransitGatewayId,
    VpcPeeringConnectionId,
    EgressOnlyInternetGatewayId,
    LocalGatewayId,
    CarrierGatewayId,
    NetworkInterfaceId,
    InstanceId,
  } = route;
  return (
    GatewayId ||
    NatGatewayId ||
    TransitGatewayId ||
    VpcPeeringConnectionId ||
    EgressOnlyInternetGatewayId ||
    LocalGatewayId ||
    CarrierGatewayId ||
    route.CoreNetworkArn ||
    NetworkInterfaceId ||
    InstanceId ||
    ""
  );
}

/** The parts of these groups and tables, each with the way to remove it; of routes, the way out alone. */
export function partsOf(cloud: Cloud, { region, rules, tables }: NetworkLook): NetworkPart[] {
  const client = cloud.ec2(region);
  return [
    ...(rules.value ?? []).map(
      (rule): NetworkPart => ({
        kind: "rule",
        region,
        holder: rule.group,
        id: rule.id,
        isOurs: isOwnRule(rule.description),
        isDefault: isDefaultRule(rule),
        remove: () => revoke(client, rule),
      }),
    ),
    ...(tables.value ?? []).flatMap((table) => partsOfTable(client, region, table)),
  ];
}

function revoke(client: EC2Client, { id, group, isEgress }: SeenRule): Promise<unknown> {
  const rule = { GroupId: group, SecurityGroupRuleIds: [id] };
  return isEgress
    ? client.send(new RevokeSecurityGroupEgressCommand(rule))
    : client.send(new RevokeSecurityGroupIngressCommand(rule));
}

function partsOfTable(
  client: EC2Client,
  region: string,
  { id: holder, routes, associations }: SeenTable,
): NetworkPart[] {
  const wayOut = { RouteTableId: holder, DestinationCidrBlock: EVERYWHERE };
  return [
    ...routes.flatMap(({ destination }): NetworkPart[] =>
      destination === EVERYWHERE
        ? [{ kind: "route", region, holder, isOurs: true, remove: () => client.send(new DeleteRouteCommand(wayOut)) }]
        : [],
    ),
    ...associations.map(
      ({ id }): NetworkPart => ({
        kind: "association",
        region,
        holder,
        id,
        isOurs: true,
        remove: () => client.send(new DisassociateRouteTableCommand({ AssociationId: id })),
      }),
    ),
  ];
}

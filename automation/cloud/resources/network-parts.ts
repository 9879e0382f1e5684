import {
  DeleteRouteCommand,
  DisassociateRouteTableCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  paginateDescribeRouteTables,
  paginateDescribeSecurityGroupRules,
  type EC2Client,
} from "@aws-sdk/client-ec2";
import { EGRESS_RULE, EVERYWHERE, SSH_RULE } from "../../../fleet/aws/network";
import type { Cloud } from "../clients";
import { awsError } from "../errors";
import { onAllPages } from "./kinds/kind";

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
  remove: () => Promise<unknown>;
}

/** The groups and route tables of one region whose parts are wanted. */
export interface PartHolders {
  region: string;
  groups: string[];
  tables: string[];
}

const OURS = new Set<string | undefined>([SSH_RULE.configured, SSH_RULE.caller, EGRESS_RULE]);

/**
 * The parts that these groups and tables have in AWS: rules with a description of ours, the way out, and what subnets
 * go by it. Rules that somebody added by hand are not among them.
 * @throws SpotError of the class that AWS's error belongs to
 */
export async function networkParts(cloud: Cloud, { region, groups, tables }: PartHolders): Promise<NetworkPart[]> {
  const client = cloud.ec2(region);
  try {
    const found = await Promise.all([
      groups.length > 0 ? rules(client, region, groups) : [],
      tables.length > 0 ? partsOfTables(client, region, tables) : [],
    ]);
    return found.flat();
  } catch (error) {
    throw awsError(error, `listing the rules and routes in ${region}`);
  }
}

async function rules(client: EC2Client, region: string, groups: string[]): Promise<NetworkPart[]> {
  const found = await onAllPages(
    paginateDescribeSecurityGroupRules({ client, pageSize: 1000 }, { Filters: [{ Name: "group-id", Values: groups }] }),
    ({ SecurityGroupRules }) => SecurityGroupRules,
  );
  return found.flatMap(({ SecurityGroupRuleId: id, GroupId, IsEgress, Description }): NetworkPart[] => {
    if (id === undefined || GroupId === undefined || !OURS.has(Description)) return [];
    const rule = { GroupId, SecurityGroupRuleIds: [id] };
    const remove = () =>
      IsEgress
        ? client.send(new RevokeSecurityGroupEgressCommand(rule))
        : client.send(new RevokeSecurityGroupIngressCommand(rule));
    return [{ kind: "rule", region, holder: GroupId, id, remove }];
  });
}

async function partsOfTables(client: EC2Client, region: string, tables: string[]): Promise<NetworkPart[]> {
  // By filter: of a table that is gone, asking by id would be an error for all.
  const found = await onAllPages(
    paginateDescribeRouteTables({ client }, { Filters: [{ Name: "route-table-id", Values: tables }] }),
    ({ RouteTables }) => RouteTables,
  );
  return found.flatMap(({ RouteTableId: holder, Routes, Associations }): NetworkPart[] => {
    if (holder === undefined) return [];
    const wayOut = { RouteTableId: holder, DestinationCidrBlock: EVERYWHERE };
    return [
      ...(Routes ?? []).flatMap(({ DestinationCidrBlock }): NetworkPart[] =>
        DestinationCidrBlock === EVERYWHERE
          ? [{ kind: "route", region, holder, remove: () => client.send(new DeleteRouteCommand(wayOut)) }]
          : [],
      ),
      ...(Associations ?? []).flatMap(({ RouteTableAssociationId: id, Main }): NetworkPart[] =>
        id === undefined || Main
          ? []
          : [
              {
                kind: "association",
                region,
                holder,
                id,
                remove: () => client.send(new DisassociateRouteTableCommand({ AssociationId: id })),
              },
            ],
      ),
    ];
  });
}

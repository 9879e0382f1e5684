import type { AddressRule, Reach } from "../../hosts/driver";
import { filterParams } from "./ask";
import type { Moto } from "../protocol/moto";
import { instancesOf, items, text, type Node } from "../protocol/xml";

/** A VPC's parts on which the reachability of its instances depends, as EC2 describes them. */
export interface VpcParts {
  routeTables: readonly Node[];
  internetGateways: readonly Node[];
  securityGroups: readonly Node[];
}

/** What EC2 lets through to an instance and out of it, by the emulated state as it is now. */
export async function reachOf(moto: Moto, region: string, instanceId: string): Promise<Reach> {
  const [instance] = instancesOf(await moto.ask(region, "DescribeInstances", { "InstanceId.1": instanceId }));
  const vpc = text(instance, "vpcId");
  const inVpc = filterParams({ "vpc-id": [vpc] });
  const [tables, gateways, groups] = await Promise.all([
    moto.ask(region, "DescribeRouteTables", inVpc),
    moto.ask(region, "DescribeInternetGateways", filterParams({ "attachment.vpc-id": [vpc] })),
    moto.ask(region, "DescribeSecurityGroups", inVpc),
  ]);
  return reachIn(
    {
      routeTables: items(tables, "routeTableSet"),
      internetGateways: items(gateways, "internetGatewaySet"),
      securityGroups: items(groups, "securityGroupInfo"),
    },
    {
      subnet: text(instance, "subnetId"),
      groups: items(instance, "networkInterfaceSet")
        .flatMap((attached) => items(attached, "groupSet"))
        .map((group) => text(group, "groupId")),
    },
  );
}

/**
 * Reachable is what a route of the subnet leads to by way of an internet gateway that is attached ("Enable internet
 * access", VPC User Guide), and what a rule of one of the instance's groups lets through ("Security groups").
 */
export function reachIn(
  { routeTables, internetGateways, securityGroups }: VpcParts,
  instance: { subnet: string; groups: readonly string[] },
): Reach {
  const gateways = internetGateways.map((gateway) => text(gateway, "internetGatewayId"));
  const routes = items(tableOf(routeTables, instance.subnet), "routeSet");
  const groups = securityGroups.filter((group) => instance.groups.includes(text(group, "groupId")));
  return {
    internet: routes
      .filter((route) => gateways.includes(text(route, "gatewayId")))
      .map((route) => text(route, "destinationCidrBlock"))
      .filter(Boolean),
    ingress: groups.flatMap((group) => addressRules(items(group, "ipPermissions"))),
    egress: groups.flatMap((group) => addressRules(items(group, "ipPermissionsEgress"))),
  };
}

/** The table that a subnet is associated with, else the VPC's main one. */
function tableOf(routeTables: readonly Node[], subnet: string): Node | undefined {
  const having = (name: string, value: string): Node | undefined =>
    routeTables.find((table) =>
      items(table, "associationSet").some((association) => text(association, name) === value),
    );
  return having("subnetId", subnet) ?? having("main", "true");
}

/** Rules that name another group are about private addresses, which no host of the sandbox carries. */
function addressRules(permissions: readonly Node[]): AddressRule[] {
  return permissions.flatMap((permission) => {
    const [fromPort, toPort] = [portOf(text(permission, "fromPort")), portOf(text(permission, "toPort"))];
    return items(permission, "ipRanges").map((range) => ({
      protocol: text(permission, "ipProtocol"),
      ...(fromPort === undefined || toPort === undefined ? {} : { fromPort, toPort }),
      cidr: text(range, "cidrIp"),
    }));
  });
}

const portOf = (value: string): number | undefined => (value === "" || value === "-1" ? undefined : Number(value));

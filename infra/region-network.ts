import { InternetGateway } from "@pulumi/aws/ec2/internetGateway";
import { Route } from "@pulumi/aws/ec2/route";
import { RouteTable } from "@pulumi/aws/ec2/routeTable";
import { RouteTableAssociation } from "@pulumi/aws/ec2/routeTableAssociation";
import { SecurityGroup } from "@pulumi/aws/ec2/securityGroup";
import { Subnet } from "@pulumi/aws/ec2/subnet";
import { Vpc } from "@pulumi/aws/ec2/vpc";
import { SecurityGroupEgressRule } from "@pulumi/aws/vpc/securityGroupEgressRule";
import { SecurityGroupIngressRule } from "@pulumi/aws/vpc/securityGroupIngressRule";
import * as pulumi from "@pulumi/pulumi";
import type { Pins, RegionPin } from "../fleet/model";
import { EGRESS_RULE, EVERYWHERE, groupName, SSH_RULE, sshRuleName, subnetCidr, VPC_CIDR } from "../fleet/aws/network";
import { ownerTags, type Owner } from "../fleet/identity/tags";
import { isMade } from "./outputs";

export interface RegionNetworkArgs {
  region: string;
  /** The networks that nodes stand in: one, and those from which some are still to move to it. */
  pins: readonly RegionPin[];
  /** Who may reach port 22. Nothing else comes in. */
  ssh: Pins["ssh"];
  owner: Owner;
}

/** What a node needs of the network that it stands in. */
export interface NodeNetwork {
  /** Subnet by availability zone. */
  subnetIds: Record<string, pulumi.Output<string>>;
  /** The fleet's own group first, then those that the user named. */
  securityGroupIds: pulumi.Input<string>[];
  /** What must exist before an instance can be reached: the route and its association, not the subnet alone. */
  ready: Record<string, pulumi.Resource[]>;
  /** False: something of it could not be made; it is in `ready`, so that the engine makes no node. */
  isWhole: boolean;
}

/** What of a network is needed in each zone. */
type Zones = Omit<NodeNetwork, "securityGroupIds">;

/** Who is let in, and what the nodes wait for until they are. */
interface Access {
  group: SecurityGroup;
  rules: pulumi.Resource[];
  isWhole: boolean;
}

/**
 * What the nodes of one region share: subnets with a way out, and a security group that admits SSH from the allowed
 * addresses and nothing else. With an existing network only the security group is made. What could not be made has
 * nothing declared in it (outputs.ts, `isMade`).
 */
export class RegionNetwork extends pulumi.ComponentResource {
  /** By the logical name of the fleet's own group in it. */
  readonly networks: Promise<ReadonlyMap<string, NodeNetwork>>;

  constructor(args: RegionNetworkArgs, options: pulumi.ComponentResourceOptions) {
    super("spot-deployer:infra:RegionNetwork", args.region, {}, options);
    this.networks = this.declareAll(args);
  }

  private async declareAll(args: RegionNetworkArgs): Promise<ReadonlyMap<string, NodeNetwork>> {
    const pins = new Map([...args.pins].reverse().map((pin) => [groupName(args.region, pin), pin]));
    const declared = [...pins].map(async ([name, pin]) => [name, await this.declare(name, pin, args)] as const);
    const networks = new Map(await Promise.all(declared));
    this.registerOutputs({});
    return networks;
  }

  private async declare(name: string, pin: RegionPin, args: RegionNetworkArgs): Promise<NodeNetwork> {
    if (pin.network === "existing")
      return networkOf(existing(pin), await this.admitting(name, pin.vpcId, args), pin.securityGroups);
    const { region, owner } = args;
    const vpc = new Vpc(
      region,
      { region, cidrBlock: VPC_CIDR, enableDnsSupport: true, enableDnsHostnames: true, tags: tagsOf(owner, region) },
      { parent: this },
    );
    if (!(await isMade(vpc))) return without(vpc, pin.availabilityZones);
    const [zones, access] = await Promise.all([
      this.zonesOf(vpc, pin.availabilityZones, args),
      this.admitting(name, vpc.id, args),
    ]);
    return networkOf(zones, access, pin.securityGroups);
  }

  private async zonesOf(
    { id: vpcId }: Vpc,
    availabilityZones: readonly string[],
    { region, owner }: RegionNetworkArgs,
  ): Promise<Zones> {
    const child = { parent: this };
    const tags = tagsOf(owner, region);
    const gateway = new InternetGateway(region, { region, vpcId, tags }, child);
    const table = new RouteTable(region, { region, vpcId, tags }, child);
    const subnets = availabilityZones.map((zone) => {
      const inputs = { region, vpcId, availabilityZone: zone, cidrBlock: subnetCidr(zone), tags };
      return { zone, subnet: new Subnet(zone, inputs, child) };
    });
    const [hasGateway, hasTable] = await Promise.all([isMade(gateway), isMade(table)]);
    const wayOut = hasGateway && hasTable ? [this.route(region, table, gateway)] : [gateway, table];
    const ways = await Promise.all(
      subnets.map(async ({ zone, subnet }) => {
        const isWhole = hasTable && (await isMade(subnet));
        const inputs = { region, subnetId: subnet.id, routeTableId: table.id };
        return { zone, isWhole, way: isWhole ? new RouteTableAssociation(zone, inputs, child) : subnet };
      }),
    );
    return {
      isWhole: hasGateway && ways.every(({ isWhole }) => isWhole),
      subnetIds: Object.fromEntries(subnets.map(({ zone, subnet }) => [zone, subnet.id])),
      ready: Object.fromEntries(ways.map(({ zone, way }) => [zone, [...wayOut, way]])),
    };
  }

  private route(region: string, table: RouteTable, gateway: InternetGateway): Route {
    const inputs = { routeTableId: table.id, destinationCidrBlock: EVERYWHERE, gatewayId: gateway.id };
    return new Route(region, { region, ...inputs }, { parent: this });
  }

  private async admitting(
    name: string,
    vpcId: pulumi.Input<string>,
    { region, ssh, owner }: RegionNetworkArgs,
  ): Promise<Access> {
    const child = { parent: this };
    const tags = tagsOf(owner, region);
    const description = `${owner.stack}: SSH in from the allowed addresses, everything out`;
    const group = new SecurityGroup(name, { region, vpcId, description, tags }, child);
    if (!(await isMade(group))) return { group, rules: [group], isWhole: false };
    const admit = (cidr: string, description: string) =>
      new SecurityGroupIngressRule(
        sshRuleName(name, cidr),
        {
          region,
          securityGroupId: group.id,
          ipProtocol: "tcp",
          fromPort: 22,
          toPort: 22,
          ...cidrInput(cidr),
          description,
          tags,
        },
        child,
      );
    const rules = [
      ...ssh.allow.map((cidr) => admit(cidr, SSH_RULE.configured)),
      ...ssh.callers.filter((cidr) => !ssh.allow.includes(cidr)).map((cidr) => admit(cidr, SSH_RULE.caller)),
    ];
    const egress = new SecurityGroupEgressRule(
      `${name}-out`,
      { region, securityGroupId: group.id, ipProtocol: "-1", cidrIpv4: EVERYWHERE, description: EGRESS_RULE, tags },
      child,
    );
    return { group, rules: [egress, ...rules], isWhole: true };
  }
}

function existing({ subnets }: Extract<RegionPin, { network: "existing" }>): Zones {
  return {
    isWhole: true,
    subnetIds: Object.fromEntries(Object.entries(subnets).map(([zone, subnet]) => [zone, pulumi.output(subnet)])),
    ready: Object.fromEntries(Object.keys(subnets).map((zone) => [zone, []])),
  };
}

/** A network whose VPC could not be made: the VPC's unknown id stands for everything in it. */
function without(vpc: Vpc, availabilityZones: readonly string[]): NodeNetwork {
  const each = <T>(value: T): Record<string, T> => Object.fromEntries(availabilityZones.map((zone) => [zone, value]));
  return { isWhole: false, subnetIds: each(vpc.id), securityGroupIds: [vpc.id], ready: each([vpc]) };
}

function networkOf({ subnetIds, ready, isWhole }: Zones, access: Access, groups: readonly string[]): NodeNetwork {
  return {
    isWhole: isWhole && access.isWhole,
    subnetIds,
    securityGroupIds: [access.group.id, ...groups],
    ready: Object.fromEntries(Object.entries(ready).map(([zone, waiting]) => [zone, [...waiting, ...access.rules]])),
  };
}

const tagsOf = (owner: Owner, region: string): Record<string, string> => ownerTags(owner, `${owner.stack}-${region}`);

function cidrInput(cidr: string): { cidrIpv6: string } | { cidrIpv4: string } {
  return cidr.includes(":") ? { cidrIpv6: cidr } : { cidrIpv4: cidr };
}

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
}

/**
 * What the nodes of one region share: subnets with a way out, and a security group that admits SSH from the allowed
 * addresses and nothing else. With an existing network only the security group is made.
 */
export class RegionNetwork extends pulumi.ComponentResource {
  /** By the logical name of the fleet's own group in it. */
  readonly networks: ReadonlyMap<string, NodeNetwork>;

  constructor(args: RegionNetworkArgs, options: pulumi.ComponentResourceOptions) {
    super("spot-deployer:infra:RegionNetwork", args.region, {}, options);
    const networks = new Map<string, NodeNetwork>();
    for (const pin of args.pins) {
      const name = groupName(args.region, pin);
      if (!networks.has(name)) networks.set(name, this.declare(name, pin, args));
    }
    this.networks = networks;
    this.registerOutputs({});
  }

  private declare(name: string, pin: RegionPin, { region, ssh, owner }: RegionNetworkArgs): NodeNetwork {
    const child = { parent: this };
    const tags = ownerTags(owner, `${owner.stack}-${region}`);
    const subnetIds: NodeNetwork["subnetIds"] = {};
    const ready: NodeNetwork["ready"] = {};
    let vpcId: pulumi.Input<string>;
    if (pin.network === "create") {
      const vpc = new Vpc(
        region,
        { region, cidrBlock: VPC_CIDR, enableDnsSupport: true, enableDnsHostnames: true, tags },
        child,
      );
      const gateway = new InternetGateway(region, { region, vpcId: vpc.id, tags }, child);
      const table = new RouteTable(region, { region, vpcId: vpc.id, tags }, child);
      const route = new Route(
        region,
        { region, routeTableId: table.id, destinationCidrBlock: EVERYWHERE, gatewayId: gateway.id },
        child,
      );
      for (const zone of pin.availabilityZones) {
        const subnet = new Subnet(
          zone,
          { region, vpcId: vpc.id, availabilityZone: zone, cidrBlock: subnetCidr(zone), tags },
          child,
        );
        const association = new RouteTableAssociation(
          zone,
          { region, subnetId: subnet.id, routeTableId: table.id },
          child,
        );
        subnetIds[zone] = subnet.id;
        ready[zone] = [route, association];
      }
      vpcId = vpc.id;
    } else {
      for (const [zone, subnet] of Object.entries(pin.subnets)) {
        subnetIds[zone] = pulumi.output(subnet);
        ready[zone] = [];
      }
      vpcId = pin.vpcId;
    }

    const group = new SecurityGroup(
      name,
      { region, vpcId, description: `${owner.stack}: SSH in from the allowed addresses, everything out`, tags },
      child,
    );
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
    for (const waiting of Object.values(ready)) waiting.push(egress, ...rules);
    return { subnetIds, ready, securityGroupIds: [group.id, ...pin.securityGroups] };
  }
}

function cidrInput(cidr: string): { cidrIpv6: string } | { cidrIpv4: string } {
  return cidr.includes(":") ? { cidrIpv6: cidr } : { cidrIpv4: cidr };
}

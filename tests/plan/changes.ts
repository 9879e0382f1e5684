import {
  DeleteRouteCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  DisassociateRouteTableCommand,
  EC2Client,
  ModifyNetworkInterfaceAttributeCommand,
  ModifySecurityGroupRulesCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
  type RouteTable,
  type SecurityGroupRule,
} from "@aws-sdk/client-ec2";
import { oneOf } from "../support/random";
import { clientOf, until } from "../support/sandbox";
import { REGIONS, type Workbench } from "../support/workbench";
import { AUTO, IMAGES, MACHINE_TYPES, type Fleet } from "./fleet";

/** A fleet that stands, and what its configuration says. */
export interface Scene {
  bench: Workbench;
  fleet: Fleet;
  random: () => number;
  /** Instances that must be gone after the next `up` that nothing disturbs, because what they are made of changed. */
  outdated: Set<string>;
}

/** Something that a user changes, or that happens. Answers false where there is nothing that it could happen to. */
type Change = (scene: Scene) => boolean | Promise<boolean>;

const MOST_NODES = 3;
const OPEN = "0.0.0.0/0";
const ADDRESSES = [AUTO, "203.0.113.0/24", "198.51.100.7/32", "2001:db8::/64"];
const TAGS: Record<string, readonly string[]> = { team: ["blue", "green", "red"], cost: ["17", "23"] };
/** The dearest of the spot prices of all machine types is below the lowest. */
const PRICES = [0.035, 0.04, 0.05];

/** To add one, add a row. */
export const CHANGES: Readonly<Record<string, Change>> = {
  "a node more": ({ fleet: { counts }, random }) => {
    const region = among(Object.keys(counts), random, (name) => counts[name]! < MOST_NODES);
    if (region !== undefined) counts[region]! += 1;
    return region !== undefined;
  },
  "a node fewer": ({ fleet: { counts }, random }) => {
    const region = among(Object.keys(counts), random, (name) => counts[name]! > 1);
    if (region !== undefined) counts[region]! -= 1;
    return region !== undefined;
  },
  "a region more": ({ fleet: { counts }, random }) => {
    const region = among(REGIONS, random, (name) => counts[name] === undefined);
    if (region !== undefined) counts[region] = oneOf([1, 2], random);
    return region !== undefined;
  },
  "a region fewer": ({ fleet: { counts }, random }) => {
    if (Object.keys(counts).length < 2) return false;
    Reflect.deleteProperty(counts, oneOf(Object.keys(counts), random));
    return true;
  },
  tags: ({ fleet: { tags }, random }) => {
    const key = oneOf(Object.keys(TAGS), random);
    const value = oneOf(
      [undefined, ...TAGS[key]!].filter((one) => one !== tags[key]),
      random,
    );
    if (value === undefined) Reflect.deleteProperty(tags, key);
    else tags[key] = value;
    return true;
  },
  "a price limit": ({ fleet, random }) => {
    if (fleet.market !== "spot") return false;
    fleet.maxPrice = oneOf(
      PRICES.filter((price) => price !== fleet.maxPrice),
      random,
    );
    return true;
  },
  "an address more": ({ fleet: { allow }, random }) => {
    const address = among(ADDRESSES, random, (one) => !allow.includes(one));
    if (address !== undefined) allow.push(address);
    return address !== undefined;
  },
  "an address fewer": ({ fleet: { allow }, random }) => {
    if (allow.length < 2) return false;
    allow.splice(allow.indexOf(oneOf(allow, random)), 1);
    return true;
  },
  "open to everybody": ({ fleet: { allow } }) => {
    if (allow.includes(OPEN)) return false;
    allow.push(OPEN);
    return true;
  },
  "a file of the payload": async ({ bench, fleet, outdated }) => {
    fleet.payload += "1";
    for (const { InstanceId } of (await bench.live()).instances) outdated.add(InstanceId!);
    return true;
  },
  "an image": ({ fleet }) => {
    fleet.image = (fleet.image + 1) % IMAGES.length;
    return true;
  },
  "a machine type": ({ fleet, random }) => {
    fleet.machineType = oneOf(
      MACHINE_TYPES.filter((name) => name !== fleet.machineType),
      random,
    );
    return true;
  },
  "a market": ({ fleet }) => {
    fleet.market = fleet.market === "spot" ? "on-demand" : "spot";
    return true;
  },
  "a network": ({ fleet }) => {
    fleet.network = fleet.network === "create" ? "default" : "create";
    fleet.grouped &&= fleet.network === "default";
    return true;
  },
  "a security group": ({ fleet }) => {
    fleet.grouped = !fleet.grouped;
    if (fleet.grouped) fleet.network = "default";
    return true;
  },
  "an instance ended outside": (scene) =>
    outside(scene, "terminated", (client, id) => client.send(new TerminateInstancesCommand({ InstanceIds: [id] }))),
  /** A spot instance of a one-time request cannot be stopped. */
  "an instance stopped outside": (scene) =>
    scene.fleet.market === "on-demand" &&
    outside(scene, "stopped", (client, id) => client.send(new StopInstancesCommand({ InstanceIds: [id] }))),
  "a rule removed outside": (scene) =>
    toNetwork(scene, async (client, { group }) => {
      const rule = await ruleOf(client, group, scene.random);
      if (rule === undefined) return false;
      const named = { GroupId: group, SecurityGroupRuleIds: [rule.SecurityGroupRuleId!] };
      if (rule.IsEgress) await client.send(new RevokeSecurityGroupEgressCommand(named));
      else await client.send(new RevokeSecurityGroupIngressCommand(named));
      return true;
    }),
  "a rule changed outside": (scene) =>
    toNetwork(scene, async (client, { group }) => {
      const rule = await ruleOf(client, group, scene.random, ({ IsEgress }) => !IsEgress);
      if (rule === undefined) return false;
      const { SecurityGroupRuleId, IpProtocol, FromPort, CidrIpv4, CidrIpv6, Description } = rule;
      const SecurityGroupRule = { IpProtocol, FromPort, ToPort: 2_222, CidrIpv4, CidrIpv6, Description };
      const SecurityGroupRules = [{ SecurityGroupRuleId, SecurityGroupRule }];
      await client.send(new ModifySecurityGroupRulesCommand({ GroupId: group, SecurityGroupRules }));
      return true;
    }),
  "a route removed outside": (scene) =>
    toNetwork(scene, async (client, { table }) => {
      if (!table?.Routes?.some(({ DestinationCidrBlock }) => DestinationCidrBlock === OPEN)) return false;
      const { RouteTableId } = table;
      await client.send(new DeleteRouteCommand({ RouteTableId, DestinationCidrBlock: OPEN }));
      return true;
    }),
  "a table taken from a subnet outside": (scene) =>
    toNetwork(scene, async (client, { table }) => {
      const [association] = (table?.Associations ?? []).filter(({ SubnetId }) => SubnetId);
      if (association === undefined) return false;
      const AssociationId = association.RouteTableAssociationId;
      await client.send(new DisassociateRouteTableCommand({ AssociationId }));
      return true;
    }),
  "groups of an instance changed outside": (scene) =>
    toNetwork(scene, async (client, { group, vpc }) => {
      const { instances } = await scene.bench.live();
      const within = instances
        .filter(
          ({ VpcId, State, NetworkInterfaces }) =>
            VpcId === vpc && State?.Name === "running" && NetworkInterfaces?.length,
        )
        .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
      if (within.length === 0) return false;
      const Filters = [{ Name: "vpc-id", Values: [vpc] }];
      const { SecurityGroups = [] } = await client.send(new DescribeSecurityGroupsCommand({ Filters }));
      const own = SecurityGroups.find(({ GroupName }) => GroupName === "default")?.GroupId;
      if (own === undefined) return false;
      const NetworkInterfaceId = oneOf(within, scene.random).NetworkInterfaces![0]!.NetworkInterfaceId;
      const Groups = oneOf([[own], [own, group]], scene.random);
      await client.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, Groups }));
      return true;
    }),
};

/** What of the fleet's own is in one region. */
interface OwnNetwork {
  group: string;
  vpc: string;
  /** Absent in a network that is not the fleet's. */
  table?: RouteTable;
}

/** Something is done to what the fleet has in one of its regions. */
async function toNetwork(
  { bench, fleet, random }: Scene,
  act: (client: EC2Client, network: OwnNetwork) => Promise<boolean>,
): Promise<boolean> {
  const client = new EC2Client(clientOf(await bench.sandbox(), oneOf(Object.keys(fleet.counts).sort(), random)));
  try {
    const { SecurityGroups = [] } = await client.send(new DescribeSecurityGroupsCommand({}));
    const group = SecurityGroups.find(isOfFleet);
    if (group === undefined) return false;
    const { RouteTables = [] } = await client.send(new DescribeRouteTablesCommand({}));
    return await act(client, { group: group.GroupId!, vpc: group.VpcId!, table: RouteTables.find(isOfFleet) });
  } finally {
    client.destroy();
  }
}

const isOfFleet = ({ Tags }: { Tags?: { Key?: string }[] }): boolean =>
  Tags?.some(({ Key }) => Key === "spot-deployer:stack") ?? false;

/** A rule of a group, the same in each repetition. */
async function ruleOf(
  client: EC2Client,
  group: string,
  random: () => number,
  fits: (rule: SecurityGroupRule) => boolean = () => true,
): Promise<SecurityGroupRule | undefined> {
  const Filters = [{ Name: "group-id", Values: [group] }];
  const { SecurityGroupRules = [] } = await client.send(new DescribeSecurityGroupRulesCommand({ Filters }));
  const words = ({ IsEgress, CidrIpv4, CidrIpv6 }: SecurityGroupRule): string => `${IsEgress} ${CidrIpv4 ?? CidrIpv6}`;
  const fitting = SecurityGroupRules.filter(fits).sort((a, b) => (words(a) < words(b) ? -1 : 1));
  return fitting.length === 0 ? undefined : oneOf(fitting, random);
}

function among(values: readonly string[], random: () => number, fits: (value: string) => boolean): string | undefined {
  const fitting = values.filter(fits);
  return fitting.length === 0 ? undefined : oneOf(fitting, random);
}

/** Something happens to one running instance that is as the configuration asked, and it is waited for. */
async function outside(
  { bench, random }: Scene,
  becomes: "stopped" | "terminated",
  act: (client: EC2Client, id: string) => Promise<unknown>,
): Promise<boolean> {
  const { instances } = await bench.live();
  const fit = instances.filter(
    ({ State, InstanceLifecycle }) => State?.Name === "running" && (becomes === "terminated" || !InstanceLifecycle),
  );
  if (fit.length === 0) return false;
  const sorted = fit.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const { InstanceId, Placement } = oneOf(sorted, random);
  const client = new EC2Client(clientOf(await bench.sandbox(), Placement!.AvailabilityZone!.slice(0, -1)));
  try {
    await act(client, InstanceId!);
  } finally {
    client.destroy();
  }
  return until(`${InstanceId} is ${becomes}`, async () => {
    const found = (await bench.live()).instances.find((instance) => instance.InstanceId === InstanceId);
    return (found?.State?.Name ?? "terminated") === becomes;
  });
}

/** What is the same in each repetition, as an instance's id is not. */
function nameOf({ Tags }: { Tags?: { Key?: string; Value?: string }[] }): string {
  return Tags?.find(({ Key }) => Key === "Name")?.Value ?? "";
}

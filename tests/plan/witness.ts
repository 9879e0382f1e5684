import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import {
  CreateSecurityGroupCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeVpcsCommand,
  EC2Client,
  type Instance,
  type SecurityGroup,
  type Tag,
  type Vpc,
} from "@aws-sdk/client-ec2";
import { AwsType } from "../../fleet/aws/resource-types";
import { clientOf } from "../support/sandbox";
import { REGIONS, type Workbench } from "../support/workbench";
import { amiOf, AUTO, GROUP, type Fleet } from "./fleet";

export type Kind = "create" | "update" | "replace" | "delete";

/** A resource as the engine's state has it. */
interface Recorded {
  urn: string;
  type: string;
  id: string;
  inputs: Record<string, unknown>;
  created?: string;
  modified?: string;
}

interface Region {
  name: string;
  instances: Instance[];
  /** Price limits by request. */
  limits: Map<string, number>;
  groups: SecurityGroup[];
  vpcs: Vpc[];
  /** Rules and associations by their ids, routes by table and destination. */
  parts: Set<string>;
}

/** Everything as it is at one moment, whatever our own code believes. */
export interface Look {
  /** What is recorded in AWS's name, by URN. */
  recorded: Map<string, Recorded>;
  regions: Region[];
  /** Every file that a preview must leave as it is, with a hash of its content. */
  files: Map<string, string>;
}

const INSTANCE = AwsType.instance;
/** Marks a secret in a state; its cipher text is another one each time. */
const SECRET = "4dabf18193072939515e22adb298388d";

export class Witness {
  constructor(private readonly bench: Workbench) {}

  async look(): Promise<Look> {
    const regions = await Promise.all(REGIONS.map((name) => this.region(name)));
    return { recorded: this.recorded(), regions, files: this.files() };
  }

  /** A group of the user's own in the default network of each region. */
  async plantGroups(): Promise<void> {
    for (const region of REGIONS)
      await this.in(region, async (client) => {
        const { Vpcs } = await client.send(new DescribeVpcsCommand({}));
        const vpc = Vpcs!.find(({ IsDefault }) => IsDefault)!;
        await client.send(new CreateSecurityGroupCommand({ GroupName: GROUP, Description: GROUP, VpcId: vpc.VpcId }));
      });
  }

  private region(name: string): Promise<Region> {
    return this.in(name, async (client) => {
      const [{ instances }, { SpotInstanceRequests }, { SecurityGroups }, { Vpcs }, rules, tables] = await Promise.all([
        this.bench.live([name]),
        client.send(new DescribeSpotInstanceRequestsCommand({})),
        client.send(new DescribeSecurityGroupsCommand({})),
        client.send(new DescribeVpcsCommand({})),
        client.send(new DescribeSecurityGroupRulesCommand({})),
        client.send(new DescribeRouteTablesCommand({})),
      ]);
      const parts = [
        ...(rules.SecurityGroupRules ?? []).map(({ SecurityGroupRuleId }) => SecurityGroupRuleId!),
        ...(tables.RouteTables ?? []).flatMap(({ RouteTableId, Routes, Associations }) => [
          ...(Routes ?? []).map(({ DestinationCidrBlock }) => `${RouteTableId} ${DestinationCidrBlock}`),
          ...(Associations ?? []).map(({ RouteTableAssociationId }) => RouteTableAssociationId!),
        ]),
      ];
      const limits = (SpotInstanceRequests ?? []).map(
        ({ SpotInstanceRequestId, SpotPrice }) => [SpotInstanceRequestId!, Number(SpotPrice)] as const,
      );
      return {
        name,
        instances,
        limits: new Map(limits),
        groups: SecurityGroups ?? [],
        vpcs: Vpcs ?? [],
        parts: new Set(parts),
      };
    });
  }

  private async in<T>(region: string, work: (client: EC2Client) => Promise<T>): Promise<T> {
    const client = new EC2Client(clientOf(await this.bench.sandbox(), region));
    try {
      return await work(client);
    } finally {
      client.destroy();
    }
  }

  private get backend(): string {
    return path.join(this.bench.home, "backend");
  }

  private recorded(): Map<string, Recorded> {
    const file = path.join(this.backend, ".pulumi/stacks/spot-deployer", `${this.bench.stack}.json`);
    if (!existsSync(file)) return new Map();
    const { checkpoint } = JSON.parse(readFileSync(file, "utf8")) as {
      checkpoint: { latest?: { resources?: (Recorded & { delete?: boolean })[] } };
    };
    const ours = (checkpoint.latest?.resources ?? []).filter(
      (resource) => resource.type.startsWith("aws:") && !resource.delete,
    );
    return new Map(ours.map((resource) => [resource.urn, resource]));
  }

  private files(): Map<string, string> {
    const { home, stackFile } = this.bench;
    const below = (folder: string): string[] =>
      existsSync(folder)
        ? readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => path.join(folder, name))
        : [];
    const all = [...below(this.backend), ...below(path.join(home, "keys")), stackFile];
    const files = all.filter((file) => existsSync(file) && statSync(file).isFile());
    return new Map(files.map((file) => [file, createHash("sha256").update(readFileSync(file)).digest("hex")]));
  }
}

/** Ids of all instances that have not ended. */
export const alive = ({ regions }: Look): string[] =>
  regions.flatMap(({ instances }) => instances.map(({ InstanceId }) => InstanceId!)).sort();

/** Files that are not what they were. */
export function rewritten(before: Look, after: Look): string[] {
  const names = new Set([...before.files.keys(), ...after.files.keys()]);
  return [...names].filter((name) => before.files.get(name) !== after.files.get(name));
}

/** What became of each node (by its name) and of each other resource (by its URN), and which inputs of it are others now. */
export interface Happened {
  kinds: Map<string, Kind>;
  inputs: Map<string, string[]>;
}

export function happenedBetween(before: Look, after: Look): Happened {
  const [was, is] = [before, after].map(byName) as [Map<string, Recorded>, Map<string, Recorded>];
  const happened: Happened = { kinds: new Map(), inputs: new Map() };
  for (const name of new Set([...was.keys(), ...is.keys()])) {
    const kind = kindOf(was.get(name), is.get(name));
    if (kind === undefined) continue;
    happened.kinds.set(name, kind);
    if (kind === "update") happened.inputs.set(name, changedInputs(was.get(name)!, is.get(name)!));
  }
  return happened;
}

/** What has ended or was removed outside is none, whatever is recorded. */
function byName(look: Look): Map<string, Recorded> {
  const living = new Set([...alive(look), ...look.regions.flatMap(({ parts }) => [...parts])]);
  const there = [...look.recorded.values()].filter((resource) => {
    const found = THERE[resource.type]?.(resource);
    return found === undefined || living.has(found);
  });
  return new Map(there.map((resource) => [nameOf(resource), resource]));
}

/** By what a recorded thing is found in the cloud, of the kinds that something is done to outside. */
const THERE: Readonly<Record<string, (resource: Recorded) => string>> = {
  [AwsType.instance]: ({ id }) => id,
  [AwsType.ingressRule]: ({ id }) => id,
  [AwsType.egressRule]: ({ id }) => id,
  [AwsType.association]: ({ id }) => id,
  [AwsType.route]: ({ inputs }) => `${String(inputs.routeTableId)} ${String(inputs.destinationCidrBlock)}`,
};

/** A node's instance is called by its node and its market. */
function nameOf({ urn, type }: Recorded): string {
  return type === INSTANCE ? urn.slice(urn.lastIndexOf("::") + 2).replace(/-(spot|on-demand)$/, "") : urn;
}

function kindOf(was: Recorded | undefined, is: Recorded | undefined): Kind | undefined {
  if (was === undefined) return "create";
  if (is === undefined) return "delete";
  if (was.urn !== is.urn || was.id !== is.id || was.created !== is.created) return "replace";
  return changedInputs(was, is).length > 0 || was.modified !== is.modified ? "update" : undefined;
}

function changedInputs({ inputs: was }: Recorded, { inputs: is }: Recorded): string[] {
  const keys = new Set([...Object.keys(was), ...Object.keys(is)]);
  return [...keys].filter((key) => key !== "__defaults" && shown(was[key]) !== shown(is[key]));
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && SECRET in inner ? "secret" : inner,
  );
}

/** Blocks that may log in and could not before, in regions that had a group of the fleet's. */
export function opened(before: Look, after: Look): { region: string; block: string }[] {
  return after.regions.flatMap((region) => {
    const earlier = before.regions.find(({ name }) => name === region.name)!;
    if (groupsOfFleet(earlier).length === 0) return [];
    const known = admitted(earlier);
    return admitted(region).flatMap((block) =>
      known.includes(block) || (known.includes("0.0.0.0/0") && !block.includes(":"))
        ? []
        : [{ region: region.name, block }],
    );
  });
}

const groupsOfFleet = ({ groups }: Region): SecurityGroup[] =>
  groups.filter(({ Tags }) => Tags?.some(({ Key }) => Key === "spot-deployer:stack"));

function admitted(region: Region): string[] {
  const rules = groupsOfFleet(region).flatMap(({ IpPermissions }) => IpPermissions ?? []);
  return [
    ...rules.flatMap(({ IpRanges }) => IpRanges?.map(({ CidrIp }) => CidrIp!) ?? []),
    ...rules.flatMap(({ Ipv6Ranges }) => Ipv6Ranges?.map(({ CidrIpv6 }) => CidrIpv6!) ?? []),
  ].sort();
}

/** In which regard the emulated AWS is not as the configuration asks, after an `up` that nothing disturbed. */
export function unlike(fleet: Fleet, { regions }: Look): string[] {
  return regions.flatMap((region) => {
    const count = fleet.counts[region.name] ?? 0;
    const faults = count === 0 ? leftIn(region) : [...networkUnlike(fleet, region), ...nodesUnlike(fleet, region)];
    if (region.instances.length !== count) faults.push(`${region.instances.length} instances instead of ${count}`);
    return faults.map((fault) => `${region.name}: ${fault}`);
  });
}

function leftIn(region: Region): string[] {
  const vpcs = region.vpcs.filter(({ IsDefault }) => !IsDefault);
  return [
    ...vpcs.map(({ VpcId }) => `${VpcId} is left`),
    ...groupsOfFleet(region).map(({ GroupId }) => `${GroupId} is left`),
  ];
}

function networkUnlike(fleet: Fleet, region: Region): string[] {
  const own = region.vpcs.filter(({ IsDefault }) => !IsDefault);
  const blocks = admitted(region);
  const named = fleet.allow.filter((block) => block !== AUTO);
  const closed = named.filter((block) => !blocks.includes(block));
  const others = blocks.filter((block) => !named.includes(block));
  const groups = groupsOfFleet(region);
  return [
    ...(own.length === (fleet.network === "create" ? 1 : 0) ? [] : [`${own.length} networks of its own`]),
    ...(groups.length === 1 ? [] : [`${groups.length} security groups of its own`]),
    ...closed.map((block) => `${block} may not log in`),
    ...(others.length === (fleet.allow.includes(AUTO) ? 1 : 0) ? [] : [`${others.join(", ") || "nobody"} may log in`]),
    ...own.flatMap(({ VpcId, Tags }) => tagsUnlike(fleet, VpcId!, Tags)),
    ...groups.flatMap(({ GroupId, Tags }) => tagsUnlike(fleet, GroupId!, Tags)),
  ];
}

function nodesUnlike(fleet: Fleet, region: Region): string[] {
  const isDefault = new Map(region.vpcs.map(({ VpcId, IsDefault }) => [VpcId, IsDefault === true]));
  return region.instances.flatMap((instance) => {
    const request = instance.SpotInstanceRequestId;
    const seen: [what: string, is: unknown, wanted: unknown][] = [
      ["machine type", instance.InstanceType, fleet.machineType],
      ["image", instance.ImageId, amiOf(fleet, region.name)],
      ["market", instance.InstanceLifecycle === "spot" ? "spot" : "on-demand", fleet.market],
      ["default network", isDefault.get(instance.VpcId), fleet.network === "default"],
      ["group", groupNames(instance).includes(GROUP), fleet.grouped],
      ...(fleet.maxPrice !== undefined && fleet.market === "spot"
        ? [["price limit", region.limits.get(request ?? ""), fleet.maxPrice] as [string, unknown, unknown]]
        : []),
    ];
    const id = instance.InstanceId!;
    return [
      ...seen.flatMap(([what, is, wanted]) =>
        is === wanted ? [] : [`${id}: ${what} ${String(is)} instead of ${String(wanted)}`],
      ),
      ...tagsUnlike(fleet, id, instance.Tags),
    ];
  });
}

/** moto tells the groups of an instance at its interface alone. */
const groupNames = ({ NetworkInterfaces }: Instance): string[] =>
  NetworkInterfaces?.flatMap(({ Groups }) => Groups?.map(({ GroupName }) => GroupName!) ?? []) ?? [];

function tagsUnlike({ tags }: Fleet, id: string, found: Tag[] | undefined): string[] {
  const is = new Map(found?.map(({ Key, Value }) => [Key, Value]));
  return ["team", "cost"].flatMap((key) =>
    is.get(key) === tags[key] ? [] : [`${id}: tag ${key} is ${is.get(key) ?? "not there"}`],
  );
}

import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
  EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import { Tag } from "../../fleet/model";
import { clientOf } from "../support/sandbox";
import { REGIONS, type Workbench } from "../support/workbench";

/** What a look from outside finds, whatever our own code believes. */
export interface Sight {
  /** Name of the node that each living instance says it is. */
  nodes: string[];
  vpcs: number;
  groups: number;
  volumes: number;
  locks: string[];
  /** The instance of somebody else still runs. */
  foreignLives: boolean;
}

const ALIVE = new Set(["pending", "running", "stopping", "stopped"]);
const FOREIGN = "somebody else's";

/** Counts in the emulated AWS with a client of its own, and looks for locks where they are kept. */
export class Witness {
  constructor(private readonly bench: Workbench) {}

  /** Launches an instance that is none of ours: nothing may end it, and it keeps the sandbox from being ended as empty. */
  async plantForeign(): Promise<void> {
    await this.each(async (client, region) => {
      if (region !== REGIONS[0]) return;
      const { Images } = await client.send(
        new DescribeImagesCommand({ Filters: [{ Name: "architecture", Values: ["x86_64"] }] }),
      );
      await client.send(
        new RunInstancesCommand({
          ImageId: Images?.[0]?.ImageId,
          InstanceType: "t3.medium",
          MinCount: 1,
          MaxCount: 1,
          TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: FOREIGN }] }],
        }),
      );
    });
  }

  async look(): Promise<Sight> {
    const sight: Sight = { nodes: [], vpcs: 0, groups: 0, volumes: 0, locks: this.locks(), foreignLives: false };
    await this.each(async (client) => {
      const [{ Reservations }, { Vpcs }, { SecurityGroups }, { Volumes }] = await Promise.all([
        client.send(new DescribeInstancesCommand({})),
        client.send(new DescribeVpcsCommand({})),
        client.send(new DescribeSecurityGroupsCommand({})),
        client.send(new DescribeVolumesCommand({})),
      ]);
      const alive = (Reservations ?? [])
        .flatMap(({ Instances }) => Instances ?? [])
        .filter(({ State }) => ALIVE.has(State?.Name ?? ""));
      for (const { Tags } of alive) {
        const tag = (key: string) => Tags?.find(({ Key }) => Key === key)?.Value;
        if (tag("Name") === FOREIGN) sight.foreignLives = true;
        else sight.nodes.push(tag(Tag.node) ?? "an instance without a name");
      }
      sight.vpcs += (Vpcs ?? []).filter(({ IsDefault }) => !IsDefault).length;
      sight.groups += (SecurityGroups ?? []).filter(({ GroupName }) => GroupName !== "default").length;
      sight.volumes += (Volumes ?? []).filter(({ Tags }) => Tags?.some(({ Key }) => Key === Tag.lineage)).length;
    });
    sight.nodes.sort();
    return sight;
  }

  /** The engine's lock files, and those of runs of our own. */
  private locks(): string[] {
    const places = [path.join(this.bench.home, "backend/.pulumi/locks"), path.join(this.bench.home, "locks")];
    return places
      .filter(existsSync)
      .flatMap((place) =>
        readdirSync(place, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json")),
      );
  }

  private async each(work: (client: EC2Client, region: string) => Promise<void>): Promise<void> {
    const sandbox = await this.bench.sandbox();
    await Promise.all(
      REGIONS.map(async (region) => {
        const client = new EC2Client({ ...clientOf(sandbox, region), maxAttempts: 5 });
        try {
          await work(client, region);
        } finally {
          client.destroy();
        }
      }),
    );
  }
}

/** What differs from `nodes` standing alone with their networks; empty: nothing. */
export function differences(sight: Sight, nodes: readonly string[]): string[] {
  const count = (name: string) => sight.nodes.filter((other) => other === name).length;
  const networks = new Set(nodes.map((name) => name.replace(/-\d+$/, ""))).size;
  const expect = (what: string, seen: number, wanted: number) =>
    seen === wanted ? [] : [`${seen} ${what} instead of ${wanted}`];
  return [
    ...nodes.filter((name) => count(name) === 0).map((name) => `${name} is missing`),
    ...[...new Set(sight.nodes)]
      .filter((name) => nodes.includes(name) && count(name) > 1)
      .map((name) => `duplicate: ${count(name)} x ${name}`),
    ...sight.nodes.filter((name) => !nodes.includes(name)).map((name) => `orphan: ${name}`),
    ...expect("VPCs", sight.vpcs, networks),
    ...expect("security groups", sight.groups, networks),
    ...expect("volumes", sight.volumes, nodes.length),
    ...sight.locks.map((lock) => `lock: ${lock}`),
    ...(sight.foreignLives ? [] : ["an instance that is not ours was ended"]),
  ];
}

import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import {
  CreateVolumeCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
  EC2Client,
  RunInstancesCommand,
  type Tag as AwsTag,
} from "@aws-sdk/client-ec2";
import { parse } from "yaml";
import { Tag } from "../../fleet/model";
import { DEFAULT_ACCOUNT } from "../../sandbox/gateway/protocol/accounts";
import { administratorOf, clientOf } from "../support/sandbox";
import type { Workbench } from "../support/workbench";

export const REGION = "us-west-2";
export const ACCOUNTS = [DEFAULT_ACCOUNT, "210987654321"] as const;

/** Something that exists in one of the accounts, whatever our own code believes. */
export interface Thing {
  kind: "instance" | "volume" | "vpc";
  id: string;
  account: string;
  tags: Record<string, string>;
  /** A copy that the user made, tags and all. */
  planted: boolean;
}

/** What this machine holds of a stack. */
export interface Held {
  /** The fleet ID in the settings; undefined: there are none. */
  settings: string | undefined;
  /** The account in the settings. */
  account: string | undefined;
  state: "missing" | "damaged" | "another stack's" | "empty" | "whole";
  /** Ids in a state that is whole. */
  ids: ReadonlySet<string>;
  /** Nothing in AWS is in the state, or there is none. */
  isBare: boolean;
  /** There is a copy, or a backup, from which the state can be restored; it may hold nothing. */
  isSaved: boolean;
}

const ALIVE = new Set(["pending", "running", "stopping", "stopped"]);

interface Checkpoint {
  version?: number;
  deployment?: { resources?: { urn: string; id?: string }[] };
  checkpoint?: { latest?: { resources?: { urn: string; id?: string }[] } };
}

/** The accounts, and the files of the stacks, as somebody sees them who has no part in the program. */
export class World {
  private readonly planted = new Set<string>();

  constructor(private readonly bench: Workbench) {}

  stackFile(stack: string): string {
    return path.join(this.bench.root, `Pulumi.${stack}.yaml`);
  }

  stateFile(stack: string): string {
    return path.join(this.backend, ".pulumi/stacks/spot-deployer", `${stack}.json`);
  }

  /** The copy that the program keeps of a stack's state. */
  keptFile(stack: string): string {
    return path.join(this.backend, ".spot-deployer", stack, "state.json");
  }

  held(stack: string): Held {
    const file = this.stackFile(stack);
    const config = existsSync(file)
      ? (parse(readFileSync(file, "utf8")) as { config?: Record<string, unknown> } | null)?.config
      : undefined;
    const setting = (key: string): string | undefined =>
      config?.[`spot-deployer:${key}`] === undefined ? undefined : String(config[`spot-deployer:${key}`]);
    const resources = resourcesIn(this.stateFile(stack));
    const state = existsSync(this.stateFile(stack)) ? kindOf(resources, stack) : "missing";
    const isSaved = [`${this.stateFile(stack)}.bak`, this.keptFile(stack)].some(
      (copy) => resourcesIn(copy) !== undefined,
    );
    const isBare = state !== "damaged" && !(resources ?? []).some(({ urn }) => /\baws:(ec2|vpc)\//.test(urn));
    return {
      settings: setting("lineage"),
      account: setting("account"),
      state,
      isBare,
      ids: new Set((resources ?? []).map(({ id }) => id ?? "")),
      isSaved,
    };
  }

  async things(): Promise<Thing[]> {
    const found = await Promise.all(
      ACCOUNTS.map((account) =>
        this.as(account, async (client) => {
          const [{ Reservations }, { Volumes }, { Vpcs }] = await Promise.all([
            client.send(new DescribeInstancesCommand({})),
            client.send(new DescribeVolumesCommand({})),
            client.send(new DescribeVpcsCommand({})),
          ]);
          const thing = (kind: Thing["kind"], id: string | undefined, tags: AwsTag[] | undefined): Thing => ({
            kind,
            id: id!,
            account,
            tags: recordOf(tags),
            planted: this.planted.has(id!),
          });
          return [
            ...(Reservations ?? [])
              .flatMap(({ Instances }) => Instances ?? [])
              .filter(({ State }) => ALIVE.has(State?.Name ?? ""))
              .map(({ InstanceId, Tags }) => thing("instance", InstanceId, Tags)),
            ...(Volumes ?? [])
              .filter(({ Attachments }) => !Attachments?.length)
              .map(({ VolumeId, Tags }) => thing("volume", VolumeId, Tags)),
            ...(Vpcs ?? []).filter(({ IsDefault }) => !IsDefault).map(({ VpcId, Tags }) => thing("vpc", VpcId, Tags)),
          ];
        }),
      ),
    );
    return found.flat();
  }

  /** "Launch more like this", or a volume restored from a backup: with every tag of the original. */
  async plantCopy(kind: "instance" | "volume", original: Thing): Promise<void> {
    await this.as(original.account, async (client) => {
      const { Reservations } = await client.send(new DescribeInstancesCommand({ InstanceIds: [original.id] }));
      const { ImageId, SubnetId, Placement, Tags } = Reservations![0]!.Instances![0]!;
      if (kind === "instance") {
        const { Instances } = await client.send(
          new RunInstancesCommand({
            ImageId,
            SubnetId,
            InstanceType: "t3.medium",
            MinCount: 1,
            MaxCount: 1,
            TagSpecifications: [{ ResourceType: "instance", Tags }],
          }),
        );
        this.planted.add(Instances![0]!.InstanceId!);
      } else {
        const { VolumeId } = await client.send(
          new CreateVolumeCommand({
            AvailabilityZone: Placement!.AvailabilityZone,
            Size: 8,
            TagSpecifications: [{ ResourceType: "volume", Tags }],
          }),
        );
        this.planted.add(VolumeId!);
      }
    });
  }

  /** An instance that is nobody's of ours: nothing may end it, and it keeps the sandbox from being ended as empty. */
  async plantForeign(): Promise<void> {
    await this.as(ACCOUNTS[0], async (client) => {
      const { Images } = await client.send(
        new DescribeImagesCommand({ Filters: [{ Name: "architecture", Values: ["x86_64"] }] }),
      );
      const { Instances } = await client.send(
        new RunInstancesCommand({ ImageId: Images?.[0]?.ImageId, InstanceType: "t3.medium", MinCount: 1, MaxCount: 1 }),
      );
      this.planted.add(Instances![0]!.InstanceId!);
    });
  }

  /** Lock files of the engine, and of runs of our own. */
  locks(): string[] {
    const places = [path.join(this.backend, ".pulumi/locks"), path.join(this.bench.home, "locks")];
    return places
      .filter(existsSync)
      .flatMap((place) =>
        readdirSync(place, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json")),
      );
  }

  private get backend(): string {
    return path.join(this.bench.home, "backend");
  }

  private async as<T>(account: string, work: (client: EC2Client) => Promise<T>): Promise<T> {
    const client = new EC2Client({
      ...clientOf(await this.bench.sandbox(), REGION),
      credentials: administratorOf(account),
    });
    try {
      return await work(client);
    } finally {
      client.destroy();
    }
  }
}

function kindOf(resources: { urn: string }[] | undefined, stack: string): Held["state"] {
  if (resources === undefined) return "damaged";
  if (resources.some(({ urn }) => !urn.startsWith(`urn:pulumi:${stack}::`))) return "another stack's";
  return resources.some(({ urn }) => urn.includes("$aws:")) ? "whole" : "empty";
}

/** What a state, or a copy of one, holds; undefined: it cannot be read. */
function resourcesIn(file: string): { urn: string; id?: string }[] | undefined {
  try {
    const { checkpoint, deployment } = JSON.parse(readFileSync(file, "utf8")) as Checkpoint;
    const latest = checkpoint?.latest ?? deployment;
    return latest && (latest.resources ?? []);
  } catch {
    return undefined;
  }
}

const recordOf = (tags: AwsTag[] | undefined): Record<string, string> =>
  Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key!, Value ?? ""]));

/** Of a stack's fleet, by the tags that tell the fleet and the stack. */
export function isOf({ tags }: Thing, stack: string, fleetId: string | undefined): boolean {
  return tags[Tag.stack] === stack && (fleetId === undefined || tags[Tag.lineage] === fleetId);
}

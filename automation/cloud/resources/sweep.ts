import {
  DeleteInternetGatewayCommand,
  DeleteRouteTableCommand,
  DeleteSecurityGroupCommand,
  DeleteSubnetCommand,
  DeleteVolumeCommand,
  DeleteVpcCommand,
  DescribeInternetGatewaysCommand,
  DescribeRouteTablesCommand,
  DetachInternetGatewayCommand,
  DisassociateRouteTableCommand,
  TerminateInstancesCommand,
  type EC2Client,
} from "@aws-sdk/client-ec2";
import { setTimeout as delay } from "node:timers/promises";
import { wordsOf } from "../../../fleet/errors";
import { classifyFailure } from "../../../fleet/aws/failures";
import { Tag } from "../../../fleet/model";
import type { Cloud } from "../clients";
import { CLOUD_KINDS, describeInstances, tagsNow, type CloudKind, type CloudObject } from "./inventory";

/** Deletes one object of a kind. Each must treat "not found" as done: `gone` sees to it. */
export const DELETERS: Record<CloudKind, (client: EC2Client, id: string) => Promise<unknown>> = {
  instance: (client, id) => client.send(new TerminateInstancesCommand({ InstanceIds: [id] })),
  volume: (client, VolumeId) => client.send(new DeleteVolumeCommand({ VolumeId })),
  "security-group": (client, GroupId) => client.send(new DeleteSecurityGroupCommand({ GroupId })),
  "route-table": async (client, RouteTableId) => {
    const { RouteTables } = await client.send(new DescribeRouteTablesCommand({ RouteTableIds: [RouteTableId] }));
    for (const { RouteTableAssociationId: AssociationId, Main } of RouteTables?.[0]?.Associations ?? []) {
      if (AssociationId && !Main) await client.send(new DisassociateRouteTableCommand({ AssociationId }));
    }
    await client.send(new DeleteRouteTableCommand({ RouteTableId }));
  },
  subnet: (client, SubnetId) => client.send(new DeleteSubnetCommand({ SubnetId })),
  "internet-gateway": async (client, InternetGatewayId) => {
    const { InternetGateways } = await client.send(
      new DescribeInternetGatewaysCommand({ InternetGatewayIds: [InternetGatewayId] }),
    );
    for (const { VpcId } of InternetGateways?.[0]?.Attachments ?? []) {
      if (VpcId) await client.send(new DetachInternetGatewayCommand({ InternetGatewayId, VpcId }));
    }
    await client.send(new DeleteInternetGatewayCommand({ InternetGatewayId }));
  },
  vpc: (client, VpcId) => client.send(new DeleteVpcCommand({ VpcId })),
};

/**
 * AWS takes its time to let go (interfaces of an ended instance): such refusals are asked again. An address is kept from
 * everybody for a moment after its NAT gateway is gone, in words of missing permission.
 */
const HELD =
  /DependencyViolation|ResourceInUse|IncorrectState|VolumeInUse|is currently in use|InvalidIPAddress\.InUse|AuthFailure: You do not have permission to access the specified resource/;

/** Worth asking again within the deadline: held back, throttled, or AWS or the way to it is out for a while. */
function passes(error: unknown): boolean {
  if (error instanceof Changed) return false;
  const { name = "", $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  const text = `${name}: ${wordsOf(error)}`;
  return HELD.test(text) || ($metadata?.httpStatusCode ?? 500) >= 500 || classifyFailure(text).class === "throttle";
}

export interface SweepFailure {
  object: CloudObject;
  error: unknown;
}

export interface SweepOptions {
  /** How long AWS may hold an object back, milliseconds. */
  deadlineMs?: number;
  onDeleted?(object: CloudObject): void;
  signal?: AbortSignal;
}

/**
 * Deletes objects of one lineage, regions in parallel, in the order that AWS asks for (instances first and waited for,
 * the VPC last). Each object is judged alone: one that cannot be deleted is reported and the rest goes on.
 */
export async function sweep(
  cloud: Cloud,
  lineage: string,
  objects: CloudObject[],
  options: SweepOptions = {},
): Promise<SweepFailure[]> {
  const regions = [...new Set(objects.map(({ region }) => region))];
  const failures = await Promise.all(
    regions.map((region) =>
      sweepRegion(
        cloud,
        lineage,
        region,
        objects.filter((o) => o.region === region),
        options,
      ),
    ),
  );
  return failures.flat();
}

async function sweepRegion(
  cloud: Cloud,
  lineage: string,
  region: string,
  objects: CloudObject[],
  options: SweepOptions,
): Promise<SweepFailure[]> {
  const client = cloud.ec2(region);
  const deadline = Date.now() + (options.deadlineMs ?? 120_000);
  const failures: SweepFailure[] = [];
  for (const kind of CLOUD_KINDS) {
    const batch = objects.filter((object) => object.kind === kind);
    await Promise.all(
      batch.map(async (object) => {
        try {
          const remove = async (): Promise<void> => {
            await assertStill(client, object);
            await DELETERS[kind](client, object.id);
          };
          if (kind === "instance") await terminated(cloud, lineage, object, remove, deadline, options.signal);
          else await deleteWithin(deadline, remove, options.signal);
          options.onDeleted?.(object);
        } catch (error) {
          failures.push({ object, error });
        }
      }),
    );
  }
  return failures;
}

/** The object is not what it was when it was listed. */
class Changed extends Error {}

/**
 * What was ours when it was listed may have been handed to somebody since. What is not listed any more is left to AWS's
 * own answer, which is "not found" for what is gone.
 * @throws Changed
 */
async function assertStill(client: EC2Client, object: CloudObject): Promise<void> {
  const now = await tagsNow(client, object);
  const changed = now && [Tag.lineage, Tag.stack].filter((tag) => now[tag] !== object.tags[tag]);
  if (changed?.length)
    throw new Changed(`its tag ${changed.join(" and ")} changed since it was listed: it is left alone`);
}

/**
 * Deletes, and asks again while AWS holds the thing back. "Not found" is done.
 * @param held told once that it does, with AWS's words
 * @throws what AWS said last
 */
export async function deleteWithin(
  deadline: number,
  remove: () => Promise<unknown>,
  signal?: AbortSignal,
  held?: (error: unknown) => void,
): Promise<void> {
  let told = false;
  for (let wait = 250; ; wait = Math.min(wait * 2, 5000)) {
    try {
      await remove();
      return;
    } catch (error) {
      if (isGone(error)) return;
      if (!passes(error) || signal?.aborted || Date.now() + wait > deadline) throw error;
      if (!told) held?.(error);
      told = true;
    }
    await delay(wait, undefined, { signal });
  }
}

function isGone(error: unknown): boolean {
  return /NotFound$|\.NotFound/.test((error as { name?: string }).name ?? "");
}

/**
 * Ends an instance and waits until it is `terminated`: only then its interface and address are let go. Its id may be
 * unknown to one part of EC2 for a moment while another shows it, so "not found" counts only when listing agrees.
 */
async function terminated(
  cloud: Cloud,
  lineage: string,
  object: CloudObject,
  end: () => Promise<unknown>,
  deadline: number,
  signal?: AbortSignal,
): Promise<void> {
  for (let wait = 200, asked = false; ; wait = Math.min(wait * 1.5, 3000)) {
    let state: string | undefined;
    try {
      if (!asked) {
        await end();
        asked = true;
      }
    } catch (error) {
      if (!isGone(error) && (!passes(error) || Date.now() + wait > deadline)) throw error;
    }
    try {
      state = (await describeInstances(cloud, lineage, object.region)).find(
        ({ InstanceId }) => InstanceId === object.id,
      )?.State?.Name;
      if (state === undefined || state === "terminated") return;
    } catch (error) {
      if (!passes(error) || Date.now() + wait > deadline) throw error;
    }
    if (Date.now() + wait > deadline) throw new Error(`still ${state ?? "not answered for"} at the deadline`);
    await delay(wait, undefined, { signal });
  }
}

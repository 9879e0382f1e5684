import { GetServiceQuotaCommand } from "@aws-sdk/client-service-quotas";
import { DescribeInstancesCommand } from "@aws-sdk/client-ec2";
import { Tag, type Market } from "../../fleet/model";
import type { Cloud } from "../clients";
import { awsError } from "../errors";

/**
 * Quotas of EC2 that count vCPUs, by market, for the families that share one (Service Quotas, "Amazon EC2"). A family
 * that is not here has a quota of its own, which is not looked up: AWS judges the launch.
 */
const QUOTAS: readonly { families: RegExp; codes: Record<Market, string> }[] = [
  { families: /^[acdhimrtz]\d/, codes: { spot: "L-34B43A08", "on-demand": "L-1216C47A" } },
  { families: /^(g|vt)\d/, codes: { spot: "L-3819A6DF", "on-demand": "L-DB2E81BA" } },
];

export interface Quota {
  code: string;
  /** vCPUs that may run at once. */
  limit: number;
}

/** The vCPU quota that a machine type counts against; undefined for a family without a row, or without a quota in the region. @throws SpotError */
export async function vcpuQuota(
  cloud: Cloud,
  region: string,
  machineType: string,
  market: Market,
): Promise<Quota | undefined> {
  const code = QUOTAS.find(({ families }) => families.test(machineType))?.codes[market];
  if (code === undefined) return undefined;
  try {
    const { Quota: quota } = await (await cloud.quotas(region)).send(
      new GetServiceQuotaCommand({ ServiceCode: "ec2", QuotaCode: code }),
    );
    return quota?.Value === undefined ? undefined : { code, limit: quota.Value };
  } catch (error) {
    // The region does not count this market in vCPUs, or not yet.
    if ((error as { name?: string }).name === "NoSuchResourceException") return undefined;
    throw awsError(error, `GetServiceQuota ${code} in ${region}`);
  }
}

/** vCPUs of this market that run in the region and are not of this fleet: they use the same quota. @throws SpotError */
export async function vcpusOfOthers(cloud: Cloud, region: string, lineage: string, market: Market): Promise<number> {
  try {
    let NextToken: string | undefined;
    let vcpus = 0;
    do {
      const page = await cloud.ec2(region).send(
        new DescribeInstancesCommand({
          Filters: [{ Name: "instance-state-name", Values: ["pending", "running"] }],
          MaxResults: 1000,
          NextToken,
        }),
      );
      for (const { InstanceLifecycle, Tags, CpuOptions } of (page.Reservations ?? []).flatMap(
        ({ Instances }) => Instances ?? [],
      )) {
        const ours = Tags?.some(({ Key, Value }) => Key === Tag.lineage && Value === lineage);
        if (!ours && (InstanceLifecycle === "spot") === (market === "spot"))
          vcpus += (CpuOptions?.CoreCount ?? 0) * (CpuOptions?.ThreadsPerCore ?? 0);
      }
      NextToken = page.NextToken;
    } while (NextToken);
    return vcpus;
  } catch (error) {
    throw awsError(error, `DescribeInstances in ${region}`);
  }
}

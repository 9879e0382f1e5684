import { createHash } from "node:crypto";
import type { InstanceType } from "./types";

/** On-demand and spot prices of Linux in us-east-1, US dollars per hour, rounded (EC2's public price list, 2025). */
const known: Record<string, { onDemand: number; spot: number }> = {
  "t3.micro": { onDemand: 0.0104, spot: 0.0036 },
  "t3.small": { onDemand: 0.0208, spot: 0.0071 },
  "t3.medium": { onDemand: 0.0416, spot: 0.0142 },
  "t3.large": { onDemand: 0.0832, spot: 0.0285 },
  "t3a.medium": { onDemand: 0.0376, spot: 0.0131 },
  "t4g.micro": { onDemand: 0.0084, spot: 0.0028 },
  "t4g.small": { onDemand: 0.0168, spot: 0.0056 },
  "t4g.medium": { onDemand: 0.0336, spot: 0.0115 },
  "m5.large": { onDemand: 0.096, spot: 0.0372 },
  "m6i.large": { onDemand: 0.096, spot: 0.0366 },
  "m7g.medium": { onDemand: 0.0408, spot: 0.0166 },
  "m7g.large": { onDemand: 0.0816, spot: 0.0331 },
  "m8g.large": { onDemand: 0.0898, spot: 0.0342 },
  "c5.large": { onDemand: 0.085, spot: 0.0345 },
  "c6i.large": { onDemand: 0.085, spot: 0.0338 },
  "c7i.large": { onDemand: 0.0893, spot: 0.0362 },
  "c7g.large": { onDemand: 0.0725, spot: 0.0291 },
  "r6i.large": { onDemand: 0.126, spot: 0.0417 },
};

/** What a region costs beside us-east-1. */
const regionFactors: Record<string, number> = {
  "us-east-1": 1,
  "us-east-2": 1,
  "us-west-2": 1,
  "eu-north-1": 1.04,
  "ap-south-1": 1.08,
  "eu-west-1": 1.1,
  "sa-east-1": 1.6,
};
const OTHER_REGION = 1.15;

/** For a type without a row: what vCPUs and memory cost on the whole. */
const PER_VCPU = 0.033;
const PER_GIB = 0.0045;
const SPOT_SHARE = 0.36;

const round = (price: number): number => Math.round(price * 10_000) / 10_000;

export function onDemandPrice(name: string, type: InstanceType, region: string): number {
  const base = known[name]?.onDemand ?? type.vcpus * PER_VCPU + type.memoryGiB * PER_GIB;
  return round(base * (regionFactors[region] ?? OTHER_REGION));
}

/** Zones differ by up to 15 % either way, always the same for the same zone and type. */
export function spotPrice(name: string, type: InstanceType, zone: string): number {
  const region = zone.slice(0, -1);
  const base = known[name]?.spot ?? onDemandPrice(name, type, "us-east-1") * SPOT_SHARE;
  const draw = createHash("sha256").update(`${zone}/${name}`).digest().readUInt16BE(0) / 0xffff;
  return round(base * (regionFactors[region] ?? OTHER_REGION) * (0.85 + 0.3 * draw));
}

export const pricedTypes = Object.keys(known);

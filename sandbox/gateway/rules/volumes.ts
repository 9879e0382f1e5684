import { AwsError, type Call } from "../protocol/call";
import { before, type Cloud, type Rule } from "../model/rule";
import { instancesOf, items, parseXml, text, type Node } from "../protocol/xml";

/** What a volume of a kind may be given. */
interface VolumeKind {
  /** Operations a second: least and most, and the most for each GiB. */
  iops: { min: number; max: number; perGiB: number; required: boolean };
  /** MiB a second: least and most. */
  throughput?: { min: number; max: number };
}

/**
 * "EbsBlockDevice", "CreateVolume" and "ModifyVolume" (EC2 API reference); the ratios from "Amazon EBS volume types"
 * (EBS User Guide). Other kinds take neither.
 */
const KINDS: Partial<Record<string, VolumeKind>> = {
  gp3: {
    iops: { min: 3000, max: 80_000, perGiB: 500, required: false },
    throughput: { min: 125, max: 2000 },
  },
  io1: { iops: { min: 100, max: 64_000, perGiB: 50, required: true } },
  io2: { iops: { min: 100, max: 256_000, perGiB: 1000, required: true } },
};
const GP3_IOPS = 3000;

/** MiB a second for each operation a second. */
const THROUGHPUT_PER_IOPS = 0.25;

/** A volume as a call asks for it; what is absent is left to EC2. */
interface Wanted {
  type: string;
  size?: number;
  iops?: number;
  throughput?: number;
}

/** @throws AwsError in EC2's words, for a volume that it would not make */
function assertPossible({ type, size, iops, throughput }: Wanted): void {
  const kind = KINDS[type];
  if (iops !== undefined && kind === undefined)
    throw new AwsError("InvalidParameterCombination", `The parameter iops is not supported for ${type} volumes.`);
  if (iops === undefined && kind?.iops.required)
    throw new AwsError("InvalidParameterCombination", `The parameter iops must be specified for ${type} volumes.`);
  if (throughput !== undefined && kind?.throughput === undefined)
    throw new AwsError("InvalidParameterCombination", `The parameter throughput is not supported for ${type} volumes.`);
  if (iops !== undefined && kind !== undefined) {
    assertWithin("iops", iops, kind.iops);
    // What every volume of the kind has is not too much for a small one.
    if (size !== undefined && iops > Math.max(kind.iops.min, size * kind.iops.perGiB))
      throw tooHigh(`Iops to volume size ratio of ${(iops / size).toFixed(6)}`, `${kind.iops.perGiB}`);
  }
  if (throughput !== undefined && kind?.throughput !== undefined) {
    assertWithin("throughput", throughput, kind.throughput);
    const ratio = throughput / (iops ?? GP3_IOPS);
    if (ratio > THROUGHPUT_PER_IOPS)
      throw tooHigh(
        `Throughput (MiBps) to iops ratio of ${ratio.toFixed(6)}`,
        `${THROUGHPUT_PER_IOPS.toFixed(6)} MiBps per iops`,
      );
  }
}

function assertWithin(what: string, value: number, { min, max }: { min: number; max: number }): void {
  if (value < min)
    throw new AwsError("InvalidParameterValue", `Volume ${what} of ${value} is too low; minimum is ${min}.`);
  if (value > max) throw tooHigh(`Volume ${what} of ${value}`, `${max}`);
}

const tooHigh = (what: string, maximum: string): AwsError =>
  new AwsError("InvalidParameterValue", `${what} is too high; maximum is ${maximum}.`);

function wantedOf(call: Call, prefix = "", size = "Size"): Partial<Wanted> {
  const number = (name: string): number | undefined => {
    const value = call.params.get(`${prefix}${name}`);
    return value === null ? undefined : Number(value);
  };
  return {
    type: call.params.get(`${prefix}VolumeType`) ?? undefined,
    size: number(size),
    iops: number("Iops"),
    throughput: number("Throughput"),
  };
}

/** A launch's mappings: where the parameters of each begin, and the volume that it asks for. */
function mappingsOf(call: Call): { device: string; ebs: string; wanted: Partial<Wanted> }[] {
  const found = [];
  for (let index = 1; call.params.has(`BlockDeviceMapping.${index}.DeviceName`); index++) {
    const ebs = `BlockDeviceMapping.${index}.Ebs.`;
    const device = call.params.get(`BlockDeviceMapping.${index}.DeviceName`) ?? "";
    found.push({ device, ebs, wanted: wantedOf(call, ebs, "VolumeSize") });
  }
  return found;
}

/** The volume that a modification leads to: what it does not name stays, unless the kind of volume changes. */
function modified(volume: Node | undefined, wanted: Partial<Wanted>): Wanted {
  const number = (name: string): number | undefined => {
    const value = text(volume, name);
    return value === "" ? undefined : Number(value);
  };
  const type = wanted.type ?? text(volume, "volumeType");
  const kept = type === text(volume, "volumeType") && type in KINDS;
  return {
    type,
    size: wanted.size ?? number("size"),
    iops: wanted.iops ?? (kept ? number("iops") : undefined),
    throughput: wanted.throughput ?? (kept ? number("throughput") : undefined),
  };
}

async function volumesOf(call: Call, cloud: Cloud, params: Record<string, string>): Promise<Node[]> {
  return items(await cloud.moto.ask(call.region, "DescribeVolumes", params), "volumeSet");
}

/** Speed of volumes: EC2's limits, and that a launch gives it, which moto forgets. */
export const volumeRules: Rule[] = [
  before("ec2:CreateVolume", (call) => assertPossible({ type: "gp2", ...defined(wantedOf(call)) })),
  before("ec2:ModifyVolume", async (call, cloud) => {
    const [volume] = await volumesOf(call, cloud, { "VolumeId.1": call.params.get("VolumeId") ?? "" });
    // Of one that there is not, moto says so.
    if (volume === undefined) return;
    const wanted = modified(volume, wantedOf(call));
    // A volume that becomes a provisioned one and is not told how fast gets what every gp3 volume has.
    assertPossible({ ...wanted, iops: wanted.iops ?? (wanted.type in KINDS ? GP3_IOPS : undefined) });
  }),
  before("ec2:RunInstances", (call) => {
    // One without a type is of the image's type.
    for (const { wanted } of mappingsOf(call)) if (wanted.type) assertPossible({ ...wanted, type: wanted.type });
  }),
  {
    on: "ec2:RunInstances",
    run: async (call, next, cloud) => {
      const fast = mappingsOf(call).filter(
        ({ wanted }) => wanted.iops !== undefined || wanted.throughput !== undefined,
      );
      for (const { ebs, wanted } of fast) {
        call.params.delete(`${ebs}Iops`);
        call.params.delete(`${ebs}Throughput`);
        // moto makes no volume of these kinds without the speed, which it does not take.
        if (wanted.type !== undefined && KINDS[wanted.type]?.iops.required) call.params.delete(`${ebs}VolumeType`);
      }
      const answer = await next();
      if (answer.status >= 300) return answer;
      for (const instance of items(parseXml(answer.body), "instancesSet"))
        for (const mapping of fast) await quicken(call, cloud, text(instance, "instanceId"), mapping);
      return answer;
    },
  },
];

/** Gives an instance's new volume the speed that its launch asked for. */
async function quicken(
  call: Call,
  cloud: Cloud,
  instanceId: string,
  { device, wanted }: { device: string; wanted: Partial<Wanted> },
): Promise<void> {
  const described = await cloud.moto.ask(call.region, "DescribeInstances", { "InstanceId.1": instanceId });
  const attached = items(instancesOf(described)[0], "blockDeviceMapping");
  const VolumeId = text(
    attached.find((each) => text(each, "deviceName") === device),
    "ebs",
    "volumeId",
  );
  const change = { VolumeType: wanted.type, Iops: wanted.iops?.toString(), Throughput: wanted.throughput?.toString() };
  await cloud.moto.ask(call.region, "ModifyVolume", { VolumeId, ...defined(change) });
}

function defined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

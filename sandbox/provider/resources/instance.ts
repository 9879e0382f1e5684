import {
  CancelSpotInstanceRequestsCommand,
  DescribeImagesCommand,
  DescribeInstanceCreditSpecificationsCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeVolumesCommand,
  ModifyInstanceAttributeCommand,
  ModifyInstanceCreditSpecificationCommand,
  ModifyInstanceMetadataOptionsCommand,
  ModifyNetworkInterfaceAttributeCommand,
  ModifyVolumeCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
  type BlockDeviceMapping,
  type Instance,
  type InstanceMarketOptionsRequest,
  type InstanceMetadataEndpointState,
  type InstanceMetadataTagsState,
  type HttpTokensState,
  type InstanceStateName,
  type _InstanceType,
  type MarketType,
  type ModifyInstanceAttributeCommandInput,
  type RunInstancesCommandInput,
  type ShutdownBehavior,
  type SpotInstanceType,
  type InstanceInterruptionBehavior,
  type VolumeType,
} from "@aws-sdk/client-ec2";
import { randomUUID } from "node:crypto";
import { unlessGone, type Region } from "../common/aws";
import { inPlace, remembered, replaces, type CommonInputs, type Input, type ResourceType } from "../common/resource";
import { changeTags, tagged, tagOutputs, tagSpecification } from "../common/tags";
import { at, fulfils, isEmpty, type Properties } from "../common/values";

interface InstanceInputs extends CommonInputs {
  ami: string;
  instanceType: string;
  availabilityZone?: string;
  subnetId?: string;
  vpcSecurityGroupIds?: string[];
  associatePublicIpAddress?: boolean;
  keyName?: string;
  iamInstanceProfile?: string;
  userData?: string;
  userDataBase64?: string;
  userDataReplaceOnChange?: boolean;
  instanceMarketOptions?: MarketOptions;
  instanceInitiatedShutdownBehavior?: string;
  rootBlockDevice?: RootBlockDevice;
  metadataOptions?: {
    httpEndpoint?: string;
    httpTokens?: string;
    httpPutResponseHopLimit?: number;
    instanceMetadataTags?: string;
  };
  volumeTags?: Record<string, string>;
  creditSpecification?: { cpuCredits?: string };
}

interface RootBlockDevice {
  encrypted?: boolean;
  kmsKeyId?: string;
  volumeSize?: number;
  volumeType?: string;
  /** Operations a second. */
  iops?: number;
  /** MiB a second. */
  throughput?: number;
  deleteOnTermination?: boolean;
  tags?: Record<string, string>;
}

interface MarketOptions {
  marketType?: string;
  spotOptions?: {
    maxPrice?: string;
    spotInstanceType?: string;
    instanceInterruptionBehavior?: string;
    validUntil?: string;
  };
}

const CREATE_SECONDS = 600;
const DELETE_SECONDS = 1200;
const STOP_SECONDS = 600;

const userData: Input<InstanceInputs> = {
  ...inPlace<InstanceInputs>(
    (region, id, news) => stopped(region, id, { UserData: { Value: rawUserData(news) } }),
    "clearable",
  ),
  replaces: (news) => news.userDataReplaceOnChange === true,
};

export const instance: ResourceType<InstanceInputs> = {
  token: "aws:ec2/instance:Instance",
  inputs: {
    region: replaces,
    // Before those of the root volume, whose tags it takes away where these take its place.
    volumeTags: inPlace(async (region, id, { volumeTags }, olds) => {
      for (const volume of volumeIds(await find(region, id)))
        await changeTags(region, [volume], volumeTags, olds["volumeTags"]);
    }, "clearable"),
    ami: replaces,
    availabilityZone: replaces,
    subnetId: replaces,
    associatePublicIpAddress: replaces,
    keyName: replaces,
    instanceMarketOptions: {
      ...replaces,
      isSame: (before, wanted) => fulfils(withoutZeros(before), withoutZeros(wanted)),
    },
    "rootBlockDevice.encrypted": replaces,
    "rootBlockDevice.kmsKeyId": replaces,
    userData,
    userDataBase64: userData,
    userDataReplaceOnChange: remembered,
    instanceType: inPlace((region, id, { instanceType }) =>
      stopped(region, id, { InstanceType: { Value: instanceType } }),
    ),
    vpcSecurityGroupIds: inPlace(setSecurityGroups),
    instanceInitiatedShutdownBehavior: inPlace(setShutdownBehavior),
    iamInstanceProfile: { replaces: () => false, clearable: false },
    "rootBlockDevice.volumeSize": inPlace(modifyRootVolume),
    "rootBlockDevice.volumeType": inPlace(modifyRootVolume),
    "rootBlockDevice.iops": inPlace(modifyRootVolume),
    "rootBlockDevice.throughput": inPlace(modifyRootVolume),
    "rootBlockDevice.deleteOnTermination": inPlace(setDeleteOnTermination),
    "rootBlockDevice.tags": inPlace(setRootTags, "clearable"),
    "metadataOptions.httpEndpoint": inPlace(setMetadataOptions),
    "metadataOptions.httpTokens": inPlace(setMetadataOptions),
    "metadataOptions.httpPutResponseHopLimit": inPlace(setMetadataOptions),
    "metadataOptions.instanceMetadataTags": inPlace(setMetadataOptions),
    "creditSpecification.cpuCredits": inPlace(setCredits),
    tags: tagged,
  },

  conflicts: [
    ["userData", "userDataBase64"],
    ["volumeTags", "rootBlockDevice.tags"],
  ],

  async create(region, inputs) {
    const launch = await launchOf(region, inputs);
    const { Instances } = await region.send("creating EC2 Instance", new RunInstancesCommand(launch));
    return Instances?.[0]?.InstanceId ?? "";
  },

  async settle(region, id, inputs) {
    await reach(region, id, "running", `waiting for EC2 Instance (${id}) create`, CREATE_SECONDS);
    // The official provider writes a failure to its log and goes on; what the volume has then is what it reads.
    await setRootTags(region, id, inputs, {}).catch(() => undefined);
    if (inputs.instanceInitiatedShutdownBehavior !== undefined) await setShutdownBehavior(region, id, inputs);
  },

  async read(region, id, known) {
    const found = await find(region, id);
    if (found === undefined || found.State?.Name === "terminated") return undefined;
    return outputsOf(region, found, known);
  },

  async delete(region, id, known) {
    const request = known["spotInstanceRequestId"];
    if (known["instanceLifecycle"] === "spot" && !isEmpty(request)) {
      const cancel = new CancelSpotInstanceRequestsCommand({ SpotInstanceRequestIds: [String(request)] });
      await region.send(`cancelling EC2 Spot Fleet Request (${String(request)})`, cancel);
    }
    await region.send(`terminating EC2 Instance (${id})`, new TerminateInstancesCommand({ InstanceIds: [id] }));
    await region.waitFor({ doing: `waiting for EC2 Instance (${id}) delete`, seconds: DELETE_SECONDS }, async () => {
      const found = await find(region, id);
      return found === undefined || found.State?.Name === "terminated" ? true : undefined;
    });
  },
};

async function launchOf(region: Region, inputs: InstanceInputs): Promise<RunInstancesCommandInput> {
  const { metadataOptions, keyName, iamInstanceProfile } = inputs;
  const data = rawUserData(inputs);
  return {
    // One token for all tries of this creation, so that an answer that was lost does not cost a second instance.
    ClientToken: randomUUID(),
    MinCount: 1,
    MaxCount: 1,
    ImageId: inputs.ami,
    InstanceType: inputs.instanceType as _InstanceType,
    KeyName: keyName,
    UserData: data && Buffer.from(data).toString("base64"),
    IamInstanceProfile: iamInstanceProfile ? { Name: iamInstanceProfile } : undefined,
    InstanceInitiatedShutdownBehavior: inputs.instanceInitiatedShutdownBehavior as ShutdownBehavior | undefined,
    InstanceMarketOptions: marketOf(inputs.instanceMarketOptions),
    Placement: { AvailabilityZone: inputs.availabilityZone ?? "" },
    CreditSpecification: await creditsOf(region, inputs),
    DisableApiTermination: false,
    EbsOptimized: false,
    HibernationOptions: { Configured: false },
    Monitoring: { Enabled: false },
    BlockDeviceMappings: await blockDevices(region, inputs),
    MetadataOptions: metadataOptions && metadataOf(metadataOptions),
    TagSpecifications: [...tagSpecification("instance", inputs.tags), ...tagSpecification("volume", inputs.volumeTags)],
    ...networkOf(inputs),
  };
}

/** A public address can be asked for on an interface only, and then subnet and groups must stand there too. */
function networkOf({
  associatePublicIpAddress,
  subnetId,
  vpcSecurityGroupIds,
}: InstanceInputs): Partial<RunInstancesCommandInput> {
  if (associatePublicIpAddress === undefined) return { SubnetId: subnetId, SecurityGroupIds: vpcSecurityGroupIds };
  return {
    NetworkInterfaces: [
      {
        DeviceIndex: 0,
        AssociatePublicIpAddress: associatePublicIpAddress,
        SubnetId: subnetId,
        Groups: vpcSecurityGroupIds,
      },
    ],
  };
}

function marketOf(options: MarketOptions | undefined): InstanceMarketOptionsRequest | undefined {
  if (options === undefined) return undefined;
  const { spotOptions } = options;
  return {
    MarketType: options.marketType as MarketType | undefined,
    SpotOptions: spotOptions && {
      MaxPrice: spotOptions.maxPrice,
      SpotInstanceType: spotOptions.spotInstanceType as SpotInstanceType | undefined,
      InstanceInterruptionBehavior: spotOptions.instanceInterruptionBehavior as
        | InstanceInterruptionBehavior
        | undefined,
      ValidUntil: spotOptions.validUntil ? new Date(spotOptions.validUntil) : undefined,
    },
  };
}

/** Types that begin with `t3` are unlimited unless told otherwise; what is told of a type without credits is dropped. */
async function creditsOf(
  region: Region,
  { instanceType, creditSpecification }: InstanceInputs,
): Promise<RunInstancesCommandInput["CreditSpecification"]> {
  if (creditSpecification !== undefined) {
    const asked = new DescribeInstanceTypesCommand({ InstanceTypes: [instanceType as _InstanceType] });
    const { InstanceTypes } = await region.send(
      `collecting instance settings: reading EC2 Instance Type (${instanceType})`,
      asked,
    );
    if (InstanceTypes?.[0]?.BurstablePerformanceSupported) return { CpuCredits: creditSpecification.cpuCredits };
  }
  return instanceType.startsWith("t3") ? { CpuCredits: "unlimited" } : undefined;
}

/** With the highest price as the official provider compares it: no zeros at its end. So "1" is not "1.000000". */
function withoutZeros(options: unknown): unknown {
  const price = at({ options }, "options.spotOptions.maxPrice");
  if (typeof price !== "string") return options;
  const { spotOptions, ...rest } = options as MarketOptions;
  return { ...rest, spotOptions: { ...spotOptions, maxPrice: price.replace(/0+$/, "") } };
}

/** What the spot request of an instance says, which is how the official provider reads its market options. */
async function shownMarket(region: Region, { SpotInstanceRequestId: request }: Instance): Promise<Properties> {
  if (isEmpty(request)) return {};
  const { SpotInstanceRequests } = await region.send(
    `reading EC2 Spot Instance Request (${request ?? ""})`,
    new DescribeSpotInstanceRequestsCommand({ SpotInstanceRequestIds: [request ?? ""] }),
  );
  const [found] = SpotInstanceRequests ?? [];
  const spotOptions = {
    instanceInterruptionBehavior: found?.InstanceInterruptionBehavior,
    spotInstanceType: found?.Type,
    maxPrice: found?.SpotPrice,
  };
  return { instanceMarketOptions: { marketType: "spot", spotOptions } };
}

function metadataOf(options: NonNullable<InstanceInputs["metadataOptions"]>) {
  return {
    HttpEndpoint: options.httpEndpoint as InstanceMetadataEndpointState | undefined,
    HttpTokens: options.httpTokens as HttpTokensState | undefined,
    HttpPutResponseHopLimit: options.httpPutResponseHopLimit,
    InstanceMetadataTags: options.instanceMetadataTags as InstanceMetadataTagsState | undefined,
  };
}

/** The root volume is named after the image's own root device; any other name would add a second volume. */
async function blockDevices(
  region: Region,
  { ami, rootBlockDevice }: InstanceInputs,
): Promise<BlockDeviceMapping[] | undefined> {
  if (rootBlockDevice === undefined) return undefined;
  const { Images } = await region.send("collecting instance settings", new DescribeImagesCommand({ ImageIds: [ami] }));
  const DeviceName = Images?.[0]?.RootDeviceName;
  if (DeviceName === undefined)
    throw new Error(`collecting instance settings: couldn't find root device name of AMI (${ami})`);
  const { encrypted, kmsKeyId, volumeSize, volumeType, deleteOnTermination } = rootBlockDevice;
  return [
    {
      DeviceName,
      Ebs: {
        Encrypted: encrypted,
        KmsKeyId: kmsKeyId,
        VolumeSize: volumeSize,
        VolumeType: volumeType as VolumeType | undefined,
        ...speedOf(rootBlockDevice),
        DeleteOnTermination: deleteOnTermination ?? true,
      },
    },
  ];
}

/** Which kinds of volumes the official provider gives these inputs to. */
const SPEEDS = { iops: ["gp3", "io1", "io2"], throughput: ["gp3"] } as const;

/**
 * The speed that a launch asks for. Without a kind of volume the official provider asks for none.
 * @throws Error in the official provider's words, for a kind of volume that has none
 */
function speedOf({ volumeType, iops, throughput }: RootBlockDevice): { Iops?: number; Throughput?: number } {
  if (volumeType === undefined) return {};
  for (const [input, value] of Object.entries({ iops, throughput }) as [keyof typeof SPEEDS, number | undefined][])
    if (value && !(SPEEDS[input] as readonly string[]).includes(volumeType))
      throw new Error(
        `collecting instance settings: creating resource: ${input} attribute not supported for root_block_device with volume_type ${volumeType}`,
      );
  return { Iops: iops, Throughput: throughput };
}

async function outputsOf(region: Region, found: Instance, known: Properties): Promise<Properties> {
  const nic = found.NetworkInterfaces?.find((each) => each.Attachment?.DeviceIndex === 0);
  const options = found.MetadataOptions;
  const hasVolumeTags = !isEmpty(known["volumeTags"]);
  const { tags: rootTags, ...root } = (await rootVolume(region, found)) ?? {};
  return {
    region: region.name,
    arn: region.arn(nic?.OwnerId, `instance/${found.InstanceId ?? ""}`),
    ami: found.ImageId,
    instanceType: found.InstanceType,
    instanceState: found.State?.Name,
    instanceLifecycle: found.InstanceLifecycle ?? "",
    spotInstanceRequestId: found.SpotInstanceRequestId ?? "",
    availabilityZone: found.Placement?.AvailabilityZone,
    ...(await shownCredits(region, found)),
    ...(await shownMarket(region, found)),
    subnetId: nic?.SubnetId ?? found.SubnetId,
    // At the instance; a sandbox that an earlier version started shows them at the interface alone.
    vpcSecurityGroupIds: (isEmpty(found.SecurityGroups) ? nic?.Groups : found.SecurityGroups)?.map(
      ({ GroupId }) => GroupId,
    ),
    primaryNetworkInterfaceId: nic?.NetworkInterfaceId ?? "",
    associatePublicIpAddress: nic ? nic.Association !== undefined : found.PublicIpAddress !== undefined,
    publicIp: found.PublicIpAddress ?? "",
    publicDns: found.PublicDnsName ?? "",
    privateIp: found.PrivateIpAddress ?? "",
    privateDns: found.PrivateDnsName ?? "",
    keyName: found.KeyName ?? "",
    iamInstanceProfile: found.IamInstanceProfile?.Arn?.split("/").pop() ?? "",
    ...(options && {
      metadataOptions: {
        httpEndpoint: options.HttpEndpoint,
        httpTokens: options.HttpTokens,
        httpPutResponseHopLimit: options.HttpPutResponseHopLimit,
        instanceMetadataTags: options.InstanceMetadataTags,
      },
    }),
    // As in the official provider, tags show where they were asked for: of all volumes, or else with the root volume.
    ...(isEmpty(root) ? {} : { rootBlockDevice: { ...root, ...(hasVolumeTags ? {} : { tags: rootTags }) } }),
    ...(hasVolumeTags ? { volumeTags: await allVolumeTags(region, found) } : {}),
    ...tagOutputs(found.Tags),
  };
}

/** How a burstable instance pays for CPU; other types have nothing of the kind, and EC2 refuses to be asked. */
async function shownCredits(region: Region, found: Instance): Promise<Properties> {
  if (!/^t\d/.test(found.InstanceType ?? "")) return {};
  const { InstanceCreditSpecifications: shown } = await region.send(
    `reading EC2 Instance (${found.InstanceId ?? ""}) credit specification`,
    new DescribeInstanceCreditSpecificationsCommand({ InstanceIds: [found.InstanceId ?? ""] }),
  );
  return { creditSpecification: { cpuCredits: shown?.[0]?.CpuCredits } };
}

/** Of all attached volumes together, as the official provider reads them. */
async function allVolumeTags(region: Region, found: Instance): Promise<Properties> {
  const asked = new DescribeVolumesCommand({ VolumeIds: volumeIds(found) });
  const { Volumes } = await region.send(`reading EC2 Instance (${found.InstanceId ?? ""})`, asked);
  return Object.assign({}, ...(Volumes ?? []).map(({ Tags }) => tagOutputs(Tags).tags)) as Properties;
}

async function rootVolume(region: Region, found: Instance) {
  const mapping = rootMapping(found);
  if (mapping?.Ebs?.VolumeId === undefined) return undefined;
  const asked = new DescribeVolumesCommand({ VolumeIds: [mapping.Ebs.VolumeId] });
  const volumes = await unlessGone(region.send(`reading EC2 Instance (${found.InstanceId ?? ""})`, asked));
  const volume = volumes?.Volumes?.[0];
  return (
    volume && {
      deviceName: mapping.DeviceName,
      volumeId: volume.VolumeId,
      volumeSize: volume.Size,
      volumeType: volume.VolumeType,
      iops: volume.Iops,
      throughput: volume.Throughput,
      encrypted: volume.Encrypted ?? false,
      kmsKeyId: volume.KmsKeyId ?? "",
      deleteOnTermination: mapping.Ebs.DeleteOnTermination ?? false,
      tags: tagOutputs(volume.Tags).tags,
    }
  );
}

function rootMapping(found: Instance) {
  return found.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === found.RootDeviceName);
}

function volumeIds(found: Instance | undefined): string[] {
  return (found?.BlockDeviceMappings ?? []).flatMap(({ Ebs }) => Ebs?.VolumeId ?? []);
}

/** The user data as the bytes that EC2 stores; undefined when there are none. */
function rawUserData({ userData: text, userDataBase64 }: InstanceInputs): Uint8Array | undefined {
  if (userDataBase64 !== undefined) return Buffer.from(userDataBase64, "base64");
  return text === undefined ? undefined : Buffer.from(text);
}

async function setSecurityGroups(region: Region, id: string, { vpcSecurityGroupIds }: InstanceInputs): Promise<void> {
  const nic = (await find(region, id))?.NetworkInterfaces?.find((each) => each.Attachment?.DeviceIndex === 0);
  await region.send(
    `updating EC2 Instance (${id}): modifying network interface`,
    new ModifyNetworkInterfaceAttributeCommand({
      NetworkInterfaceId: nic?.NetworkInterfaceId,
      Groups: vpcSecurityGroupIds,
    }),
  );
}

async function setMetadataOptions(region: Region, id: string, { metadataOptions }: InstanceInputs): Promise<void> {
  const change = { InstanceId: id, ...metadataOf(metadataOptions ?? {}) };
  await region.send(`updating EC2 Instance (${id}) metadata options`, new ModifyInstanceMetadataOptionsCommand(change));
}

async function modifyRootVolume(region: Region, id: string, { rootBlockDevice }: InstanceInputs): Promise<void> {
  const found = await find(region, id);
  await region.send(
    `updating EC2 Instance (${id}) volume`,
    new ModifyVolumeCommand({
      VolumeId: found && rootMapping(found)?.Ebs?.VolumeId,
      Size: rootBlockDevice?.volumeSize,
      VolumeType: rootBlockDevice?.volumeType as VolumeType | undefined,
      Iops: rootBlockDevice?.iops,
      Throughput: rootBlockDevice?.throughput,
    }),
  );
}

async function setShutdownBehavior(
  region: Region,
  id: string,
  { instanceInitiatedShutdownBehavior: Value }: InstanceInputs,
): Promise<void> {
  await modify(region, id, { InstanceInitiatedShutdownBehavior: { Value } });
}

async function setCredits(region: Region, id: string, { creditSpecification }: InstanceInputs): Promise<void> {
  const change = { InstanceId: id, CpuCredits: creditSpecification?.cpuCredits };
  await region.send(
    `updating EC2 Instance (${id}) credit specification`,
    new ModifyInstanceCreditSpecificationCommand({ ClientToken: randomUUID(), InstanceCreditSpecifications: [change] }),
  );
}

async function setRootTags(
  region: Region,
  id: string,
  { rootBlockDevice }: InstanceInputs,
  olds: Properties,
): Promise<void> {
  if (isEmpty(rootBlockDevice?.tags) && isEmpty(at(olds, "rootBlockDevice.tags"))) return;
  const found = await find(region, id);
  const volume = found && rootMapping(found)?.Ebs?.VolumeId;
  if (volume !== undefined) await changeTags(region, [volume], rootBlockDevice?.tags, at(olds, "rootBlockDevice.tags"));
}

async function setDeleteOnTermination(region: Region, id: string, { rootBlockDevice }: InstanceInputs): Promise<void> {
  const found = await find(region, id);
  const DeviceName = found && rootMapping(found)?.DeviceName;
  await modify(region, id, {
    BlockDeviceMappings: [{ DeviceName, Ebs: { DeleteOnTermination: rootBlockDevice?.deleteOnTermination } }],
  });
}

async function modify(
  region: Region,
  id: string,
  change: Omit<ModifyInstanceAttributeCommandInput, "InstanceId">,
): Promise<void> {
  await region.send(`updating EC2 Instance (${id})`, new ModifyInstanceAttributeCommand({ InstanceId: id, ...change }));
}

/** A change that EC2 makes on a stopped instance only. A one-time spot instance cannot be stopped: EC2's error is passed on. */
async function stopped(
  region: Region,
  id: string,
  change: Omit<ModifyInstanceAttributeCommandInput, "InstanceId">,
): Promise<void> {
  await region.send(`stopping EC2 Instance (${id})`, new StopInstancesCommand({ InstanceIds: [id] }));
  await reach(region, id, "stopped", `waiting for EC2 Instance (${id}) stop`, STOP_SECONDS);
  await modify(region, id, change);
  await region.send(`starting EC2 Instance (${id})`, new StartInstancesCommand({ InstanceIds: [id] }));
  await reach(region, id, "running", `waiting for EC2 Instance (${id}) start`, CREATE_SECONDS);
}

/** Waits for a state; an instance that is ending on its own says why. One that EC2 does not know yet is waited for. */
async function reach(
  region: Region,
  id: string,
  state: InstanceStateName,
  doing: string,
  seconds: number,
): Promise<void> {
  await region.waitFor({ doing, seconds }, async () => {
    const found = await find(region, id);
    const present = found?.State?.Name;
    if (present === "terminated" || present === "shutting-down") {
      const { Code, Message } = found?.StateReason ?? {};
      throw new Error(
        `${doing}: unexpected state '${present}', wanted target '${state}'. last error: ${Code ?? ""}: ${Message ?? ""}`,
      );
    }
    return present === state ? true : undefined;
  });
}

async function find(region: Region, id: string): Promise<Instance | undefined> {
  const found = await unlessGone(
    region.send(`reading EC2 Instance (${id})`, new DescribeInstancesCommand({ InstanceIds: [id] })),
  );
  return found?.Reservations?.[0]?.Instances?.[0];
}

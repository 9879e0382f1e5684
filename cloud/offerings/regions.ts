import {
  DescribeAvailabilityZonesCommand,
  DescribeImagesCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSpotPriceHistoryCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  type EC2Client,
  type Image,
  type RouteTable,
} from "@aws-sdk/client-ec2";
import { GetParameterCommand } from "@aws-sdk/client-ssm";
import type { ProgramArchitecture } from "../../fleet/config";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import type { RegionPin } from "../../fleet/model";
import type { TypeOffer } from "../../fleet/aws/pools";
import { EVERYWHERE } from "../../fleet/aws/network";
import type { Cloud } from "../clients";
import { awsError } from "../errors";
import { stated } from "../stated";

export type Architecture = "x86_64" | "arm64";

/** What one region offers to what the configuration asks of it. */
export interface RegionOffer {
  region: string;
  pin: RegionPin;
  /** In the configuration's order; those that no zone within reach has are left out. Never empty. */
  types: TypeOffer[];
}

export interface RegionRequest {
  region: string;
  machineTypes: readonly string[];
  /** `auto`, the name of a distribution, or an AMI id. */
  image: string;
  /** `create`, `default` or a VPC id. */
  network: string;
  /** Ids or names of further groups. */
  securityGroups: string[];
  /** For which architectures there is a program of the workload. Undefined: it asks for none. */
  programs?: readonly ProgramArchitecture[];
}

/**
 * Asks one region everything that must be decided once before a node is launched there, all questions in parallel.
 * @throws SpotError that names the region: E_REGION, E_INSTANCE_TYPE, E_IMAGE, E_NETWORK, E_CREDENTIALS or E_AWS
 */
export async function offerOf(
  cloud: Cloud,
  request: RegionRequest,
  known: RegionPin | undefined,
): Promise<RegionOffer> {
  const { region, machineTypes } = request;
  const ec2 = cloud.ec2(region);
  const [usable, offered, prices, facts] = await Promise.all([
    asked(region, "DescribeAvailabilityZones", usableZones(ec2)),
    asked(region, "DescribeInstanceTypeOfferings", zonesOffering(ec2, machineTypes)),
    spotPrices(ec2, machineTypes),
    typeFacts(ec2, request),
  ]);
  const runnable = withProgram(request, facts);
  const [pin, images] = await Promise.all([
    known ? withAllZones(ec2, known) : networkOf(ec2, request, usable),
    imagesOf(cloud, request, runnable),
  ]);
  const reachable = pin.network === "create" ? pin.availabilityZones : Object.keys(pin.subnets);
  const types = machineTypes.flatMap((name): TypeOffer[] => {
    const fact = runnable.get(name);
    const ami = fact && images.get(fact.architecture);
    const zones = reachable.filter((zone) => usable.includes(zone) && offered.get(name)?.has(zone)).sort();
    return fact && ami && zones.length > 0
      ? [{ name, ami, vcpus: fact.vcpus, zones, prices: prices.get(name) ?? {} }]
      : [];
  });
  if (types.length === 0) {
    throw new SpotError("E_INSTANCE_TYPE", {
      message: `${region} offers ${machineTypes.join(" or ")} in none of the zones ${reachable.join(", ") || "(none)"}`,
    });
  }
  return { region, pin, types };
}

async function asked<T>(region: string, what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw error instanceof SpotError ? error : awsError(error, `${what} in ${region}`);
  }
}

async function usableZones(ec2: EC2Client): Promise<string[]> {
  const { AvailabilityZones } = await ec2.send(
    new DescribeAvailabilityZonesCommand({
      Filters: [
        { Name: "state", Values: ["available"] },
        { Name: "zone-type", Values: ["availability-zone"] },
      ],
    }),
  );
  return (AvailabilityZones ?? []).map((zone) => stated(zone, "ZoneName")).sort();
}

/** Zones by machine type. */
async function zonesOffering(ec2: EC2Client, machineTypes: readonly string[]): Promise<Map<string, Set<string>>> {
  const zones = new Map<string, Set<string>>();
  const filter = {
    LocationType: "availability-zone" as const,
    Filters: [{ Name: "instance-type", Values: [...machineTypes] }],
  };
  let NextToken: string | undefined;
  do {
    const page = await ec2.send(new DescribeInstanceTypeOfferingsCommand({ ...filter, NextToken }));
    for (const offering of page.InstanceTypeOfferings ?? []) {
      const type = stated(offering, "InstanceType");
      zones.set(type, (zones.get(type) ?? new Set()).add(stated(offering, "Location")));
    }
    NextToken = page.NextToken;
  } while (NextToken);
  return zones;
}

/**
 * The spot price that holds now, by type and zone. Without an answer nothing is known of prices: they order the zones
 * and warn, and a launch is judged by AWS itself.
 */
async function spotPrices(
  ec2: EC2Client,
  machineTypes: readonly string[],
): Promise<Map<string, Record<string, number>>> {
  const prices = new Map<string, Record<string, number>>();
  try {
    const { SpotPriceHistory } = await ec2.send(
      new DescribeSpotPriceHistoryCommand({
        InstanceTypes: machineTypes as never,
        ProductDescriptions: ["Linux/UNIX"],
        StartTime: new Date(),
      }),
    );
    for (const row of SpotPriceHistory ?? []) {
      // Newest first: a later row of the same pool is an older price.
      const type = stated(row, "InstanceType");
      const zones = prices.get(type) ?? {};
      zones[stated(row, "AvailabilityZone")] ??= Number(row.SpotPrice);
      prices.set(type, zones);
    }
  } catch {
    return new Map();
  }
  return prices;
}

interface TypeFacts {
  architecture: Architecture;
  vcpus: number;
}

/** What is true of each type; one that does not exist in the region has none, unless all are so. */
async function typeFacts(ec2: EC2Client, { region, machineTypes }: RegionRequest): Promise<Map<string, TypeFacts>> {
  const found = new Map<string, TypeFacts>();
  let refused: unknown;
  await Promise.all(
    machineTypes.map(async (name) => {
      try {
        const type = (await ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: [name as never] })))
          .InstanceTypes?.[0];
        const supported: string[] = type?.ProcessorInfo?.SupportedArchitectures ?? [];
        found.set(name, {
          architecture: supported.includes("arm64") ? "arm64" : "x86_64",
          vcpus: type?.VCpuInfo?.DefaultVCpus ?? 0,
        });
      } catch (error) {
        if ((error as { name?: string }).name !== "InvalidInstanceType")
          throw awsError(error, `DescribeInstanceTypes in ${region}`);
        refused = error;
      }
    }),
  );
  if (found.size === 0)
    throw new SpotError("E_INSTANCE_TYPE", {
      message: `${region} has no machine type ${machineTypes.join(" or ")}`,
      cause: refused,
    });
  return found;
}

/** The image for each architecture among the types. An AMI id serves one: types of the other are left out. */
async function imagesOf(
  cloud: Cloud,
  request: RegionRequest,
  facts: Map<string, TypeFacts>,
): Promise<Map<Architecture, string>> {
  const architectures = [...new Set([...facts.values()].map(({ architecture }) => architecture))];
  const answers = await Promise.allSettled(
    architectures.map(async (architecture) => [architecture, await imageOf(cloud, request, architecture)] as const),
  );
  const images = new Map(answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : [])));
  const refused = answers.find((answer) => answer.status === "rejected");
  if (images.size === 0 && refused) throw refused.reason;
  return images;
}

/** Names of architectures in Canonical's, Debian's and Bacalhau's catalogues. */
const DISTRIBUTION_ARCHITECTURE: Record<Architecture, ProgramArchitecture> = { x86_64: "amd64", arm64: "arm64" };

/** Where a distribution publishes its newest image (AWS documentation of Canonical's and Debian's images). */
const IMAGES: Record<
  string,
  { parameter: (arch: string) => string } | { owner: string; name: (arch: string) => string }
> = {
  "ubuntu-22.04": {
    parameter: (arch) => `/aws/service/canonical/ubuntu/server/22.04/stable/current/${arch}/hvm/ebs-gp2/ami-id`,
  },
  "ubuntu-24.04": {
    parameter: (arch) => `/aws/service/canonical/ubuntu/server/24.04/stable/current/${arch}/hvm/ebs-gp3/ami-id`,
  },
  "debian-12": { owner: "136693071363", name: (arch) => `debian-12-${arch}-*` },
};

/** The types whose architecture the workload has a program for. @throws SpotError E_INSTANCE_TYPE when there is none */
function withProgram({ region, programs }: RegionRequest, facts: Map<string, TypeFacts>): Map<string, TypeFacts> {
  const fits = [...facts].filter(
    ([, { architecture }]) => programs === undefined || programs.includes(DISTRIBUTION_ARCHITECTURE[architecture]),
  );
  if (fits.length > 0) return new Map(fits);
  const name = [
    ...new Set([...facts.values()].map(({ architecture }) => DISTRIBUTION_ARCHITECTURE[architecture])),
  ].join(" or ");
  throw new SpotError("E_INSTANCE_TYPE", {
    message: `${region}: bacalhau.download has no program for ${name}, the architecture of ${[...facts.keys()].join(" and ")}`,
    next: `Add ${name} under bacalhau.download, or choose another machine type.`,
    step: outside("correct-configuration", again()),
  });
}

/** `auto` is what the predecessor launched. */
const AUTO_IMAGE = "ubuntu-22.04";

async function imageOf(cloud: Cloud, request: RegionRequest, architecture: Architecture): Promise<string> {
  const { region } = request;
  if (request.image.startsWith("ami-")) return givenImage(cloud.ec2(region), request, architecture);
  const name = request.image === "auto" ? AUTO_IMAGE : request.image;
  const source = IMAGES[name];
  if (!source) throw new SpotError("E_IMAGE", { message: `there is no image called ${name}` });
  const arch = DISTRIBUTION_ARCHITECTURE[architecture];
  try {
    if ("parameter" in source) {
      const answer = await (await cloud.ssm(region)).send(new GetParameterCommand({ Name: source.parameter(arch) }));
      if (answer.Parameter?.Value) return answer.Parameter.Value;
    } else {
      const { Images } = await cloud.ec2(region).send(
        new DescribeImagesCommand({
          Owners: [source.owner],
          Filters: [
            { Name: "name", Values: [source.name(arch)] },
            { Name: "state", Values: ["available"] },
          ],
        }),
      );
      const newest = newestOf(Images ?? []);
      if (newest?.ImageId) return newest.ImageId;
    }
  } catch (error) {
    if ((error as { name?: string }).name !== "ParameterNotFound")
      throw awsError(error, `looking up the image ${name} in ${region}`);
  }
  throw new SpotError("E_IMAGE", { message: `${region} has no image ${name} for ${architecture}` });
}

function newestOf(images: Image[]): Image | undefined {
  return [...images].sort((a, b) => (b.CreationDate ?? "").localeCompare(a.CreationDate ?? ""))[0];
}

async function givenImage(
  ec2: EC2Client,
  { region, image, machineTypes }: RegionRequest,
  architecture: Architecture,
): Promise<string> {
  let found: Image | undefined;
  try {
    found = (await ec2.send(new DescribeImagesCommand({ ImageIds: [image] }))).Images?.[0];
  } catch (error) {
    if (!/^InvalidAMIID/.test((error as { name?: string }).name ?? ""))
      throw awsError(error, `DescribeImages in ${region}`);
  }
  if (!found) throw new SpotError("E_IMAGE", { message: `${region} has no image ${image}` });
  if (found.Architecture !== architecture) {
    throw new SpotError("E_IMAGE", {
      message: `${region}: image ${image} is ${found.Architecture ?? "of no known architecture"}, machine type ${machineTypes.join(", ")} is ${architecture}`,
      next: "Use `image: auto`, which fits the machine type, or another machine type.",
      step: outside("correct-configuration", again()),
    });
  }
  return image;
}

/**
 * The network and the groups that the configuration names there, whatever was decided before.
 * @throws SpotError E_NETWORK for what is not there, and as `offerOf`
 */
export async function lookUpNetwork(cloud: Cloud, request: RegionRequest): Promise<void> {
  await networkOf(cloud.ec2(request.region), request, []);
}

async function networkOf(ec2: EC2Client, request: RegionRequest, usable: string[]): Promise<RegionPin> {
  const { region, network } = request;
  if (network === "create") {
    if (request.securityGroups.length > 0) {
      throw new SpotError("E_NETWORK", {
        message: `${region}: security_groups can only be used with an existing network, because a group belongs to a VPC`,
        next: "Set `network: default` or `network: vpc-…`, or remove security_groups.",
        step: outside("correct-configuration", again()),
      });
    }
    return { network: "create", availabilityZones: usable, securityGroups: [] };
  }
  const vpcId = await asked(region, "DescribeVpcs", vpcOf(ec2, request));
  const [subnets, securityGroups] = await Promise.all([
    asked(region, "DescribeSubnets", publicSubnets(ec2, vpcId)),
    asked(region, "DescribeSecurityGroups", groupIds(ec2, vpcId, request)),
  ]);
  if (Object.keys(subnets).length === 0) {
    throw new SpotError("E_NETWORK", {
      message: `${region}: ${vpcId} has no subnet with a route to an internet gateway`,
    });
  }
  return { network: "existing", vpcId, subnets, securityGroups };
}

/** Known of an existing network are the zones that nodes stand in. Where the others are not told, it is used as it is known. */
async function withAllZones(ec2: EC2Client, known: RegionPin): Promise<RegionPin> {
  if (known.network === "create") return known;
  try {
    return { ...known, subnets: { ...(await publicSubnets(ec2, known.vpcId)), ...known.subnets } };
  } catch {
    return known;
  }
}

/**
 * The VPC that the configuration names.
 * @throws SpotError E_NETWORK for what is not there, E_CREDENTIALS or E_AWS
 */
export async function lookUpVpc(cloud: Cloud, request: RegionRequest): Promise<string> {
  return asked(request.region, "DescribeVpcs", vpcOf(cloud.ec2(request.region), request));
}

/**
 * Ids of the groups that the configuration names, in its order.
 * @throws SpotError E_NETWORK for one that is not in the VPC, E_CREDENTIALS or E_AWS
 */
export async function lookUpGroups(cloud: Cloud, request: RegionRequest, vpcId: string): Promise<string[]> {
  return asked(request.region, "DescribeSecurityGroups", groupIds(cloud.ec2(request.region), vpcId, request));
}

async function vpcOf(ec2: EC2Client, { region, network }: RegionRequest): Promise<string> {
  const wanted =
    network === "default" ? { Filters: [{ Name: "is-default", Values: ["true"] }] } : { VpcIds: [network] };
  try {
    const vpc = (await ec2.send(new DescribeVpcsCommand(wanted))).Vpcs?.[0];
    if (vpc?.VpcId) return vpc.VpcId;
  } catch (error) {
    if ((error as { name?: string }).name !== "InvalidVpcID.NotFound") throw error;
  }
  throw new SpotError("E_NETWORK", {
    message: network === "default" ? `${region} has no default VPC` : `${region} has no VPC ${network}`,
  });
}

/** One subnet a zone: of those with a way out the one with the smallest id, so that each run finds the same. */
async function publicSubnets(ec2: EC2Client, vpcId: string): Promise<Record<string, string>> {
  const Filters = [{ Name: "vpc-id", Values: [vpcId] }];
  const [{ Subnets }, { RouteTables }] = await Promise.all([
    ec2.send(new DescribeSubnetsCommand({ Filters })),
    ec2.send(new DescribeRouteTablesCommand({ Filters })),
  ]);
  const tableOf = (subnetId: string): RouteTable | undefined =>
    RouteTables?.find((table) => table.Associations?.some((a) => a.SubnetId === subnetId)) ??
    RouteTables?.find((table) => table.Associations?.some((a) => a.Main));
  const open = (Subnets ?? [])
    .map((subnet) => ({ id: stated(subnet, "SubnetId"), zone: stated(subnet, "AvailabilityZone") }))
    .filter(({ id }) =>
      tableOf(id)?.Routes?.some(
        (route) => route.DestinationCidrBlock === EVERYWHERE && route.GatewayId?.startsWith("igw-"),
      ),
    );
  const byZone: Record<string, string> = {};
  for (const { id, zone } of open.sort((a, b) => a.id.localeCompare(b.id))) byZone[zone] ??= id;
  return byZone;
}

async function groupIds(ec2: EC2Client, vpcId: string, { region, securityGroups }: RegionRequest): Promise<string[]> {
  if (securityGroups.length === 0) return [];
  const { SecurityGroups } = await ec2.send(
    new DescribeSecurityGroupsCommand({ Filters: [{ Name: "vpc-id", Values: [vpcId] }] }),
  );
  const ids = securityGroups.map((wanted) => {
    const group = SecurityGroups?.find(({ GroupId, GroupName }) => GroupId === wanted || GroupName === wanted);
    if (!group?.GroupId)
      throw new SpotError("E_NETWORK", { message: `${region}: ${vpcId} has no security group ${wanted}` });
    return group.GroupId;
  });
  // One may be named by its name and by its id.
  return [...new Set(ids)];
}

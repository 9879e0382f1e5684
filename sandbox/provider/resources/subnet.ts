import {
  CreateSubnetCommand,
  DeleteSubnetCommand,
  DescribeSubnetsCommand,
  ModifySubnetAttributeCommand,
  type Subnet,
} from "@aws-sdk/client-ec2";
import { unlessGone, type Region } from "../common/aws";
import { inPlace, replaces, type CommonInputs, type ResourceType } from "../common/resource";
import { tagged, tagOutputs, tagSpecification } from "../common/tags";

interface SubnetInputs extends CommonInputs {
  vpcId: string;
  cidrBlock?: string;
  availabilityZone?: string;
  mapPublicIpOnLaunch?: boolean;
}

export const subnet: ResourceType<SubnetInputs> = {
  token: "aws:ec2/subnet:Subnet",
  required: ["vpcId"],
  inputs: {
    region: replaces,
    vpcId: replaces,
    cidrBlock: replaces,
    availabilityZone: replaces,
    mapPublicIpOnLaunch: inPlace(mapPublicIp, "clearable"),
    tags: tagged,
  },

  async create(region, { vpcId, cidrBlock, availabilityZone, tags }) {
    const { Subnet } = await region.send(
      "creating EC2 Subnet",
      new CreateSubnetCommand({
        VpcId: vpcId,
        CidrBlock: cidrBlock,
        AvailabilityZone: availabilityZone,
        TagSpecifications: tagSpecification("subnet", tags),
      }),
    );
    return Subnet?.SubnetId ?? "";
  },

  async settle(region, id, inputs) {
    await region.waitFor({ doing: `waiting for EC2 Subnet (${id}) create`, seconds: 600 }, async () => {
      const found = await find(region, id);
      return found?.State === "available" ? found : undefined;
    });
    if (inputs.mapPublicIpOnLaunch) await mapPublicIp(region, id, inputs);
  },

  async read(region, id) {
    const found = await find(region, id);
    if (found === undefined) return undefined;
    return {
      region: region.name,
      arn: found.SubnetArn ?? region.arn(found.OwnerId, `subnet/${id}`),
      ownerId: found.OwnerId,
      vpcId: found.VpcId,
      cidrBlock: found.CidrBlock,
      availabilityZone: found.AvailabilityZone,
      availabilityZoneId: found.AvailabilityZoneId,
      mapPublicIpOnLaunch: found.MapPublicIpOnLaunch ?? false,
      ...tagOutputs(found.Tags),
    };
  },

  async delete(region, id) {
    await region.send(`deleting EC2 Subnet (${id})`, new DeleteSubnetCommand({ SubnetId: id }));
  },
};

async function mapPublicIp(region: Region, id: string, { mapPublicIpOnLaunch }: SubnetInputs): Promise<void> {
  const change = { SubnetId: id, MapPublicIpOnLaunch: { Value: mapPublicIpOnLaunch ?? false } };
  await region.send(`setting EC2 Subnet (${id}) MapPublicIpOnLaunch`, new ModifySubnetAttributeCommand(change));
}

async function find(region: Region, id: string): Promise<Subnet | undefined> {
  const found = await unlessGone(
    region.send(`reading EC2 Subnet (${id})`, new DescribeSubnetsCommand({ SubnetIds: [id] })),
  );
  return found?.Subnets?.[0];
}

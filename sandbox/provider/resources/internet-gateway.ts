import {
  AttachInternetGatewayCommand,
  CreateInternetGatewayCommand,
  DeleteInternetGatewayCommand,
  DescribeInternetGatewaysCommand,
  DetachInternetGatewayCommand,
  type InternetGateway,
} from "@aws-sdk/client-ec2";
import { unlessGone, type Region } from "../common/aws";
import { inPlace, replaces, type CommonInputs, type ResourceType } from "../common/resource";
import { tagged, tagOutputs, tagSpecification } from "../common/tags";

interface InternetGatewayInputs extends CommonInputs {
  vpcId?: string;
}

export const internetGateway: ResourceType<InternetGatewayInputs> = {
  token: "aws:ec2/internetGateway:InternetGateway",
  inputs: {
    region: replaces,
    vpcId: inPlace(attach),
    tags: tagged,
  },

  async create(region, { tags }) {
    const { InternetGateway } = await region.send(
      "creating EC2 Internet Gateway",
      new CreateInternetGatewayCommand({ TagSpecifications: tagSpecification("internet-gateway", tags) }),
    );
    return InternetGateway?.InternetGatewayId ?? "";
  },

  settle: attach,

  async read(region, id) {
    const found = await find(region, id);
    if (found === undefined) return undefined;
    return {
      region: region.name,
      arn: region.arn(found.OwnerId, `internet-gateway/${id}`),
      ownerId: found.OwnerId,
      vpcId: attachedTo(found) ?? "",
      ...tagOutputs(found.Tags),
    };
  },

  async delete(region, id, known) {
    await detach(region, id, typeof known["vpcId"] === "string" ? known["vpcId"] : "");
    await region.send(
      `deleting EC2 Internet Gateway (${id})`,
      new DeleteInternetGatewayCommand({ InternetGatewayId: id }),
    );
  },
};

/** Makes the gateway the wanted VPC's, whichever it is attached to now. */
async function attach(region: Region, id: string, { vpcId }: InternetGatewayInputs): Promise<void> {
  const present = attachedTo(await find(region, id));
  if (present === vpcId) return;
  await detach(region, id, present ?? "");
  if (vpcId === undefined) return;
  await region.send(
    `attaching EC2 Internet Gateway (${id}) to EC2 VPC (${vpcId})`,
    new AttachInternetGatewayCommand({ InternetGatewayId: id, VpcId: vpcId }),
  );
}

async function detach(region: Region, id: string, vpcId: string): Promise<void> {
  if (vpcId === "") return;
  const doing = `detaching EC2 Internet Gateway (${id}) from EC2 VPC (${vpcId})`;
  await unlessGone(region.send(doing, new DetachInternetGatewayCommand({ InternetGatewayId: id, VpcId: vpcId })));
}

function attachedTo(gateway: InternetGateway | undefined): string | undefined {
  return gateway?.Attachments?.[0]?.VpcId;
}

async function find(region: Region, id: string): Promise<InternetGateway | undefined> {
  const asked = new DescribeInternetGatewaysCommand({ InternetGatewayIds: [id] });
  const found = await unlessGone(region.send(`reading EC2 Internet Gateway (${id})`, asked));
  return found?.InternetGateways?.[0];
}

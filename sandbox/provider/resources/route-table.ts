import {
  CreateRouteTableCommand,
  DeleteRouteTableCommand,
  DescribeRouteTablesCommand,
  type RouteTable,
} from "@aws-sdk/client-ec2";
import { unlessGone, type Region } from "../common/aws";
import { replaces, type CommonInputs, type ResourceType } from "../common/resource";
import { tagged, tagOutputs, tagSpecification } from "../common/tags";

interface RouteTableInputs extends CommonInputs {
  vpcId: string;
}

/** Routes are resources of their own here, so the table neither takes nor shows any. */
export const routeTable: ResourceType<RouteTableInputs> = {
  token: "aws:ec2/routeTable:RouteTable",
  required: ["vpcId"],
  inputs: {
    region: replaces,
    vpcId: replaces,
    tags: tagged,
  },

  async create(region, { vpcId, tags }) {
    const { RouteTable } = await region.send(
      "creating Route Table",
      new CreateRouteTableCommand({ VpcId: vpcId, TagSpecifications: tagSpecification("route-table", tags) }),
    );
    return RouteTable?.RouteTableId ?? "";
  },

  async settle(region, id) {
    await region.waitFor({ doing: `waiting for Route Table (${id}) create`, seconds: 300 }, () =>
      findRouteTable(region, id),
    );
  },

  async read(region, id) {
    const found = await findRouteTable(region, id);
    if (found === undefined) return undefined;
    return {
      region: region.name,
      arn: region.arn(found.OwnerId, `route-table/${id}`),
      ownerId: found.OwnerId,
      vpcId: found.VpcId,
      ...tagOutputs(found.Tags),
    };
  },

  async delete(region, id) {
    await region.send(`deleting Route Table (${id})`, new DeleteRouteTableCommand({ RouteTableId: id }));
  },
};

export async function findRouteTable(region: Region, id: string): Promise<RouteTable | undefined> {
  const asked = new DescribeRouteTablesCommand({ RouteTableIds: [id] });
  const found = await unlessGone(region.send(`reading Route Table (${id})`, asked));
  return found?.RouteTables?.[0];
}

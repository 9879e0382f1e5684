import {
  AssociateRouteTableCommand,
  DescribeRouteTablesCommand,
  DisassociateRouteTableCommand,
  type RouteTableAssociation,
} from "@aws-sdk/client-ec2";
import { unlessGone, type Region } from "../common/aws";
import { replaces, type CommonInputs, type ResourceType } from "../common/resource";

interface AssociationInputs extends CommonInputs {
  routeTableId: string;
  subnetId: string;
}

export const routeTableAssociation: ResourceType<AssociationInputs> = {
  token: "aws:ec2/routeTableAssociation:RouteTableAssociation",
  required: ["routeTableId"],
  exactlyOneOf: [["subnetId"]],
  inputs: {
    region: replaces,
    subnetId: replaces,
    routeTableId: replaces,
  },

  async create(region, { routeTableId, subnetId }) {
    const { AssociationId } = await region.send(
      `creating Route Table (${routeTableId}) Association`,
      new AssociateRouteTableCommand({ RouteTableId: routeTableId, SubnetId: subnetId }),
    );
    return AssociationId ?? "";
  },

  async settle(region, id) {
    await region.waitFor({ doing: `waiting for Route Table Association (${id}) create`, seconds: 300 }, () =>
      find(region, id),
    );
  },

  async read(region, id) {
    const found = await find(region, id);
    return found && { region: region.name, routeTableId: found.RouteTableId, subnetId: found.SubnetId };
  },

  async delete(region, id) {
    await region.send(
      `deleting Route Table Association (${id})`,
      new DisassociateRouteTableCommand({ AssociationId: id }),
    );
  },
};

async function find(region: Region, id: string): Promise<RouteTableAssociation | undefined> {
  const asked = new DescribeRouteTablesCommand({
    Filters: [{ Name: "association.route-table-association-id", Values: [id] }],
  });
  const found = await unlessGone(region.send(`reading Route Table Association (${id})`, asked));
  return found?.RouteTables?.[0]?.Associations?.find((each) => each.RouteTableAssociationId === id);
}

import { CreateRouteCommand, DeleteRouteCommand, ReplaceRouteCommand, type Route } from "@aws-sdk/client-ec2";
import { crc32 } from "node:zlib";
import type { Region } from "../common/aws";
import { inPlace, replaces, type CommonInputs, type ResourceType } from "../common/resource";
import type { Properties } from "../common/values";
import { findRouteTable } from "./route-table";

interface RouteInputs extends CommonInputs {
  routeTableId: string;
  destinationCidrBlock?: string;
  destinationIpv6CidrBlock?: string;
  gatewayId?: string;
}

export const route: ResourceType<RouteInputs> = {
  token: "aws:ec2/route:Route",
  required: ["routeTableId"],
  exactlyOneOf: [["destinationCidrBlock", "destinationIpv6CidrBlock"], ["gatewayId"]],
  inputs: {
    region: replaces,
    routeTableId: replaces,
    destinationCidrBlock: replaces,
    destinationIpv6CidrBlock: replaces,
    gatewayId: inPlace(async (region, _id, news: RouteInputs) => {
      await region.send(
        `updating ${described(news)}`,
        new ReplaceRouteCommand({ ...place(news), GatewayId: news.gatewayId }),
      );
    }),
  },

  async create(region, inputs) {
    await region.send(
      `creating ${described(inputs)}`,
      new CreateRouteCommand({ ...place(inputs), GatewayId: inputs.gatewayId }),
    );
    return routeId(inputs);
  },

  async settle(region, _id, inputs) {
    await region.waitFor({ doing: `waiting for ${described(inputs)} create`, seconds: 300 }, () =>
      find(region, inputs),
    );
  },

  async read(region, _id, known) {
    const found = await find(region, inputsOf(known));
    if (found === undefined) return undefined;
    return { region: region.name, gatewayId: found.GatewayId ?? "", state: found.State, origin: found.Origin };
  },

  async delete(region, _id, known) {
    const inputs = inputsOf(known);
    await region.send(`deleting ${described(inputs)}`, new DeleteRouteCommand(place(inputs)));
  },
};

/** A route has no id in EC2; this is the one that the official provider gives it. */
export function routeId(inputs: RouteInputs): string {
  return `r-${inputs.routeTableId}${crc32(destination(inputs))}`;
}

function destination(inputs: RouteInputs): string {
  return inputs.destinationCidrBlock ?? inputs.destinationIpv6CidrBlock ?? "";
}

function described(inputs: RouteInputs): string {
  return `Route in Route Table (${inputs.routeTableId}) with destination (${destination(inputs)})`;
}

function place(inputs: RouteInputs) {
  return {
    RouteTableId: inputs.routeTableId,
    DestinationCidrBlock: inputs.destinationCidrBlock,
    DestinationIpv6CidrBlock: inputs.destinationIpv6CidrBlock,
  };
}

/** The state of a route holds its inputs: EC2 knows a route only by them. */
function inputsOf(known: Properties): RouteInputs {
  return known as Properties & RouteInputs;
}

async function find(region: Region, inputs: RouteInputs): Promise<Route | undefined> {
  const table = await findRouteTable(region, inputs.routeTableId);
  return table?.Routes?.find(
    (each) => (each.DestinationCidrBlock ?? each.DestinationIpv6CidrBlock) === destination(inputs),
  );
}

import assert from "node:assert/strict";
import { EC2Client } from "@aws-sdk/client-ec2";
import { findResources, type ResourceQuery } from "../../../../cloud/resources/find";
import { kindOf, RESOURCE_KINDS } from "../../../../cloud/resources/kinds";
import type { Cloud } from "../../../../cloud/clients";

/** The sandbox imitates no EC2 fleets, so their row is held to what the API reference says. */
describe("what a fleet of EC2's leaves (cleanup-vpcs, L42)", () => {
  type Answers = Record<string, object>;
  /** A client with these answers by action; everything else is empty. */
  const clientWith = (answers: Answers, sent: { action: string; input: object }[] = []): EC2Client =>
    Object.assign(Object.create(EC2Client.prototype) as EC2Client, {
      config: {},
      send: (command: { constructor: { name: string }; input: object }) => {
        const action = command.constructor.name.replace(/Command$/, "");
        sent.push({ action, input: command.input });
        return Promise.resolve(answers[action] ?? {});
      },
    });
  const cloudOf = (client: EC2Client) => ({ ec2: () => client }) as unknown as Cloud;
  const fleet = (FleetId: string, FleetState: string, Tags: Record<string, string>) => ({
    FleetId,
    FleetState,
    Tags: Object.entries(Tags).map(([Key, Value]) => ({ Key, Value })),
  });
  it("finds a VPC's VPN connections by its gateways, and the others by their tag; none that is going", async () => {
    const connection = (VpnConnectionId: string, VpnGatewayId: string, State = "available") => ({
      VpnConnectionId,
      VpnGatewayId,
      State,
      CustomerGatewayId: "cgw-1",
      Tags: [{ Key: "t", Value: "v" }],
    });
    const answers = {
      DescribeVpnGateways: { VpnGateways: [{ VpnGatewayId: "vgw-1" }] },
      DescribeVpnConnections: {
        VpnConnections: [
          connection("vpn-1", "vgw-1"),
          connection("vpn-2", "vgw-2"),
          connection("vpn-3", "vgw-1", "deleting"),
        ],
      },
    };
    const ids = async (where: ResourceQuery, more: Answers = {}) =>
      (await findResources(cloudOf(clientWith({ ...answers, ...more })), "us-west-2", [where])).flatMap(
        ({ kind, id }) => (kind === "vpn-connection" ? [id] : []),
      );
    assert.deepEqual(await ids({ vpc: "vpc-1" }), ["vpn-1"]);
    assert.deepEqual(await ids({ vpc: "vpc-1" }, { DescribeVpnGateways: {} }), [], "a VPC without a gateway has none");
    assert.deepEqual(await ids({ tag: "t", values: ["v"] }), ["vpn-1", "vpn-2"]);
  });

  const row = kindOf("fleet");

  it("is found by its tags alone, and not once it is deleted", async () => {
    const Fleets = [
      fleet("fleet-1", "active", { lineage: "a" }),
      fleet("fleet-2", "active", { lineage: "b" }),
      fleet("fleet-3", "deleted_terminating", { lineage: "a" }),
      fleet("fleet-4", "active", { Name: "spot-x" }),
      fleet("fleet-5", "active", {}),
    ];
    const found = await findResources(cloudOf(clientWith({ DescribeFleets: { Fleets } })), "us-west-2", [
      { tag: "lineage", values: ["a"] },
      { tag: "Name", values: ["spot-*"] },
    ]);
    assert.deepEqual(
      found.map(({ kind, id }) => [kind, id]),
      [
        ["fleet", "fleet-1"],
        ["fleet", "fleet-4"],
      ],
    );
  });

  it("a tag of any value takes one call for each kind, and what does not have it is left out of its answer", async () => {
    const Fleets = [
      fleet("fleet-1", "active", { lineage: "a" }),
      fleet("fleet-2", "active", { lineage: "b" }),
      fleet("fleet-3", "active", { ManagedBy: "terraform" }),
    ];
    const sent: { action: string; input: object }[] = [];
    const found = await findResources(cloudOf(clientWith({ DescribeFleets: { Fleets } }, sent)), "us-west-2", [
      { tag: "lineage" },
    ]);
    assert.deepEqual(
      found.map(({ kind, id }) => [kind, id]),
      [
        ["fleet", "fleet-1"],
        ["fleet", "fleet-2"],
      ],
    );
    const asked = sent.filter(({ action }) => action === "DescribeVpcs");
    assert.deepEqual(
      asked.map(({ input }) => (input as { Filters: object[] }).Filters),
      [[{ Name: "tag-key", Values: ["lineage"] }]],
    );
  });

  it("goes with its instances, and is gone when they are", async () => {
    const sent: { action: string; input: object }[] = [];
    await row.remove(clientWith({}, sent), "fleet-1");
    assert.deepEqual(sent, [{ action: "DeleteFleets", input: { FleetIds: ["fleet-1"], TerminateInstances: true } }]);
    const goneWhen = (state: string) =>
      row.isGone!(clientWith({ DescribeFleets: { Fleets: [fleet("fleet-1", state, {})] } }), "fleet-1");
    assert.deepEqual(await Promise.all(["active", "deleted_terminating", "deleted"].map(goneWhen)), [
      false,
      false,
      true,
    ]);
  });

  it("says why AWS keeps it; one that is not there is gone", async () => {
    const refusing = (Code: string) =>
      row.remove(
        clientWith({
          DeleteFleets: { UnsuccessfulFleetDeletions: [{ FleetId: "fleet-1", Error: { Code, Message: "no" } }] },
        }),
        "fleet-1",
      );
    await assert.rejects(refusing("fleetNotInDeletableState"), /fleetNotInDeletableState: no/);
    await refusing("fleetIdDoesNotExist");
  });

  it("goes after instances and before launch templates, VPN gateways before interfaces and the VPC", () => {
    const order: string[] = RESOURCE_KINDS.map(({ kind }) => kind);
    const inOrder = (...kinds: string[]) =>
      assert.deepEqual(
        kinds.map((kind) => order.indexOf(kind)),
        kinds.map((kind) => order.indexOf(kind)).sort((a, b) => a - b),
      );
    inOrder(
      "spot-request",
      "instance",
      "fleet",
      "launch-template",
      "nat-gateway",
      "elastic-address",
      "vpc-endpoint",
      "peering-connection",
      "vpn-connection",
      "vpn-gateway",
      "network-interface",
      "security-group",
      "route-table",
      "subnet",
      "internet-gateway",
      "vpc",
      "key-pair",
    );
  });
});

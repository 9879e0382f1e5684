import { filterParams, interfaces } from "../model/ask";
import { AwsError, listOf, type Call } from "../protocol/call";
import { after, amending, before, instead, type Cloud, type Rule } from "../model/rule";
import { ec2Answer, items, parseXml, text, type Node } from "../protocol/xml";

const notImitated = (action: string): Rule =>
  instead(`ec2:${action}`, () => {
    throw new AwsError(
      "UnsupportedOperation",
      `The sandbox does not imitate ${action}: instances are launched by RunInstances.`,
    );
  });

/** NAT gateways on their way out, by id. */
const isDeleting = (cloud: Cloud, until: number): boolean => cloud.now().getTime() < until;

const isUnknownYet = (cloud: Cloud, instanceId: string): boolean => {
  const bornAt = cloud.bornAt.get(instanceId);
  return bornAt !== undefined && cloud.now().getTime() - bornAt < cloud.timings.newIdUnknownMs;
};

/** What AWS answers about an address that something of its own holds, of whatever permission the caller has. */
const keptByAws = (): AwsError =>
  new AwsError("AuthFailure", "You do not have permission to access the specified resource.");

/** An address on an interface of a NAT gateway's comes free with that gateway only. */
async function refuseIfKept(call: Call, cloud: Cloud, address: Node | undefined): Promise<void> {
  const id = text(address, "networkInterfaceId");
  if (id === "") return;
  const [at] = await interfaces(cloud, call.region, { "network-interface-id": [id] });
  if (text(at, "requesterManaged") === "true") throw keptByAws();
}

/** What lives on for a while, or refuses to end, in EC2 and not in moto. */
export const lifecycleRules: Rule[] = [
  // "Eventual consistency in the Amazon EC2 API": a new id may be unknown for a moment.
  before("ec2:*", (call, cloud) => {
    const young = listOf(call.params, "InstanceId")
      .concat(listOf(call.params, "ResourceId"))
      .find((id) => isUnknownYet(cloud, id));
    if (young !== undefined)
      throw new AwsError("InvalidInstanceID.NotFound", `The instance ID '${young}' does not exist`);
  }),
  // A listing that does not name it leaves it out meanwhile.
  amending("ec2:DescribeInstances", (_call, answer, cloud) => {
    if (![...cloud.bornAt.keys()].some((id) => isUnknownYet(cloud, id))) return answer;
    const content = parseXml(answer.body);
    const known = items(content, "reservationSet").map((reservation) => ({
      ...reservation,
      instancesSet: {
        item: items(reservation, "instancesSet").filter(
          (instance) => !isUnknownYet(cloud, text(instance, "instanceId")),
        ),
      },
    }));
    return ec2Answer("DescribeInstances", {
      ...content,
      reservationSet: { item: known.filter(({ instancesSet }) => instancesSet.item.length > 0) },
    });
  }),
  after("ec2:RunInstances", (_call, answer, cloud) => {
    for (const instance of items(parseXml(answer.body), "instancesSet"))
      cloud.bornAt.set(text(instance, "instanceId"), cloud.now().getTime());
  }),
  // "Enable termination protection" (EC2 User Guide); moto ends the instance all the same.
  before("ec2:TerminateInstances", async (call, cloud) => {
    for (const id of listOf(call.params, "InstanceId")) {
      const answer = await cloud.moto
        .ask(call.region, "DescribeInstanceAttribute", { InstanceId: id, Attribute: "disableApiTermination" })
        .catch(() => undefined);
      if (text(answer, "disableApiTermination", "value") === "true") {
        throw new AwsError(
          "OperationNotPermitted",
          `The instance '${id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`,
        );
      }
    }
  }),
  // An elastic address is let go only when nothing uses it (ReleaseAddress, EC2 API reference).
  before("ec2:ReleaseAddress", async (call, cloud) => {
    const id = call.params.get("AllocationId");
    if (id === null) return;
    if (
      [...cloud.natsDeleting.values()].some(
        ({ addresses, until }) => addresses.includes(id) && isDeleting(cloud, until),
      )
    )
      throw keptByAws();
    const address = items(
      await cloud.moto.ask(call.region, "DescribeAddresses", { "AllocationId.1": id }),
      "addressesSet",
    )[0];
    await refuseIfKept(call, cloud, address);
    if (text(address, "associationId") !== "")
      throw new AwsError("InvalidIPAddress.InUse", `Address ${text(address, "publicIp")} is in use.`);
  }),
  before("ec2:DisassociateAddress", async (call, cloud) => {
    const association = call.params.get("AssociationId");
    if (association === null) return;
    const address = items(
      await cloud.moto.ask(call.region, "DescribeAddresses", filterParams({ "association-id": [association] })),
      "addressesSet",
    )[0];
    await refuseIfKept(call, cloud, address);
  }),
  // A NAT gateway is `deleting` for a while, and holds its subnet and its address ("Work with NAT gateways", VPC User Guide).
  {
    on: "ec2:DeleteNatGateway",
    run: async (call, next, cloud) => {
      const id = call.params.get("NatGatewayId") ?? "";
      const gateway = items(
        await cloud.moto.ask(call.region, "DescribeNatGateways", { "NatGatewayId.1": id }),
        "natGatewaySet",
      )[0];
      const answer = await next();
      if (answer.status < 300 && cloud.timings.natDeletingMs > 0) {
        cloud.natsDeleting.set(id, {
          until: cloud.now().getTime() + cloud.timings.natDeletingMs,
          subnet: text(gateway, "subnetId"),
          addresses: items(gateway, "natGatewayAddressSet").map((one) => text(one, "allocationId")),
        });
      }
      return answer;
    },
  },
  amending("ec2:DescribeNatGateways", (_call, answer, cloud) => {
    const deleting = [...cloud.natsDeleting].filter(([, { until }]) => isDeleting(cloud, until)).map(([id]) => id);
    if (deleting.length === 0) return answer;
    const content = parseXml(answer.body);
    const item = items(content, "natGatewaySet").map((gateway) =>
      deleting.includes(text(gateway, "natGatewayId")) ? { ...gateway, state: "deleting" } : gateway,
    );
    return ec2Answer("DescribeNatGateways", { ...content, natGatewaySet: { item } });
  }),
  before("ec2:DeleteSubnet", (call, cloud) => {
    const id = call.params.get("SubnetId") ?? "";
    if ([...cloud.natsDeleting.values()].some(({ subnet, until }) => subnet === id && isDeleting(cloud, until))) {
      throw new AwsError("DependencyViolation", `The subnet '${id}' has dependencies and cannot be deleted.`);
    }
  }),
  notImitated("CreateFleet"),
  notImitated("RequestSpotInstances"),
  notImitated("RequestSpotFleet"),
];

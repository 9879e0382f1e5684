import { AwsError, type Call } from "../protocol/call";
import { zoneOf } from "../model/ask";
import { spotPrice } from "../model/prices";
import { before, type Rule } from "../model/rule";
import { items, text } from "../protocol/xml";

/** Raw bytes, before base64 (EC2 User Guide, "Instance user data"). */
const USER_DATA_LIMIT = 16_384;

/** RunInstances as strict as EC2. Each rule refuses or adds one thing that moto lets pass. */
export const launchRules: Rule[] = [
  // What is empty was not given: Terraform's provider names an empty zone where it was told none.
  before("ec2:RunInstances", ({ params }) => {
    for (const name of [...params.keys()].filter((name) => name.startsWith("Placement.")))
      if (params.get(name) === "") params.delete(name);
  }),
  // "Ensuring idempotency" (EC2 API reference): the same token gives the same instances, another request an error. A
  // launch that failed leaves its token free.
  {
    on: "ec2:RunInstances",
    run: async (call, next, cloud) => {
      const token = call.params.get("ClientToken");
      if (token === null || token === "") return next();
      const key = `${cloud.moto.account}/${call.region}/${token}`;
      const request = sorted(call.params);
      const earlier = cloud.launches.get(key);
      if (earlier === undefined) {
        const answer = next();
        cloud.launches.set(key, { request, answer });
        const forget = (): boolean => cloud.launches.delete(key);
        answer.then(({ status }) => status >= 300 && forget(), forget);
        return answer;
      }
      if (earlier.request !== request) {
        throw new AwsError(
          "IdempotentParameterMismatch",
          `The client token you have provided is associated with a resource that is already deleted or with other request parameters: ${token}`,
        );
      }
      return earlier.answer;
    },
  },
  before("ec2:RunInstances", (call) => {
    if (Buffer.from(call.params.get("UserData") ?? "", "base64").length > USER_DATA_LIMIT) {
      throw new AwsError("InvalidParameterValue", "User data is limited to 16384 bytes");
    }
  }),
  before("ec2:RunInstances", async (call, cloud) => {
    const imageId = call.params.get("ImageId");
    const typeName = call.params.get("InstanceType");
    if (imageId === null || typeName === null) return;
    const image = items(await cloud.moto.ask(call.region, "DescribeImages", { "ImageId.1": imageId }), "imagesSet")[0];
    const type = await cloud.types.type(cloud, call.region, typeName);
    if (type === undefined)
      throw new AwsError("InvalidParameterValue", `Invalid value '${typeName}' for InstanceType.`);
    const architecture = text(image, "architecture");
    if (!type.architectures.includes(architecture)) {
      throw new AwsError(
        "InvalidParameterValue",
        `The architecture '${type.architectures.join(",")}' of the specified instance type does not match the architecture '${architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.`,
      );
    }
    const zone = await zoneOf(cloud, call.region, call.params);
    const offered = await cloud.types.offeredIn(cloud, call.region, typeName);
    const [first] = offered;
    if (first === undefined)
      throw new AwsError(
        "Unsupported",
        "The requested configuration is currently not supported. Please check the documentation for supported configurations.",
      );
    if (zone !== undefined && !offered.includes(zone)) {
      throw new AwsError(
        "Unsupported",
        `Your requested instance type (${typeName}) is not supported in your requested Availability Zone (${zone}). Please retry your request by not specifying an Availability Zone or choosing ${offered.join(", ")}.`,
      );
    }
    if (call.params.get("InstanceMarketOptions.MarketType") === "spot") {
      checkPrice(call, spotPrice(typeName, type, zone ?? first));
    }
  }),
  // "Spot request types" (EC2 User Guide): a persistent request can stop or hibernate its instance, not terminate it.
  before("ec2:RunInstances", (call) => {
    const options = (name: string): string => call.params.get(`InstanceMarketOptions.SpotOptions.${name}`) ?? "";
    const oneTime = options("SpotInstanceType") !== "persistent";
    const behavior = options("InstanceInterruptionBehavior") || "terminate";
    if (oneTime !== (behavior === "terminate")) {
      throw new AwsError(
        "InvalidParameterCombination",
        `InstanceInterruptionBehavior '${behavior}' is not supported with the Spot request type '${oneTime ? "one-time" : "persistent"}'.`,
      );
    }
  }),
  // moto launches MinCount and ignores MaxCount; EC2 launches as many as it can, up to MaxCount.
  before("ec2:RunInstances", (call) => call.params.set("MinCount", call.params.get("MaxCount") ?? "1")),
  // The root volume ends with its instance unless the launch says otherwise ("Preserve data when an instance is
  // terminated", EC2 User Guide); moto takes a mapping without the flag as "keep".
  before("ec2:RunInstances", (call) => {
    for (let index = 1; call.params.has(`BlockDeviceMapping.${index}.DeviceName`); index++) {
      const root = ["/dev/sda1", "/dev/xvda"].includes(
        call.params.get(`BlockDeviceMapping.${index}.DeviceName`) as string,
      );
      const flag = `BlockDeviceMapping.${index}.Ebs.DeleteOnTermination`;
      if (root && !call.params.has(flag)) call.params.set(flag, "true");
    }
  }),
];

function checkPrice(call: Call, needed: number): void {
  const offer = call.params.get("InstanceMarketOptions.SpotOptions.MaxPrice");
  if (offer !== null && Number(offer) < needed) {
    throw new AwsError(
      "SpotMaxPriceTooLow",
      `Your Spot request price of ${offer} is lower than the minimum required Spot request fulfillment price of ${needed}.`,
    );
  }
}

function sorted(params: URLSearchParams): string {
  const copy = new URLSearchParams(params);
  copy.sort();
  return copy.toString();
}

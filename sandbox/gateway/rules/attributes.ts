import { AwsError, type Call } from "../protocol/call";
import { before, type Rule } from "../model/rule";
import { instancesOf, text } from "../protocol/xml";

/**
 * What EC2 does not change on a spot instance. The first two are known from its answers (cloud-custodian issue 2083, and
 * `disableInstanceAPIStop` of terraform-provider-aws); of the others nothing is known, and refusing them costs nobody
 * anything who does without.
 */
const FIXED_ON_SPOT = [
  "disableApiTermination",
  "disableApiStop",
  "instanceInitiatedShutdownBehavior",
  "instanceType",
] as const;

/** The attribute that a call changes: by a parameter of its own, or named by `Attribute`. */
function attributeOf({ params }: Call): string {
  const [first] = [...params.keys()].filter((name) => !["Action", "Version", "InstanceId", "DryRun"].includes(name));
  const name = params.get("Attribute") ?? (first ?? "").replace(/\..*$/, "");
  return name.charAt(0).toLowerCase() + name.slice(1);
}

export const attributeRules: Rule[] = [
  // moto does not know it by its own name, and takes the call for one that leaves an instance no security group.
  before("ec2:ModifyInstanceAttribute", ({ params }) => {
    const value = params.get("InstanceInitiatedShutdownBehavior.Value");
    if (value === null) return;
    params.delete("InstanceInitiatedShutdownBehavior.Value");
    params.set("Attribute", "instanceInitiatedShutdownBehavior");
    params.set("Value", value);
  }),
  before("ec2:ModifyInstanceAttribute", async (call, cloud) => {
    const attribute = attributeOf(call);
    if (!(FIXED_ON_SPOT as readonly string[]).includes(attribute)) return;
    const answer = await cloud.moto.ask(call.region, "DescribeInstances", {
      "InstanceId.1": call.params.get("InstanceId") ?? "",
    });
    if (text(instancesOf(answer)[0], "instanceLifecycle") === "spot")
      throw new AwsError("UnsupportedOperation", `Modifying '${attribute}' is not supported for spot instances.`);
  }),
];

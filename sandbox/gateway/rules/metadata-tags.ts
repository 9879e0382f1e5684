import { AwsError, type Call } from "../protocol/call";
import { before, type Cloud, type Rule } from "../model/rule";
import { instancesOf, text } from "../protocol/xml";

/** "View tags for your EC2 instances using instance metadata" (EC2 User Guide): a key is part of a path there. */
const PATTERN = /^[0-9a-zA-Z\-_+=,.@:]{1,255}$/;
const RESERVED = [".", "..", "_index"];

/** @throws AwsError for a key that an instance with tags in its metadata cannot have */
function assertShowable(keys: readonly string[]): void {
  const bad = keys.find((key) => !PATTERN.test(key) || RESERVED.includes(key));
  if (bad !== undefined)
    throw new AwsError(
      "InvalidParameterValue",
      `'${bad}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')`,
    );
}

/** The keys of the tags below a prefix such as `TagSpecification.1.`. */
function keysBelow({ params }: Call, prefix = ""): string[] {
  const pattern = new RegExp(`^${prefix.replaceAll(".", "\\.")}Tag\\.\\d+\\.Key$`);
  return [...params].flatMap(([name, value]) => (pattern.test(name) ? value : []));
}

/** Does one of these instances show its tags in its metadata? */
async function isShowing(call: Call, cloud: Cloud, ids: readonly string[]): Promise<boolean> {
  if (ids.length === 0) return false;
  const params = Object.fromEntries(ids.map((id, at) => [`InstanceId.${at + 1}`, id]));
  const instances = instancesOf(await cloud.moto.ask(call.region, "DescribeInstances", params));
  return instances.some((instance) => text(instance, "metadataOptions", "instanceMetadataTags") === "enabled");
}

/** Tags in an instance's metadata; moto takes any key. */
export const metadataTagRules: Rule[] = [
  before("ec2:RunInstances", (call) => {
    if (call.params.get("MetadataOptions.InstanceMetadataTags") !== "enabled") return;
    for (let index = 1; call.params.has(`TagSpecification.${index}.ResourceType`); index++)
      if (call.params.get(`TagSpecification.${index}.ResourceType`) === "instance")
        assertShowable(keysBelow(call, `TagSpecification.${index}.`));
  }),
  before("ec2:CreateTags", async (call, cloud) => {
    const ids = [...call.params].flatMap(([name, value]) =>
      /^ResourceId\.\d+$/.test(name) && value.startsWith("i-") ? value : [],
    );
    if (await isShowing(call, cloud, ids)) assertShowable(keysBelow(call));
  }),
];

import type { HostSpec } from "../../hosts/driver";
import { listOf, type Call } from "../protocol/call";
import { after, amending, type Cloud, type Rule } from "../model/rule";
import { ec2Answer, instancesOf, items, parseXml, tagsOf, text, type Node } from "../protocol/xml";

/** What an instance of an answer looks like to the host driver. */
function hostSpec(call: Call, instance: Node, cloud: Cloud): HostSpec {
  const key = cloud.publicKeys.get(`${cloud.moto.account}/${call.region}/${text(instance, "keyName")}`);
  return {
    instanceId: text(instance, "instanceId"),
    region: call.region,
    availabilityZone: text(instance, "placement", "availabilityZone"),
    amiId: text(instance, "imageId"),
    instanceType: text(instance, "instanceType"),
    market: text(instance, "instanceLifecycle") === "spot" ? "spot" : "on-demand",
    publicAddress: text(instance, "ipAddress"),
    privateAddress: text(instance, "privateIpAddress"),
    userData: Buffer.from(call.params.get("UserData") ?? "", "base64"),
    publicKeys: key === undefined ? [] : [key],
    httpTokens: text(instance, "metadataOptions", "httpTokens") === "required" ? "required" : "optional",
    tags: tagsOf(instance),
  };
}

/** Changes after which other hosts, or the same ones from elsewhere, can be reached. */
const changesReach = /^(?!Describe)\w*(Route|InternetGateway|SecurityGroup|InstanceAttribute|InterfaceAttribute)/;

/** Calls that move hosts, or what leads to them. */
export const hostRules: Rule[] = [
  after("ec2:*", (call, _answer, cloud) => {
    if (changesReach.test(call.action)) cloud.instances.readmit(call.region);
  }),
  after("ec2:ImportKeyPair", (call, _answer, cloud) => {
    const key = Buffer.from(call.params.get("PublicKeyMaterial") ?? "", "base64")
      .toString("utf8")
      .trim();
    cloud.publicKeys.set(`${cloud.moto.account}/${call.region}/${call.params.get("KeyName") ?? ""}`, key);
  }),
  after("ec2:RunInstances", (call, answer, cloud) => {
    for (const instance of items(parseXml(answer.body), "instancesSet"))
      cloud.instances.launch(hostSpec(call, instance, cloud), cloud.moto);
  }),
  after("ec2:TerminateInstances", (call, _answer, cloud) => {
    for (const id of listOf(call.params, "InstanceId")) cloud.instances.terminate(id);
  }),
  after("ec2:RebootInstances", (call, _answer, cloud) => {
    for (const id of listOf(call.params, "InstanceId")) cloud.instances.reboot(id);
  }),
  amending("ec2:GetConsoleOutput", async (call, _answer, cloud) => {
    const instanceId = call.params.get("InstanceId") ?? "";
    const instance = instancesOf(
      await cloud.moto.ask(call.region, "DescribeInstances", { "InstanceId.1": instanceId }),
    )[0];
    const ended = text(instance, "instanceState", "name") === "terminated";
    const output = ended ? "" : await cloud.driver.consoleOutput(instanceId);
    return ec2Answer("GetConsoleOutput", {
      instanceId,
      timestamp: cloud.now().toISOString(),
      output: Buffer.from(output).toString("base64"),
    });
  }),
];

import { AwsError, listOf, type Call } from "../protocol/call";
import { after, before, instead, type Cloud, type Rule } from "../model/rule";
import { allInstances } from "../model/ask";
import { ec2Answer, instancesOf, items, parseXml, text, type Node } from "../protocol/xml";

/** "Unlimited mode for burstable performance instances" (EC2 User Guide): T2 alone is standard unless it is told otherwise. */
const defaultOf = (typeName: string): string => (typeName.startsWith("t2.") ? "standard" : "unlimited");

/** In EC2's words (terraform-provider-aws issue 5067). */
const notBurstable = (typeName: string): AwsError =>
  new AwsError(
    "InstanceCreditSpecification.NotSupported",
    `The ${typeName} instance type does not support T2 Unlimited.`,
  );

function assertKnown(credits: string): void {
  if (credits !== "standard" && credits !== "unlimited")
    throw new AwsError("InvalidParameterValue", `Invalid value '${credits}' for CpuCredits.`);
}

async function isBurstable(cloud: Cloud, call: Call, typeName: string): Promise<boolean> {
  return (await cloud.types.type(cloud, call.region, typeName))?.isBurstable === true;
}

async function creditsOf(
  call: Call,
  cloud: Cloud,
  instance: Node,
): Promise<{ instanceId: string; cpuCredits: string }> {
  const [instanceId, typeName] = [text(instance, "instanceId"), text(instance, "instanceType")];
  if (!(await isBurstable(cloud, call, typeName))) throw notBurstable(typeName);
  return { instanceId, cpuCredits: cloud.cpuCredits.get(instanceId) ?? defaultOf(typeName) };
}

/** CPU credits, of which moto only says "standard". */
export const creditRules: Rule[] = [
  before("ec2:RunInstances", async (call, cloud) => {
    const credits = call.params.get("CreditSpecification.CpuCredits");
    if (credits === null) return;
    assertKnown(credits);
    const typeName = call.params.get("InstanceType") ?? "";
    if (!(await isBurstable(cloud, call, typeName))) throw notBurstable(typeName);
  }),
  after("ec2:RunInstances", (call, answer, cloud) => {
    const credits = call.params.get("CreditSpecification.CpuCredits");
    if (credits === null) return;
    for (const instance of items(parseXml(answer.body), "instancesSet"))
      cloud.cpuCredits.set(text(instance, "instanceId"), credits);
  }),
  // Without ids: those that are not as T2 is ("DescribeInstanceCreditSpecifications", EC2 API reference).
  instead("ec2:DescribeInstanceCreditSpecifications", async (call, cloud) => {
    const ids = listOf(call.params, "InstanceId");
    if (ids.length > 0) {
      const named = await cloud.moto.ask(
        call.region,
        "DescribeInstances",
        Object.fromEntries(ids.map((id, n) => [`InstanceId.${n + 1}`, id])),
      );
      const item = await Promise.all(instancesOf(named).map((instance) => creditsOf(call, cloud, instance)));
      return ec2Answer("DescribeInstanceCreditSpecifications", { instanceCreditSpecificationSet: { item } });
    }
    const found = await Promise.all(
      (await allInstances(cloud, call.region, {})).map((instance) =>
        creditsOf(call, cloud, instance).catch(() => undefined),
      ),
    );
    const item = found.filter((one) => one?.cpuCredits === "unlimited");
    return ec2Answer("DescribeInstanceCreditSpecifications", { instanceCreditSpecificationSet: { item } });
  }),
  instead("ec2:ModifyInstanceCreditSpecification", async (call, cloud) => {
    const changed: string[] = [];
    for (let n = 1; call.params.has(`InstanceCreditSpecification.${n}.InstanceId`); n++) {
      const InstanceId = call.params.get(`InstanceCreditSpecification.${n}.InstanceId`) ?? "";
      const credits = call.params.get(`InstanceCreditSpecification.${n}.CpuCredits`) ?? "";
      assertKnown(credits);
      const [instance] = instancesOf(
        await cloud.moto.ask(call.region, "DescribeInstances", { "InstanceId.1": InstanceId }),
      );
      await creditsOf(call, cloud, instance as Node);
      cloud.cpuCredits.set(InstanceId, credits);
      changed.push(InstanceId);
    }
    return ec2Answer("ModifyInstanceCreditSpecification", {
      successfulInstanceCreditSpecificationSet: { item: changed.map((instanceId) => ({ instanceId })) },
      unsuccessfulInstanceCreditSpecificationSet: { item: [] },
    });
  }),
];

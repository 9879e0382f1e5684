import assert from "node:assert/strict";
import { list, scriptedCloud, type Script } from "../../../../support/scripted-cloud";

const TYPES: Record<string, string> = { "i-t3": "t3.medium", "i-t2": "t2.micro", "i-m5": "m5.large" };
const WORLD: Script = {
  DescribeInstanceTypes: (params) => ({
    instanceTypeSet: list({
      burstablePerformanceSupported: String(params.get("InstanceType.1")?.startsWith("t")),
    }),
  }),
  DescribeInstances: (params) => ({
    reservationSet: list(
      ...Object.entries(TYPES)
        .filter(([id]) => !params.has("InstanceId.1") || [...params.values()].includes(id))
        .map(([instanceId, instanceType]) => ({ instancesSet: list({ instanceId, instanceType }) })),
    ),
  }),
};

describe("CPU credits", () => {
  const { call } = scriptedCloud(WORLD);
  const asked = async (...ids: string[]): Promise<unknown> => {
    const params = Object.fromEntries(ids.map((id, n) => [`InstanceId.${n + 1}`, id]));
    const answer = await call("DescribeInstanceCreditSpecifications", params);
    if (typeof answer === "string") return answer;
    const { item = [] } = (answer.instanceCreditSpecificationSet || {}) as { item?: Record<string, string>[] };
    return Object.fromEntries(item.map(({ instanceId, cpuCredits }) => [instanceId!, cpuCredits]));
  };
  const change = (id: string, credits: string) =>
    call("ModifyInstanceCreditSpecification", {
      "InstanceCreditSpecification.1.InstanceId": id,
      "InstanceCreditSpecification.1.CpuCredits": credits,
    });

  it("are what the family has, where nobody said anything", async () => {
    assert.deepEqual(await asked("i-t3", "i-t2"), { "i-t3": "unlimited", "i-t2": "standard" });
    assert.deepEqual(await asked(), { "i-t3": "unlimited" }, "of all: those that are unlimited");
  });

  it("are nothing that another type has", async () => {
    assert.equal(await asked("i-m5"), "InstanceCreditSpecification.NotSupported");
    assert.equal(await change("i-m5", "standard"), "InstanceCreditSpecification.NotSupported");
    assert.equal(
      await call("RunInstances", { InstanceType: "m5.large", "CreditSpecification.CpuCredits": "standard" }),
      "InstanceCreditSpecification.NotSupported",
    );
  });

  it("are one of two", async () => {
    assert.equal(await change("i-t3", "much"), "InvalidParameterValue");
    assert.equal(typeof (await change("i-t3", "standard")), "object");
    assert.deepEqual(await asked("i-t3"), { "i-t3": "standard" });
  });
});

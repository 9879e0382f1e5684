import assert from "node:assert/strict";
import { list, scriptedCloud, type Script } from "../../../../support/scripted-cloud";

const WORLD: Script = {
  DescribeInstances: (params) => ({
    reservationSet: list({
      instancesSet: list({
        instanceId: params.get("InstanceId.1") ?? "",
        ...(params.get("InstanceId.1") === "i-spot" ? { instanceLifecycle: "spot" } : {}),
      }),
    }),
  }),
};

describe("an attribute of an instance", () => {
  const change = (InstanceId: string, params: Record<string, string>) =>
    scriptedCloud(WORLD).call("ModifyInstanceAttribute", { InstanceId, ...params });

  const FIXED: Record<string, Record<string, string>> = {
    disableApiTermination: { "DisableApiTermination.Value": "false" },
    disableApiStop: { "DisableApiStop.Value": "false" },
    instanceInitiatedShutdownBehavior: { "InstanceInitiatedShutdownBehavior.Value": "terminate" },
    "instanceType, named as an attribute": { Attribute: "instanceType", Value: "t3.small" },
  };
  for (const [what, params] of Object.entries(FIXED)) {
    it(`is not changed on a spot instance: ${what}`, async () => {
      assert.equal(await change("i-spot", params), "UnsupportedOperation");
      assert.notEqual(await change("i-on-demand", params), "UnsupportedOperation");
    });
  }

  it("is changed on any instance, where AWS says nothing against it", async () => {
    assert.notEqual(await change("i-spot", { "SourceDestCheck.Value": "false" }), "UnsupportedOperation");
    assert.notEqual(await change("i-spot", { "GroupId.1": "sg-1" }), "UnsupportedOperation");
  });
});

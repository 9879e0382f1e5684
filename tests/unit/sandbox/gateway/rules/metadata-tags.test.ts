import assert from "node:assert/strict";
import { list, scriptedCloud, type Script } from "../../../../support/scripted-cloud";

const INSTANCES = { "i-shows": "enabled", "i-hides": "disabled" };
const WORLD: Script = {
  DescribeInstances: (params) => ({
    reservationSet: list(
      ...Object.entries(INSTANCES)
        .filter(([id]) => [...params.values()].includes(id))
        .map(([instanceId, instanceMetadataTags]) => ({
          instancesSet: list({ instanceId, metadataOptions: { instanceMetadataTags } }),
        })),
    ),
  }),
};

describe("tags in an instance's metadata", () => {
  const refused = async (action: string, params: Record<string, string>): Promise<boolean> =>
    (await scriptedCloud(WORLD).call(action, params)) === "InvalidParameterValue";

  const tagging = (id: string, key: string) =>
    refused("CreateTags", { "ResourceId.1": "vpc-1", "ResourceId.2": id, "Tag.1.Key": "Name", "Tag.2.Key": key });
  const launching = (shown: string, type: string, key: string) =>
    refused("RunInstances", {
      "MetadataOptions.InstanceMetadataTags": shown,
      "TagSpecification.1.ResourceType": type,
      "TagSpecification.1.Tag.1.Key": "spot-deployer:node",
      "TagSpecification.1.Tag.2.Key": key,
    });

  for (const key of ["cost center", "team/a", "é", ".", "..", "_index"]) {
    it(`have no key ${JSON.stringify(key)}`, async () => {
      assert.equal(await tagging("i-shows", key), true);
      assert.equal(await launching("enabled", "instance", key), true);
    });

    it(`leave a key ${JSON.stringify(key)} to whatever does not show it`, async () => {
      assert.equal(await tagging("i-hides", key), false);
      assert.equal(await tagging("subnet-1", key), false);
      assert.equal(await launching("disabled", "instance", key), false);
      assert.equal(await launching("enabled", "volume", key), false);
    });
  }

  it("have any other key", async () => {
    assert.equal(await tagging("i-shows", "a-b_c+d=e.f,g@h:1"), false);
    assert.equal(await launching("enabled", "instance", "a-b_c+d=e.f,g@h:1"), false);
  });
});

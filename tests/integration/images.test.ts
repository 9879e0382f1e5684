import assert from "node:assert/strict";
import { cloudOf } from "../../cloud/clients";
import { offerOf, type RegionRequest } from "../../cloud/offerings/regions";
import type { Target } from "../../automation/target";
import type { Sandbox } from "../../sandbox/control";
import { imageId, images } from "../../sandbox/gateway/model/images";
import { FIRST_RUN_MS, newHome, removeSandbox, startSandbox } from "../support/sandbox";

const REGION = "eu-west-1";

/** What of the catalogue is the newest of its kind. */
function newest(pattern: RegExp): string {
  const [image] = images.filter(({ name }) => pattern.test(name)).sort((a, b) => b.created.localeCompare(a.created));
  return imageId(image ?? assert.fail(String(pattern)), REGION);
}

describe("the image of a node", function () {
  this.timeout(FIRST_RUN_MS);
  const home = newHome();
  let sandbox: Sandbox;
  before(async () => ({ sandbox } = await startSandbox(home)));
  after(() => removeSandbox(home));

  async function imageOf(image: string, machineType: string, programs?: RegionRequest["programs"]): Promise<string> {
    const cloud = cloudOf({
      endpoint: sandbox.endpoint,
      credentials: { kind: "keys", accessKeyId: "sandbox", secretAccessKey: "sandbox" },
    } as Target);
    try {
      return (
        await offerOf(
          cloud,
          { region: REGION, machineTypes: [machineType], image, network: "create", securityGroups: [], programs },
          undefined,
        )
      ).types[0]!.ami;
    } finally {
      cloud.close();
    }
  }

  for (const [machineType, word] of [
    ["t3.medium", "amd64"],
    ["t4g.medium", "arm64"],
  ] as const) {
    for (const [name, pattern] of [
      ["auto", `ubuntu-jammy-22\\.04-${word}`],
      ["ubuntu-22.04", `ubuntu-jammy-22\\.04-${word}`],
      ["ubuntu-24.04", `ubuntu-noble-24\\.04-${word}`],
      ["debian-12", `debian-12-${word}`],
    ] as const) {
      it(`is the newest ${name} for ${machineType}`, async () =>
        assert.equal(await imageOf(name, machineType), newest(new RegExp(pattern))));
    }

    it(`is not even looked for when the workload has no program for ${machineType}`, async () => {
      assert.ok(await imageOf("auto", machineType, [word]));
      const other = word === "amd64" ? "arm64" : "amd64";
      await assert.rejects(imageOf("auto", machineType, [other]), {
        code: "E_INSTANCE_TYPE",
        message: `${REGION}: bacalhau.download has no program for ${word}, the architecture of ${machineType}`,
      });
    });

    it(`may be named by its id for ${machineType}, when it is for that kind of machine`, async () => {
      const own = newest(new RegExp(`debian-12-${word}`));
      const other = newest(new RegExp(`debian-12-${word === "amd64" ? "arm64" : "amd64"}`));
      assert.equal(await imageOf(own, machineType), own);
      await assert.rejects(imageOf(other, machineType), { code: "E_IMAGE" });
      await assert.rejects(imageOf("ami-0123456789abcdef0", machineType), { code: "E_IMAGE" });
    });
  }
});

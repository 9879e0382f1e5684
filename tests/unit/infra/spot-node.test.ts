import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { LaunchSettings } from "../../../fleet/plan/launch-spec";
import type { Pool } from "../../../fleet/model";
import { REPLACE_ON_CHANGES, SpotNode } from "../../../infra/spot-node";
import { at } from "../../../sandbox/provider/common/values";
import { otherSettings } from "../../support/launch-settings";

const REGION = "us-west-2";
const ZONE = "us-west-2a";

describe("the instance of a node", () => {
  /** What is declared of the instance, as the engine gets it. */
  async function inputsWith(
    settings: LaunchSettings,
    extra: Record<string, string> = {},
    pool: Partial<Pool> = {},
  ): Promise<Record<string, unknown>> {
    let inputs: Record<string, unknown> | undefined;
    await pulumi.runtime.setMocks({
      newResource: (args) => {
        if (args.type === "aws:ec2/instance:Instance") inputs = args.inputs as Record<string, unknown>;
        return { id: args.name, state: {} };
      },
      call: () => ({}),
    });
    const node = new SpotNode(
      {
        spec: {
          slot: { name: `${REGION}-0`, homeRegion: REGION, ordinal: 0 },
          pin: {
            ami: "ami-1",
            pool: { region: REGION, availabilityZone: ZONE, instanceType: "t3.medium", market: "spot", ...pool },
          },
          settings,
          generation: "0123456789abcdef",
          userData: () => "",
        },
        userData: pulumi.output(""),
        network: {
          subnetIds: { [ZONE]: pulumi.output("subnet-1") },
          securityGroupIds: ["sg-1"],
          ready: {},
          isWhole: true,
        },
        owner: { lineage: "0123456789abcdef", stack: "s", extra },
      },
      {},
    );
    await new Promise((resolve) => node.instance.urn.apply(resolve));
    assert.ok(inputs);
    return inputs;
  }

  it("is declared with every setting of its launch", async () => {
    const inputs = JSON.stringify(await inputsWith(otherSettings as LaunchSettings));
    // A price is declared with all of its decimals.
    for (const [name, value] of Object.entries(otherSettings))
      assert.match(inputs, new RegExp(`:"?${value}0*"?[,}]`), `${name} in ${inputs}`);
  });

  it("shows its tags in its metadata where their keys can stand there", async () => {
    const shown = async (extra: Record<string, string>) => {
      const { metadataOptions } = await inputsWith(otherSettings as LaunchSettings, extra);
      return (metadataOptions as Record<string, unknown>).instanceMetadataTags;
    };
    assert.equal(await shown({ "team:a-b_c+d=e.f,g@h": "" }), "enabled");
    for (const key of ["cost center", "team/a", "équipe", ".", "..", "_index"])
      assert.equal(await shown({ [key]: "" }), "disabled", key);
  });

  it("says nothing of a spot instance that AWS may refuse to change, and ends an on-demand one that is powered off", async () => {
    const behaviour = async (market: Pool["market"]) =>
      (await inputsWith(otherSettings as LaunchSettings, {}, { market })).instanceInitiatedShutdownBehavior;
    assert.equal(await behaviour("spot"), undefined);
    assert.equal(await behaviour("on-demand"), "terminate");
  });

  it("pays for no CPU that it has not earned, unless it is told to, and on burstable types alone", async () => {
    const credits = async (cpuCredits: LaunchSettings["cpuCredits"], instanceType: string) =>
      (await inputsWith({ ...(otherSettings as LaunchSettings), cpuCredits }, {}, { instanceType }))
        .creditSpecification;
    for (const type of ["t2.micro", "t3.medium", "t3a.large", "t4g.small"])
      assert.deepEqual(await credits(undefined, type), { cpuCredits: "standard" }, type);
    assert.deepEqual(await credits("unlimited", "t3.medium"), { cpuCredits: "unlimited" });
    for (const type of ["m7i.large", "trn1.2xlarge"]) assert.equal(await credits("unlimited", type), undefined, type);
  });

  it("names its highest price as AWS will show it, so that no refresh finds another one", async () => {
    const shown = async (maxPrice: number | undefined) =>
      at(
        await inputsWith({ ...(otherSettings as LaunchSettings), maxPrice }),
        "instanceMarketOptions.spotOptions.maxPrice",
      );
    assert.deepEqual(
      [await shown(1), await shown(0.05), await shown(0.12345678)],
      ["1.000000", "0.050000", "0.123457"],
    );
    assert.equal(await shown(undefined), undefined);
  });

  it("tags its root volume and no other", async () => {
    const { rootBlockDevice, volumeTags, tags } = await inputsWith(otherSettings as LaunchSettings);
    assert.deepEqual((rootBlockDevice as Record<string, unknown>).tags, tags);
    assert.equal(volumeTags, undefined);
  });

  it("is replaced for each declared property of its root device and metadata, and for no whole block", async () => {
    const inputs = await inputsWith(otherSettings as LaunchSettings);
    const paths = ["rootBlockDevice", "metadataOptions"].flatMap((block) =>
      Object.keys(inputs[block] as object)
        .filter((property) => property !== "tags")
        .map((property) => `${block}.${property}`),
    );
    assert.deepEqual([...REPLACE_ON_CHANGES].sort(), ["instanceType", "iamInstanceProfile", ...paths].sort());
    for (const path of REPLACE_ON_CHANGES)
      assert.notEqual(typeof inputs[path], "object", `${path} holds more than what is declared`);
  });
});

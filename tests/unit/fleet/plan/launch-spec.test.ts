import assert from "node:assert/strict";
import { parseConfig } from "../../../../fleet/config";
import { generationOf } from "../../../../fleet/identity/generation";
import { launchSettingsOf, type LaunchSettings } from "../../../../fleet/plan/launch-spec";
import { otherSettings } from "../../../support/launch-settings";

const settings = (text: string, machineType = "t3.medium"): LaunchSettings => {
  const parsed = parseConfig(text, "config.yaml");
  assert.ok(!parsed.problems);
  return launchSettingsOf(parsed.config, machineType);
};
const generation = (launch: LaunchSettings & Record<string, unknown>): string =>
  generationOf(
    { payloadDigest: "p", userData: "u", ami: "ami-1", launch: launch as LaunchSettings },
    { program: "p", files: "f", settings: "s" },
  );

const PLAIN = "aws: {}\nregions:\n  - us-west-2: {machine_type: t3.medium, image: auto}\n";

describe("the settings of a launch", () => {
  it("make the generation, each of them", () => {
    const plain = settings(PLAIN);
    for (const [name, value] of Object.entries(otherSettings))
      assert.notEqual(generation({ ...plain, [name]: value }), generation(plain), name);
  });

  it("are without credits on a type that has none, so that asking for them replaces no such node", () => {
    const asked = PLAIN.replace("aws: {}", "aws: {cpu_credits: unlimited}");
    assert.notEqual(generation(settings(asked)), generation(settings(PLAIN)));
    assert.equal(generation(settings(asked, "m7i.large")), generation(settings(PLAIN, "m7i.large")));
  });

  it("leave the generation as it was where they are unset, and whatever their order", () => {
    const plain = settings(PLAIN);
    assert.equal(generation({ ...plain, added: undefined }), generation(plain));
    assert.equal(generation(Object.fromEntries(Object.entries(plain).reverse()) as LaunchSettings), generation(plain));
    // What nodes are made with: another name for the same replaces them all.
    assert.equal(generation(plain), "854fa20f42b3d8f2.1fb680aa.30f8b180.c42897d4");
  });
});

import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { isMade, valueOf } from "../../../infra/outputs";

/** They read what the SDK keeps to itself: a version of it that is made differently fails here. */
describe("what is known of a resource", () => {
  async function declared(id: string, state: object): Promise<pulumi.Stash> {
    await pulumi.runtime.setMocks({ newResource: () => ({ id, state }), call: () => ({}) });
    return new pulumi.Stash("decision", { input: "given" });
  }

  it("is that it was made, where it has an id", async () => {
    assert.equal(await isMade(await declared("some-id", {})), true);
  });

  it("is that it was not made, where it has none", async () => {
    assert.equal(await isMade(await declared("", {})), false);
  });

  it("is the value that was recorded, whatever was given", async () => {
    assert.equal(await valueOf((await declared("some-id", { output: "recorded" })).output), "recorded");
  });
});

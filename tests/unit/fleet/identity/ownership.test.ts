import assert from "node:assert/strict";
import { ownerOf } from "../../../../fleet/identity/ownership";

describe("whose a thing in AWS is (L42, L44)", () => {
  const rows: [tags: Record<string, string>, owner: string][] = [
    [{ "spot-deployer:lineage": "mine", "spot-deployer:stack": "dev", Name: "anything" }, "ours"],
    [{ "spot-deployer:lineage": "mine", "spot-deployer:stack": "prod" }, "another fleet"],
    [{ "spot-deployer:lineage": "theirs", ManagedBy: "spot-deployer" }, "another fleet"],
    [{ ManagedBy: "spot-deployer" }, "another fleet"],
    [{ ManagedBy: "SpotDeployer", Name: "spot-us-west-2" }, "predecessor"],
    [{ ManagedBy: "spot_deployer" }, "predecessor"],
    [{ ManagedBy: "aws-spot-deployer" }, "predecessor"],
    [{ ManagedBy: "SpotDeployerPro" }, "nobody"],
    [{ Name: "spot-deployer-us-west-2" }, "predecessor"],
    [{ Name: "spot-deployers-friend" }, "nobody"],
    [{ Name: "my-spot-deployer-copy" }, "nobody"],
    [{ Project: "spot" }, "nobody"],
    [{}, "nobody"],
  ];
  for (const [tags, owner] of rows) {
    it(`${JSON.stringify(tags)} is ${owner}`, () =>
      assert.equal(ownerOf(tags, { lineage: "mine", stack: "dev" }), owner));
  }

  it("a name alone never makes it ours", () =>
    assert.notEqual(ownerOf({ Name: "fleet-us-west-2" }, { lineage: "mine" }), "ours"));
});

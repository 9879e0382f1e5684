import assert from "node:assert/strict";
import { failureInfo } from "../../../../../automation/operations/run/engine-events";

describe("what is told of a step that failed", () => {
  for (const [op, verb] of [
    ["create", "created"],
    ["create-replacement", "created"],
    ["update", "updated"],
    ["delete", "deleted"],
    ["delete-replaced", "deleted"],
  ] as const)
    it(`names what could not be done: ${op}`, () => {
      const step = {
        urn: "",
        type: "aws:ec2/vpc:Vpc",
        name: "us-west-2",
        op,
        id: "",
        inputs: {},
        outputs: {},
        keys: [],
      };
      const { message } = failureInfo({ step, message: "AuthFailure: no" });
      assert.equal(message, `Vpc us-west-2 could not be ${verb}: AuthFailure`);
    });
});

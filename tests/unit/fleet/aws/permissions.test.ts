import assert from "node:assert/strict";
import { QUESTIONS } from "../../../../cloud/permissions";
import { refusedAction } from "../../../../fleet/aws/error-codes";
import { GRANTS, POLICIES, policyFor } from "../../../../fleet/aws/permissions";
import { Tag } from "../../../../fleet/model";

/** "IAM and AWS STS quotas": a managed policy, white space not counted. */
const LONGEST = 6_144;

describe("the policy documents", () => {
  for (const [name, document] of Object.entries(POLICIES))
    it(`${name} is short enough for IAM, and each of its statements has a name of its own`, () => {
      assert.ok(JSON.stringify(document).length <= LONGEST);
      const names = document.Statement.map(({ Sid }) => Sid);
      assert.deepEqual(names, [...new Set(names)]);
      assert.ok(names.every((sid) => /^[A-Za-z0-9]+$/.test(sid)));
    });

  it("name each action: no wildcard", () => {
    const actions = policyFor("operator", "cleanup", "instance-profile").Statement.flatMap(({ Action }) => Action);
    assert.ok(actions.length > 80);
    assert.ok(actions.every((action) => /^[a-z0-9-]+:[A-Za-z]+$/.test(action)));
  });

  it("allow an operator to end, delete and detach only what has the fleet's tag", () => {
    const harmful = /^ec2:(Terminate|Delete|Detach|Revoke)/;
    const statements = POLICIES.operator.Statement.filter(({ Action }) =>
      Action.some((action) => harmful.test(action)),
    );
    assert.deepEqual(
      statements.map(({ Sid, Condition }) => [Sid, Condition]),
      [["ChangeOwn", { Null: { [`aws:ResourceTag/${Tag.lineage}`]: "false" } }]],
    );
  });

  it("hold an operator's actions that each have a question, or a reason for none", () => {
    const ofOperators = GRANTS.filter(({ use }) => use !== "cleanup").flatMap(({ actions }) => Object.keys(actions));
    assert.deepEqual(Object.keys(QUESTIONS).sort(), [...new Set(ofOperators)].sort());
  });
});

describe("what AWS refuses", () => {
  it("is the action that its text names", () => {
    assert.equal(
      refusedAction(
        "You are not authorized to perform this operation. User: arn:aws:iam::1:user/a is not authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:us-west-2:1:vpc/* because no identity-based policy allows the ec2:CreateTags action",
      ),
      "ec2:CreateTags",
    );
    assert.equal(refusedAction("You are not authorized to perform this operation."), undefined);
  });
});

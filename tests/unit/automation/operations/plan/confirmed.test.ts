import assert from "node:assert/strict";
import { confirmed, type UpPlan } from "../../../../../automation/operations/plan/plan-up";
import type { NodeChange } from "../../../../../fleet/plan/changes";
import type { ResourceChange } from "../../../../../fleet/plan/resource-changes";
import type { Question } from "../../../../../fleet/report/events";

const change = (kind: NodeChange["kind"]): NodeChange => ({ name: "n", kind }) as unknown as NodeChange;
const resource = (kind: ResourceChange["kind"], opens?: string): ResourceChange => ({
  urn: "urn",
  type: "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
  name: "rule",
  kind,
  properties: [],
  ...(opens === undefined ? {} : { opens }),
});

describe("the question before a change", () => {
  /** What is asked about a plan for a fleet of three nodes. */
  async function asked(plan: Pick<UpPlan, "changes" | "resources">, answer = true): Promise<string | undefined> {
    let message: string | undefined;
    const session = {
      target: { kind: "aws", stack: "fleet" },
      state: { nodes: [1, 2, 3] },
      reporter: {
        confirm: (question: Question) => {
          ({ message } = question);
          return Promise.resolve(answer);
        },
      },
    };
    await confirmed({ ...plan, session, account: "123456789012" } as unknown as UpPlan);
    return message;
  }

  const cases: [what: string, changes: NodeChange[], resources: ResourceChange[], question: string | undefined][] = [
    ["nothing", [change("same")], [], undefined],
    ["nodes that come", [change("create")], [resource("create")], undefined],
    ["changes in place", [change("update")], [resource("update")], undefined],
    ["a node that is replaced", [change("replace"), change("same")], [], "replace or delete 1 of 3 nodes?"],
    ["a port that opens", [], [resource("create", "0.0.0.0/0")], "let 0.0.0.0/0 log in?"],
    [
      "all of it",
      [change("delete"), change("replace")],
      [resource("replace"), resource("delete"), resource("create", "::/0"), resource("create", "::/0")],
      "replace or delete 2 of 3 nodes and replace or delete 2 other resources and let ::/0 log in?",
    ],
  ];
  for (const [what, changes, resources, question] of cases)
    it(`is asked about what ends or opens something, and about nothing else: ${what}`, async () => {
      const message = await asked({ changes, resources });
      assert.equal(message, question && `Account 123456789012, stack fleet: ${question}`);
    });

  it("changes nothing on a no", async () => {
    await assert.rejects(asked({ changes: [change("delete")], resources: [] }, false), { code: "E_DECLINED" });
  });
});

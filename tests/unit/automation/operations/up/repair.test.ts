import assert from "node:assert/strict";
import { begun, type Progress } from "../../../../../automation/operations/up/progress";
import { offerRepair } from "../../../../../automation/operations/up/repair";
import type { Outcome } from "../../../../../automation/verify/outcome";
import type { NodeVerification } from "../../../../../automation/verify/result";
import type { Question } from "../../../../../fleet/report/events";
import { pinOf, recorded, ScriptedRun } from "./scripted-run";

const NODES = ["us-west-2-0", "us-west-2-1"] as const;
const [FIRST, SECOND] = NODES;
const PIN = pinOf("ami-1");
const URN = recorded(FIRST, PIN).urn;

describe("after an `up`: nodes that fail verification", () => {
  async function offered(outcomes: Record<string, Outcome>, yes: boolean) {
    using scripted = new ScriptedRun(yes ? [{ makes: [recorded(FIRST, PIN, "i-new")] }] : [], {
      nodes: NODES.map((name) => recorded(name, PIN)),
      wanted: Object.fromEntries(NODES.map((name) => [name, PIN])),
      count: 2,
    });
    const questions: Question[] = [];
    const start = begun(scripted.run.plan, []);
    const reporter = {
      ...start.session.reporter,
      confirm: (question: Question) => Promise.resolve(questions.push(question) > 0 && yes),
    };
    const at: Progress = {
      ...start,
      session: { ...start.session, reporter },
      verified: new Map(
        Object.entries(outcomes).map(([node, outcome]) => [node, { node, outcome } as NodeVerification]),
      ),
    };
    const after = await offerRepair(scripted.run, at, []);
    return { questions, told: scripted.told, scopes: scripted.scopes, kinds: after.changes.map(({ kind }) => kind) };
  }

  it("are named with the command that replaces them, and replaced when a person says so", async () => {
    const { questions, told, scopes, kinds } = await offered({ [FIRST]: "failed", [SECOND]: "verified" }, true);
    assert.deepEqual(questions, [
      {
        message: `Replace the node that fails verification now (${FIRST})?`,
        answeredBy: "nothing",
        unattended: false,
      },
    ]);
    assert.equal(told[0], `failing verification: ${FIRST}. \`replace ${FIRST}\` replaces it.`);
    assert.deepEqual(scopes, [{ target: [URN], replace: [URN] }]);
    assert.deepEqual(kinds, ["replace", "same"]);
  });

  it("stay as they are when nobody does", async () => {
    const { told, scopes, kinds } = await offered({ [FIRST]: "failed", [SECOND]: "failed" }, false);
    assert.deepEqual(told, [
      `failing verification: ${FIRST}, ${SECOND}. \`replace ${FIRST},${SECOND}\` replaces them.`,
    ]);
    assert.deepEqual([scopes, kinds], [[], ["same", "same"]]);
  });

  it("are nobody's concern where it is unknown whether they fail", async () => {
    const { questions, told } = await offered({ [FIRST]: "unknown", [SECOND]: "verified" }, true).catch(() => {
      throw new Error("an engine run was begun");
    });
    assert.deepEqual([questions, told], [[], []]);
  });
});

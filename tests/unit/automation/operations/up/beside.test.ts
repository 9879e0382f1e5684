import assert from "node:assert/strict";
import { errorInfo, SpotError } from "../../../../../fleet/errors";
import { carryOut } from "../../../../../automation/operations/up/run";
import { nodeUrns } from "../../../../../automation/engine/state";
import { otherStep, pinOf, recorded, ScriptedRun, STACK } from "./scripted-run";

const [FIRST, SECOND] = ["us-west-2-0", "us-west-2-1"] as const;
const PIN = pinOf("ami-1");
const [, NEW_NODE = ""] = nodeUrns(STACK, SECOND, "spot");
const OLD_NODE = recorded(FIRST, PIN).urn;
const VPC = otherStep("vpc:Vpc", "update");
const RULE = otherStep("rule:Rule", "delete");
const ELSEWHERE = otherStep("vpc:Vpc", "create", "eu-west-1");
const ELSEWHERE_TAGS = otherStep("subnet:Subnet", "update", "eu-west-1");

describe("what a run does beside replacements", () => {
  const given = (count: number) => ({
    nodes: [recorded(FIRST, PIN)],
    wanted: Object.fromEntries([FIRST, SECOND].slice(0, count).map((name) => [name, PIN])),
    count,
  });

  it("is no engine run where nothing is planned", async () => {
    using scripted = new ScriptedRun([], given(1));
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, []);
  });

  it("is held to the plan that was agreed to where something is updated", async () => {
    using scripted = new ScriptedRun([{}], { ...given(1), plans: { others: [VPC, RULE], document: "agreed" } });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, [{ target: [VPC.urn, RULE.urn, OLD_NODE], plan: "agreed" }]);
    assert.deepEqual(scripted.asked, []);
  });

  it("takes along what stays in a region where something goes, which the engine would keep for its sake", async () => {
    using scripted = new ScriptedRun([{}], { ...given(1), plans: { others: [RULE], document: "agreed" } });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, [{ target: [RULE.urn, OLD_NODE], plan: "agreed" }]);
  });

  it("needs no plan where a node only goes", async () => {
    using scripted = new ScriptedRun([{ ends: [FIRST] }], { ...given(1), wanted: {}, count: 0 });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, [{ target: [OLD_NODE] }]);
  });

  it("creates first, and is then held to a plan for what is left", async () => {
    using scripted = new ScriptedRun([{ makes: [recorded(SECOND, PIN)] }, {}], {
      ...given(2),
      plans: { others: [VPC], document: "agreed" },
      plansAgain: [VPC],
    });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, [{ target: [NEW_NODE] }, { target: [VPC.urn], plan: "again" }]);
    assert.deepEqual(scripted.asked, [[VPC.urn]]);
  });

  it("stops before what the engine would do beyond what was agreed to", async () => {
    using scripted = new ScriptedRun([{ makes: [recorded(SECOND, PIN)] }], {
      ...given(2),
      plans: { others: [VPC], document: "agreed" },
      plansAgain: [{ ...VPC, op: "create-replacement" }],
    });
    const { failures } = await carryOut(scripted.run);
    assert.deepEqual(
      failures.map(({ code, message }) => [code, message]),
      [["E_UNPLANNED", "Vpc us-west-2 would be replaced now, which was not planned"]],
    );
    assert.equal(scripted.scopes.length, 1);
  });

  it("leaves a region as it is in which something could not be made", async () => {
    using scripted = new ScriptedRun([{}, {}], {
      ...given(1),
      plans: { others: [ELSEWHERE, ELSEWHERE_TAGS, VPC], document: "agreed" },
      plansAgain: [VPC],
    });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, [{ target: [ELSEWHERE.urn] }, { target: [VPC.urn], plan: "again" }]);
  });

  it("asks no more for what is gone when the rest is tried again", async () => {
    const throttled = { refuses: [{ node: FIRST, message: "RequestLimitExceeded: slow down" }] };
    using scripted = new ScriptedRun([throttled, {}], {
      ...given(1),
      plans: { others: [VPC, RULE], document: "agreed" },
      plansAgain: [VPC],
    });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, [
      { target: [VPC.urn, RULE.urn, OLD_NODE], plan: "agreed" },
      { target: [VPC.urn, OLD_NODE], plan: "again" },
    ]);
  });

  it("makes first what a former run ended and could not make again", async () => {
    const awaited = { ...otherStep("instance:Instance", "create-replacement"), name: `${SECOND}-spot`, urn: NEW_NODE };
    using scripted = new ScriptedRun([{ makes: [recorded(SECOND, PIN)] }, {}], {
      ...given(1),
      wanted: { [FIRST]: PIN, [SECOND]: PIN },
      plans: { others: [awaited, VPC], document: "agreed" },
      plansAgain: [VPC],
    });
    const { failures } = await carryOut(scripted.run);
    assert.deepEqual(failures, []);
    assert.deepEqual(scripted.scopes, [{ target: [NEW_NODE] }, { target: [VPC.urn], plan: "again" }]);
  });

  it("declares a node that waits for another market in the market that it has", async () => {
    const onDemand = { ...PIN, pool: { ...PIN.pool, market: "on-demand" as const } };
    using scripted = new ScriptedRun([{}, { makes: [recorded(FIRST, onDemand)] }], {
      ...given(1),
      wanted: { [FIRST]: onDemand },
      plans: { others: [VPC], document: "agreed" },
      plansAgain: [VPC],
    });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.markets, [{ [FIRST]: "spot" }, { [FIRST]: "on-demand" }]);
  });

  it("leaves in the settings what a node that was not replaced is to become", async () => {
    const onDemand = { ...PIN, pool: { ...PIN.pool, market: "on-demand" as const } };
    using scripted = new ScriptedRun([{ refuses: [{ node: SECOND, message: "UnauthorizedOperation: no" }] }], {
      ...given(2),
      wanted: { [FIRST]: onDemand, [SECOND]: PIN },
    });
    const { untouched } = await carryOut(scripted.run);
    assert.deepEqual(untouched, [FIRST]);
    assert.deepEqual(scripted.markets, [{ [FIRST]: "spot", [SECOND]: "spot" }]);
    assert.equal(scripted.pinsWritten?.nodes[FIRST]?.pool.market, "on-demand");
  });

  it("makes a node on demand where a pool refused it, and asks no more for the spot instance", async () => {
    const onDemand = { ...PIN, pool: { ...PIN.pool, market: "on-demand" as const } };
    const refused = { refuses: [{ node: SECOND, message: "InsufficientInstanceCapacity: no room" }] };
    using scripted = new ScriptedRun([refused, { makes: [recorded(SECOND, onDemand)] }], {
      ...given(2),
      candidates: [PIN, onDemand],
    });
    const { failures } = await carryOut(scripted.run);
    assert.deepEqual(failures, []);
    assert.deepEqual(scripted.scopes, [{ target: [NEW_NODE] }, { target: nodeUrns(STACK, SECOND, "on-demand") }]);
  });

  it("tells of what it could not do, because a node still stands in it", async () => {
    using scripted = new ScriptedRun([{ refuses: [{ node: FIRST, message: "UnauthorizedOperation: no" }] }], {
      ...given(1),
      wanted: { [FIRST]: pinOf("ami-2") },
      plans: { others: [RULE], document: "agreed" },
    });
    const { left } = await carryOut(scripted.run);
    assert.deepEqual(
      left.map(({ kind, urn }) => [kind, urn]),
      [["delete", RULE.urn]],
    );
    assert.ok(
      scripted.told.some((line) => line.startsWith("not done yet: delete Rule in us-west-2.")),
      scripted.told.join("\n"),
    );
  });

  it("tells of what it did not do, because the engine refuses a resource", async () => {
    using scripted = new ScriptedRun([{ makes: [recorded(SECOND, PIN)] }], {
      ...given(2),
      plans: { others: [VPC, RULE, ELSEWHERE], failures: [errorInfo(new SpotError("E_CREATE", "refused"))] },
    });
    const { left } = await carryOut(scripted.run);
    assert.deepEqual(
      left.map(({ kind, urn }) => [kind, urn]).sort(),
      [
        ["update", VPC.urn],
        ["delete", RULE.urn],
        ["create", ELSEWHERE.urn],
      ].sort(),
    );
  });

  it("keeps what pending nodes stand in until their roll is over", async () => {
    using scripted = new ScriptedRun([{ makes: [recorded(FIRST, pinOf("ami-2"), "i-new")] }, {}], {
      ...given(1),
      wanted: { [FIRST]: pinOf("ami-2") },
      plans: { others: [RULE], document: "agreed" },
    });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, [{ target: [OLD_NODE], isSerial: true }, { target: [RULE.urn] }]);
  });
});

import assert from "node:assert/strict";
import { withSteps, type Typed } from "../../../../cli/output/steps";
import { again, NODE, outside, spot, type Step } from "../../../../fleet/steps";

describe("steps as they are typed", () => {
  const typed: Typed = {
    command: "exec",
    args: ["us-*", "--sandbox", "--stack", "a", "--", "uptime"],
    options: { sandbox: "hosts", stack: "a", config: "my fleet.yaml" },
  };
  const filled = (step: Step): Step => withSteps({ step }, typed).step;

  it("have what leads another command to the same fleet, a word each", () => {
    assert.deepEqual(filled(spot("replace", "a-0")), {
      command: "replace",
      args: ["a-0", "--sandbox=hosts", "--stack=a", "--config=my fleet.yaml"],
    });
    assert.deepEqual(filled(outside("wait", spot("up"))), {
      action: "wait",
      then: { command: "up", args: ["--sandbox=hosts", "--stack=a", "--config=my fleet.yaml"] },
    });
  });

  it("have no option that the command does not take, or that the step has already", () => {
    assert.deepEqual(filled(spot("sandbox", "down")), { command: "sandbox", args: ["down", "--sandbox=hosts"] });
    assert.deepEqual(filled(spot("setup")), { command: "setup", args: ["--config=my fleet.yaml"] });
    const other = spot("recover", "--stack=NEW");
    assert.deepEqual(filled(other), {
      command: "recover",
      args: ["--stack=NEW", "--sandbox=hosts", "--config=my fleet.yaml"],
    });
    assert.deepEqual(filled(filled(other)), filled(other));
  });

  it("are the words that were typed where the same command is to be run again", () => {
    assert.deepEqual(filled(again("--yes")), {
      command: "exec",
      args: ["us-*", "--sandbox", "--stack", "a", "--yes", "--", "uptime"],
    });
    const bare = { command: "up", args: [], options: {} };
    assert.deepEqual(withSteps({ step: outside("log-in", again()) }, bare), {
      step: { action: "log-in", then: { command: "up", args: [] } },
    });
  });

  it("are found at any depth, and nothing else is changed", () => {
    const document = { type: "x", none: null, list: [{ step: "create", error: { step: spot("replace", NODE) } }] };
    assert.deepEqual(withSteps(document, { command: "up", args: [], options: { stack: "b" } }), {
      ...document,
      list: [{ step: "create", error: { step: { command: "replace", args: [NODE, "--stack=b"] } } }],
    });
  });
});

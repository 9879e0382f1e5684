import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { StepThrough } from "../../../../cli/output/step-through";
import type { Terminal } from "../../../../cli/output/console";
import type { Position } from "../../../../automation/verify/runner";
import { checks, type NodeExpectation } from "../../../../fleet/checks";

/** What is shown before a check. */
function shown(position: Position): string {
  const stream = (): PassThrough & { isTTY: boolean } => Object.assign(new PassThrough(), { isTTY: false });
  const terminal = { stdin: stream(), stdout: stream(), stderr: stream(), env: {} } as unknown as Terminal;
  const person = new StepThrough(terminal, (name) => `log in on ${name}`);
  const ref = { name: "us-west-2-0", region: "us-west-2", instanceId: "i-0a" };
  const check = checks.find(({ id }) => id === "B3") ?? assert.fail("no check");
  person.before(ref, check, {} as NodeExpectation, position);
  person.close();
  return String((terminal.stdout as unknown as PassThrough).read());
}

describe("the list, one at a time", () => {
  const check = { number: 3, of: 48 };

  it("says before each check how far it has come", () =>
    assert.match(shown({ check, node: { number: 1, of: 1 } }), /^3 of 48\nB3 login and sudo\n {2}node: /m));

  it("says of which node, where there are several", () =>
    assert.match(shown({ check, node: { number: 2, of: 5 } }), /^3 of 48, us-west-2-0 \(node 2 of 5\)\nB3 login/m));
});

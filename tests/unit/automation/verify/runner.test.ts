import assert from "node:assert/strict";
import { verificationReport } from "../../../../automation/verify/report";
import {
  verify,
  wavesOf,
  type NextStep,
  type VerifyOptions,
  type VerifyTarget,
} from "../../../../automation/verify/runner";
import { selectChecks, selectNames } from "../../../../automation/verify/select";
import { combined } from "../../../../automation/verify/scope";
import type { CheckResult } from "../../../../automation/verify/result";
import { ConnectError } from "../../../../automation/ssh/connect";
import type { CommandResult } from "../../../../automation/ssh/connection";
import { checks, type Check, type InstanceFacts, type NodeCheck, type NodeExpectation } from "../../../../fleet/checks";
import { diagnose, type DiagnosisStep } from "../../../../fleet/checks/diagnosis";
import { NODE, spot } from "../../../../fleet/steps";
import { isSpotError, SpotError } from "../../../../fleet/errors";

const expectation = {
  name: "us-west-2-0",
  username: "ubuntu",
  units: { installed: {}, enabled: [], workloads: [] },
} as unknown as NodeExpectation;

const onNode = (id: string, needs: string[] = [], more: Partial<Omit<NodeCheck, "next" | "step">> = {}): Check => ({
  id,
  title: id,
  phase: "files",
  where: "node",
  needs,
  severity: "fail",
  deadlineMs: 1_000,
  cause: `why ${id}`,
  next: `do ${id} to NODE`,
  step: spot(id, NODE),
  command: () => `run ${id}`,
  judge: ({ stdout }) => ({ ok: stdout === "good", pending: stdout === "soon", expected: "good", actual: stdout }),
  ...more,
});

type Script = Record<string, string | Error | (() => string | Error | Promise<string>)>;

/** A node whose commands answer by script ("good" when it says nothing), on a clock that only sleeping moves. */
function scripted(script: Script, more: Partial<VerifyTarget> = {}) {
  const ran: string[] = [];
  let connections = 0;
  let closed = 0;
  let now = 0;
  const deadlines: number[] = [];
  const clock = { now: () => now, sleep: (ms: number) => Promise.resolve(void (now += ms)) };
  const connection = {
    isOpen: true,
    async run(command: string, { deadlineMs }: { deadlineMs: number }): Promise<CommandResult> {
      const id = command.replace("run ", "");
      ran.push(id);
      deadlines.push(deadlineMs);
      const given = script[id] ?? "good";
      const answer = typeof given === "function" ? await given() : given;
      if (answer instanceof Error) throw answer;
      return { code: 0, stdout: answer, stderr: "" };
    },
    close: () => Promise.resolve(void (closed += 1)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const target: VerifyTarget = {
    ref: { name: "us-west-2-0", region: "us-west-2", instanceId: "i-0a", address: "198.18.0.2" },
    expectation,
    cloud: {},
    connect: () => {
      connections += 1;
      return Promise.resolve(connection);
    },
    ...more,
  };
  const run = async (list: Check[], options: Partial<VerifyOptions> = {}) => {
    const whole = await verify([target], { checks: list, clock, ...options });
    const { nodes, isVerified } = whole;
    assert.ok(nodes[0]);
    return {
      node: nodes[0],
      isVerified,
      whole,
      of: (id: string): CheckResult => nodes[0]?.results.find((r) => r.id === id) ?? assert.fail(id),
    };
  };
  return {
    run,
    target,
    ran,
    deadlines,
    connection,
    counts: () => ({ connections, closed }),
    advance: (ms: number) => (now += ms),
  };
}

describe("running the check list", () => {
  it("runs all over one connection, closes it, and calls the node verified", async () => {
    const node = scripted({});
    const { isVerified, node: result } = await node.run([onNode("X1"), onNode("X2", ["X1"]), onNode("X3", ["X1"])]);
    assert.equal(isVerified, true);
    assert.deepEqual(node.ran.sort(), ["X1", "X2", "X3"]);
    assert.deepEqual(node.counts(), { connections: 1, closed: 1 });
    assert.deepEqual(
      result.results.map(({ id, status }) => `${id} ${status}`),
      ["X1 ok", "X2 ok", "X3 ok"],
    );
  });

  it("advises `up` where what fails compares with files that the node was not made of", async () => {
    const list = [onNode("X1", [], { ofDesired: true }), onNode("X2")];
    for (const [isAsDesired, taken] of [
      [false, spot("up")],
      [true, spot("X1", "us-west-2-0")],
    ] as const) {
      const node = scripted({ X1: "bad", X2: "bad" }, { expectation: { ...expectation, isAsDesired } });
      const { of } = await node.run(list);
      assert.deepEqual(of("X1").step, taken);
      assert.deepEqual(of("X2").step, spot("X2", "us-west-2-0"));
    }
  });

  it("skips what needs a failed check, names the one at the root, and runs the rest", async () => {
    const node = scripted({ X1: "bad" });
    const { isVerified, of } = await node.run([onNode("X1"), onNode("X2", ["X1"]), onNode("X3", ["X2"]), onNode("X4")]);
    assert.equal(isVerified, false);
    assert.deepEqual(
      [of("X2"), of("X3")].map(({ status, because }) => [status, because]),
      [
        ["skipped", "X1"],
        ["skipped", "X1"],
      ],
    );
    assert.equal(of("X4").status, "ok");
    assert.deepEqual(node.ran.sort(), ["X1", "X4"]);
  });

  it("tells what was run, expected and found, the cause and what to do", async () => {
    const { of } = await scripted({ X1: "bad" }).run([onNode("X1")]);
    assert.deepEqual(
      { ...of("X1"), milliseconds: 0 },
      {
        id: "X1",
        title: "X1",
        phase: "files",
        status: "failed",
        command: "run X1",
        expected: "good",
        actual: "bad",
        cause: "why X1",
        next: "do X1 to us-west-2-0",
        step: { command: "X1", args: ["us-west-2-0"] },
        milliseconds: 0,
      },
    );
  });

  it("a warning neither fails the node nor stops what needs it", async () => {
    const { isVerified, of } = await scripted({ X1: "bad" }).run([
      onNode("X1", [], { severity: "warn" }),
      onNode("X2", ["X1"]),
    ]);
    assert.equal(of("X1").status, "warning");
    assert.equal(of("X2").status, "ok");
    assert.equal(isVerified, true);
  });

  it("looks again at what is pending until it holds", async () => {
    const answers = ["soon", "soon", "good"];
    const node = scripted({ X1: () => answers.shift() ?? "good" });
    const { of } = await node.run([onNode("X1", [], { patienceMs: 10_000 })]);
    assert.equal(of("X1").status, "ok");
    assert.equal(node.ran.length, 3);
  });

  it("gives up on pending after its patience, and at once on what is final", async () => {
    const pending = scripted({ X1: "soon" });
    assert.equal((await pending.run([onNode("X1", [], { patienceMs: 3_000 })])).of("X1").status, "failed");
    assert.equal(pending.ran.length, 4);
    const final = scripted({ X1: "bad" });
    await final.run([onNode("X1", [], { patienceMs: 3_000 })]);
    assert.equal(final.ran.length, 1);
  });

  it("a command that does not end fails its own check only", async () => {
    const { of } = await scripted({ X1: new SpotError("E_SSH", "did not end within 1 s") }).run([
      onNode("X1"),
      onNode("X2"),
    ]);
    assert.match(of("X1").actual ?? "", /did not end within 1 s/);
    assert.equal(of("X2").status, "ok");
  });

  it("a lost connection fails the check that met it; the others are skipped because of it", async () => {
    const node = scripted({
      X1: () => {
        node.connection.isOpen = false;
        return Promise.reject(new SpotError("E_SSH", "The connection was lost."));
      },
    });
    const { of } = await node.run([onNode("X1"), onNode("X2", [], { needs: ["X0"] }), onNode("X3", ["X1"])], {
      after: () => "next",
    });
    assert.equal(of("X1").status, "failed");
    assert.equal(of("X2").because, "the connection was lost during X1");
  });

  it("gives each command its own deadline, and never more than is left for the node", async () => {
    const node = scripted({ X1: () => (node.advance(1_700), "good") });
    await node.run([onNode("X1"), onNode("X2", ["X1"])], { deadlineMs: 2_000 });
    assert.deepEqual(node.deadlines, [1_000, 300]);
  });

  describe("when the time for the node is over", () => {
    const more = "in time: the node had 2 s, and `verify --deadline` gives it more";

    it("skips what was not begun: the node is not verified, and did not fail", async () => {
      const node = scripted({ X1: () => (node.advance(5_000), "good") });
      const { of, node: result, whole } = await node.run([onNode("X1"), onNode("X2", ["X1"])], { deadlineMs: 2_000 });
      assert.deepEqual([of("X2").status, of("X2").because, node.ran], ["skipped", `not begun ${more}`, ["X1"]]);
      assert.deepEqual([result.isVerified, result.outcome, result.isWhole], [false, "skipped", false]);
      assert.deepEqual(whole.leftOut, ["checks of us-west-2-0 were not finished in time"]);
    });

    it("skips what was running, and what needs it: that it did not end in time is no fault of the node's", async () => {
      const cutOff = () => (node.advance(2_000), Promise.reject(new SpotError("E_SSH", "did not end within 2 s")));
      const node = scripted({ X1: cutOff });
      const { of, node: result } = await node.run([onNode("X1", [], { deadlineMs: 60_000 }), onNode("X2", ["X1"])], {
        deadlineMs: 2_000,
      });
      assert.deepEqual([of("X1").status, of("X1").because], ["skipped", `not finished ${more}`]);
      assert.deepEqual([of("X2").status, of("X2").because], ["skipped", `not begun ${more}`]);
      assert.equal(result.outcome, "skipped");
    });

    it("fails what had all of its own time, and was answered badly", async () => {
      const node = scripted({
        X1: () => (node.advance(1_000), Promise.reject(new SpotError("E_SSH", "did not end within 1 s"))),
        X2: "bad",
      });
      const { of } = await node.run([onNode("X1"), onNode("X2")], { deadlineMs: 2_000 });
      assert.deepEqual([of("X1").status, of("X2").status], ["failed", "failed"]);
    });

    it("skips what may yet come true, and fails it when its own patience is over", async () => {
      const list = [onNode("X1", [], { patienceMs: 10_000 })];
      const { of } = await scripted({ X1: "soon" }).run(list, { deadlineMs: 2_000 });
      assert.deepEqual([of("X1").status, of("X1").because], ["skipped", `not finished ${more}`]);
      assert.equal((await scripted({ X1: "soon" }).run(list, { deadlineMs: 60_000 })).of("X1").status, "failed");
    });

    it("skips a login that had less time than any other, and does not look for its cause", async () => {
      let asked = 0;
      const node = scripted(
        {},
        {
          connect: (deadlineMs) => {
            node.advance(deadlineMs);
            return Promise.reject(new ConnectError("banner", new SpotError("E_SSH", "did not become reachable")));
          },
          diagnose: () => Promise.resolve(((asked += 1), [])),
        },
      );
      const list = checks.filter(({ id }) => /^B[1-3]$/.test(id));
      const { of, node: result } = await node.run(list, { deadlineMs: 2_000 });
      assert.deepEqual(
        ["B1", "B2", "B3"].map((id) => of(id).because),
        [`not finished ${more}`, `not begun ${more}`, `not begun ${more}`],
      );
      assert.deepEqual([result.outcome, asked], ["skipped", 0]);
      assert.equal((await node.run(list)).of("B1").status, "failed", "with all of the time that a login gets");
    });
  });

  describe("what is whole, and what is a part", () => {
    const list = [onNode("X1"), onNode("X2")];
    const whole = { checks: list, nodes: ["us-west-2-0", "us-west-2-1"] };

    it("chosen checks are a part, also where all of them hold", async () => {
      const { node, whole: all } = await scripted({}).run([onNode("X1")], {
        whole: { ...whole, nodes: ["us-west-2-0"] },
      });
      assert.deepEqual([node.outcome, node.isWhole, all.isWhole], ["verified", false, false]);
      assert.deepEqual(all.leftOut, ["1 of 2 checks"]);
    });

    it("a chosen node is whole, and its fleet is not", async () => {
      const { node, whole: all } = await scripted({}).run(list, { whole });
      assert.deepEqual([node.isWhole, all.isWhole, all.isVerified], [true, false, true]);
      assert.deepEqual([all.leftOut, all.notLookedAt], [["1 of 2 nodes"], ["us-west-2-1"]]);
    });

    it("a list that ended early is a part; one that was told to end after its last check is none", async () => {
      const stopping = (at: string) => ({
        after: (_: unknown, { id }: CheckResult) => (id === at ? "quit" : "next") as NextStep,
      });
      const early = await scripted({}).run(list, stopping("X1"));
      assert.deepEqual(
        [early.node.isWhole, early.whole.leftOut],
        [false, ["the run was stopped after X1 of us-west-2-0"]],
      );
      const late = await scripted({}).run(list, stopping("X2"));
      assert.deepEqual([late.node.isWhole, late.whole.leftOut], [true, []]);
    });

    it("so is one of which a person left out a check", async () => {
      const steps: NextStep[] = ["skip-next"];
      const { node, whole: all } = await scripted({}).run(list, { after: () => steps.shift() ?? "next" });
      assert.deepEqual([node.isWhole, all.leftOut], [false, ["checks of us-west-2-0 were left out"]]);
    });

    it("what is skipped because of another check is looked at, as far as it can be", async () => {
      const { node } = await scripted({ X1: "bad" }).run([onNode("X1"), onNode("X2", ["X1"])]);
      assert.equal(node.isWhole, true);
    });
  });

  it("waits for what a check comes after, and runs it however that ends", async () => {
    const node = scripted({ X1: "bad" });
    const { of } = await node.run([onNode("X1"), onNode("X2", [], { after: ["X1"] })]);
    assert.deepEqual([node.ran, of("X2").status], [["X1", "X2"], "ok"]);
  });

  it("a check that fails stands in the way of what it says, and of nothing else", async () => {
    const judge = () => ({ ok: false, expected: "", actual: "", blocks: ["one"] });
    const { of } = await scripted({}).run([
      onNode("X1", [], { judge }),
      onNode("X2", ["X1"], { about: "one" }),
      onNode("X3", ["X1"], { about: "two" }),
      onNode("X4", ["X1"]),
      onNode("X5", ["X2"]),
    ]);
    assert.deepEqual(
      ["X2", "X3", "X4", "X5"].map((id) => of(id).because ?? of(id).status),
      ["X1", "ok", "ok", "X1"],
    );
  });

  it("tells before each check how far it has come, of the list and of the nodes", async () => {
    const told: string[] = [];
    const [one, two] = [scripted({}).target, scripted({}).target];
    await verify([one, { ...two, ref: { ...two.ref, name: "us-west-2-1" } }], {
      checks: [onNode("X1"), onNode("X2", [], { applies: () => false }), onNode("X3")],
      after: () => "next",
      before: ({ name }, { id }, _, { check, node }) =>
        told.push(`${name} ${id}: ${check.number} of ${check.of}, ${node.number} of ${node.of}`),
    });
    assert.deepEqual(told, [
      "us-west-2-0 X1: 1 of 2, 1 of 2",
      "us-west-2-0 X3: 2 of 2, 1 of 2",
      "us-west-2-1 X1: 1 of 2, 2 of 2",
      "us-west-2-1 X3: 2 of 2, 2 of 2",
    ]);
  });

  it("never connects when the cloud already says no", async () => {
    const node = scripted({}, { cloud: { account: "123456789012" } });
    const { of } = await node.run(selectChecks({ only: "B3" }));
    assert.equal(of("A2").status, "failed");
    assert.equal(of("B3").because, "A2");
    assert.equal(node.counts().connections, 0);
  });

  for (const [stage, failing, cause] of [
    ["banner", "B1", "nothing listens"],
    ["host-key", "B2", "not the one that the node made"],
    ["login", "B3", "refuses the login"],
  ] as const) {
    it(`a connection that failed at its ${stage} fails ${failing} and skips what follows`, async () => {
      const error = new ConnectError(stage, new SpotError("E_SSH", cause));
      const node = scripted({}, { connect: () => Promise.reject(error) });
      const list = checks.filter(({ id }) => /^(B[1-3]|C1)$/.test(id));
      const { of } = await node.run(list);
      assert.equal(of(failing).status, "failed");
      assert.match(of(failing).actual ?? "", new RegExp(cause));
      assert.equal(of("C1").because, failing);
    });
  }

  describe("where AWS does not answer", () => {
    const unanswered = "DescribeInstances in us-west-2 failed: RequestLimitExceeded: Request limit exceeded.";
    const cloud = { account: "123456789012", unanswered };
    const list = checks.filter(({ id }) => /^(A\d|B[1-3])$/.test(id));
    const here = { ...expectation, sshFrom: [], market: "spot" as const };
    const told = { "sudo -n true && id -un": "ubuntu" };

    it("proves the node as far as it can be proven, and calls it unknown: neither verified nor failed", async () => {
      const node = scripted(told, { cloud, expectation: here });
      const { of, isVerified, node: result } = await node.run(list);
      assert.deepEqual(
        ["A1", "A2", "A3", "A4", "A5", "A6"].map((id) => of(id).status),
        ["ok", "unknown", "unknown", "unknown", "unknown", "unknown"],
      );
      assert.deepEqual(
        [of("A2").cause, of("A2").next],
        [unanswered, "It passes by itself: run the command again, finished work is kept."],
      );
      assert.deepEqual(
        ["B1", "B2", "B3"].map((id) => of(id).status),
        ["ok", "ok", "ok"],
      );
      assert.deepEqual([isVerified, result.isVerified, result.outcome], [false, false, "unknown"]);
    });

    it("what fails on the node itself fails it all the same", async () => {
      const { of, node: result } = await scripted({ ...told, X1: "bad" }, { cloud, expectation: here }).run([
        ...list,
        onNode("X1", ["B3"]),
      ]);
      assert.deepEqual([of("A2").status, of("X1").status, result.outcome], ["unknown", "failed", "failed"]);
    });

    for (const [stage, id] of [
      ["banner", "B1"],
      ["host-key", "B2"],
      ["login", "B3"],
    ] as const) {
      it(`a connection to the recorded address that ends at its ${stage} is unknown, too: it may be another machine's by now`, async () => {
        const diagnosis: DiagnosisStep[] = [{ subject: "banner", state: "problem", evidence: "silence" }];
        const node = scripted(
          {},
          {
            cloud,
            expectation: here,
            connect: () => Promise.reject(new ConnectError(stage, new SpotError("E_SSH", "no"))),
            diagnose: () => Promise.resolve(diagnosis),
          },
        );
        const { of, node: result } = await node.run([...list, onNode("X1", ["B3"])]);
        assert.equal(of(id).status, "unknown");
        assert.match(
          of(id).cause ?? "",
          /^AWS did not say whether the node is still at the address that is recorded: DescribeInstances in us-west-2 failed/,
        );
        assert.deepEqual(of(id).diagnosis, diagnosis);
        assert.deepEqual([of("X1").status, of("X1").because], ["skipped", id]);
        assert.equal(result.outcome, "unknown");
      });
    }

    it("an instance that AWS says is not there is failed, not unknown", async () => {
      const { node: result } = await scripted({}, { cloud: { account: "123456789012" }, expectation: here }).run(list);
      assert.equal(result.outcome, "failed");
    });
  });

  it("leaves out what does not apply", async () => {
    const { node } = await scripted({}).run([onNode("X1", [], { applies: () => false }), onNode("X2", ["X1"])]);
    assert.deepEqual(
      node.results.map(({ id, status }) => [id, status]),
      [["X2", "ok"]],
    );
  });

  it("stops when told to, and says after which check", async () => {
    const node = scripted({ X2: "bad" });
    const { of } = await node.run([onNode("X1"), onNode("X2"), onNode("X3")], {
      after: (_, { status }) => (status === "ok" ? "next" : "quit"),
    });
    assert.deepEqual(node.ran, ["X1", "X2"]);
    assert.equal(of("X3").because, "the run was stopped after X2 of us-west-2-0");
  });

  it("runs a check again when asked to, and leaves the next one out", async () => {
    const answers = ["bad", "good"];
    const node = scripted({ X1: () => answers.shift() ?? "good" });
    const steps: NextStep[] = ["repeat", "skip-next", "next"];
    const shown: string[] = [];
    const { of } = await node.run([onNode("X1"), onNode("X2"), onNode("X3")], {
      after: (_, { id, status }) => (shown.push(`${id} ${status}`), steps.shift() ?? "next"),
    });
    assert.deepEqual(shown, ["X1 failed", "X1 ok", "X3 ok"]);
    assert.equal(of("X2").because, "it was left out");
  });

  it("runs what needs a check that a person left out", async () => {
    const node = scripted({});
    const { of, isVerified } = await node.run([onNode("X1"), onNode("X2"), onNode("X3", ["X2"])], {
      after: (_, { id }) => (id === "X1" ? "skip-next" : "next"),
    });
    assert.deepEqual(
      ["X1", "X2", "X3"].map((id) => of(id).status),
      ["ok", "skipped", "ok"],
    );
    assert.equal(isVerified, false, "what was left out is not proven");
  });

  it("waits no longer for what is pending than it was told", async () => {
    const node = scripted({ X1: "soon" });
    await node.run([onNode("X1", [], { patienceMs: 10_000 })], { patienceMs: 2_000 });
    assert.equal(node.ran.length, 3);
    await node.run([onNode("X1", [], { patienceMs: 10_000 })], { patienceMs: 0 });
    assert.equal(node.ran.length, 4);
  });

  it("gives a login its time even when nothing is to be waited for, as far as the node's deadline goes", async () => {
    const given: number[] = [];
    const { target, run } = scripted({});
    const { connect } = target;
    target.connect = (deadlineMs) => (given.push(deadlineMs), connect(deadlineMs));
    await run([onNode("X1")], { patienceMs: 0 });
    await run([onNode("X1")], { patienceMs: 0, deadlineMs: 2_000 });
    await run([onNode("X1")]);
    assert.deepEqual(given, [5_000, 2_000, 20_000]);
  });

  it("a verdict can say what it means when it does not hold, and why", async () => {
    const { of, isVerified } = await scripted({}).run([
      onNode("X1", [], { judge: () => ({ ok: false, expected: "", actual: "", severity: "warn", cause: "because" }) }),
    ]);
    assert.deepEqual([of("X1").status, of("X1").cause, isVerified], ["warning", "because", true]);
  });

  it("diagnoses a connection that failed, once, and names the first thing that is wrong", async () => {
    let asked = 0;
    const diagnose = (): Promise<DiagnosisStep[]> => {
      asked += 1;
      return Promise.resolve([{ subject: "route", state: "problem", evidence: "none" }]);
    };
    const node = scripted(
      {},
      {
        connect: () => Promise.reject(new ConnectError("banner", new SpotError("E_SSH", "nothing listens"))),
        diagnose,
      },
    );
    const { of } = await node.run(checks.filter(({ id }) => /^B[1-3]$/.test(id)));
    assert.equal(asked, 1);
    assert.deepEqual([of("B1").cause, of("B1").diagnosis?.length, of("B3").because], ["route: none", 1, "B1"]);
  });

  describe("when no group admits the address that a web service saw", () => {
    const list = checks.filter(({ id }) => /^(A4|B[1-3])$/.test(id));
    const cloud = {
      caller: { cidr: "203.0.113.9/32", isCertain: false },
      groups: { value: [{ id: "sg-1", isOwn: false, ingress: [] }] },
    };

    it("SSH that comes through all the same is proof enough", async () => {
      const { of, isVerified } = await scripted(
        { "sudo -n true && id -un": "ubuntu" },
        { cloud, expectation: { ...expectation, sshFrom: [] } },
      ).run(list);
      assert.deepEqual(
        ["A4", "B1", "B2", "B3"].map((id) => of(id).status),
        ["warning", "ok", "ok", "ok"],
      );
      assert.equal(isVerified, true);
    });

    it("SSH that does not come through is the failure, with that as its cause and `allow-me` as what to do", async () => {
      const failure = { stage: "banner", failure: "no answer", console: { failure: "not asked" } } as const;
      const node = scripted(
        {},
        {
          cloud,
          expectation: { ...expectation, sshFrom: [], mayAdmitCallers: true },
          connect: () => Promise.reject(new ConnectError("banner", new SpotError("E_SSH", "no answer"))),
          diagnose: () =>
            Promise.resolve(
              diagnose({ ...failure, cloud: { ...cloud, instance: { state: "running" } as InstanceFacts } }),
            ),
        },
      );
      const { of } = await node.run(list);
      assert.deepEqual(
        ["A4", "B1", "B2", "B3"].map((id) => of(id).status),
        ["warning", "failed", "skipped", "skipped"],
      );
      assert.match(of("B1").cause ?? "", /^security group: no group admits SSH from 203\.0\.113\.9/);
      assert.match(of("B1").next ?? "", /allow-me/);
    });
  });

  it("compares between all nodes, also with those that came later", async () => {
    const target = (name: string, value: string): VerifyTarget => ({
      ...scripted({ X1: value }).target,
      ref: { name, region: "us-west-2", instanceId: `i-${name}` },
    });
    const compared: Check = {
      ...onNode("X1"),
      where: "fleet",
      valueOf: ({ stdout }) => stdout,
      judge: (value, others) => ({
        ok: ![...others.values()].includes(value ?? ""),
        expected: "",
        actual: [...others.keys()].join(),
      }),
    };
    const seen: string[] = [];
    const { nodes, isVerified } = await verify([target("a", "1"), target("b", "2"), target("c", "1")], {
      checks: [compared],
      concurrency: 1,
      onResult: ({ name }, { status }) => seen.push(`${name} ${status}`),
    });
    assert.deepEqual(
      nodes.map(({ results }) => results[0]?.status),
      ["failed", "ok", "failed"],
    );
    assert.equal(isVerified, false);
    assert.ok(seen.includes("a failed"));
  });

  it("stops the whole run, not one node alone", async () => {
    const first = scripted({ X1: "bad" });
    const second = scripted({});
    const { nodes } = await verify(
      [first.target, { ...second.target, ref: { ...second.target.ref, name: "us-west-2-1" } }],
      { checks: [onNode("X1")], after: () => "quit" },
    );
    assert.deepEqual(second.ran, []);
    assert.equal(nodes[1]?.results[0]?.because, "the run was stopped after X1 of us-west-2-0");
  });

  it("shows no secret", async () => {
    const seen: CheckResult[] = [];
    const { of } = await scripted({ X1: "the token is hunter22" }).run(
      [onNode("X1", [], { command: () => "run X1" })],
      {
        secrets: ["hunter22", ""],
        onResult: (_, result) => seen.push(result),
      },
    );
    assert.equal(of("X1").actual, "the token is ***");
    assert.ok(!JSON.stringify(seen).includes("hunter22"));
  });

  it("keeps the journals of a check that does not hold, without secrets", async () => {
    const journals = [{ unit: "a.service", lines: ["said hunter22"] }];
    const judged = async (ok: boolean, of: typeof journals) => {
      const check = onNode("X1", [], { judge: () => ({ ok, expected: "", actual: "", journals: of }) });
      return (await scripted({}).run([check], { secrets: ["hunter22"] })).of("X1").journals;
    };
    assert.deepEqual(await judged(false, journals), [{ unit: "a.service", lines: ["said ***"] }]);
    assert.equal(await judged(false, []), undefined);
    assert.equal(await judged(true, journals), undefined);
  });

  it("no nodes is not verified", async () => {
    assert.equal((await verify([], { checks: [] })).isVerified, false);
  });

  it("makes a report that counts", async () => {
    const { node } = await scripted({ X1: "bad" }).run([onNode("X1"), onNode("X2", ["X1"]), onNode("X3")]);
    const { node: other } = await scripted({}, { cloud: { account: "1", unanswered: "denied" } }).run(
      selectChecks({ only: "A2" }),
    );
    const report = verificationReport(combined([node, other], { fleet: [node.node, "us-west-2-1"] }), {
      stack: "dev",
      at: new Date(0),
    });
    assert.deepEqual(report.summary, {
      nodes: 2,
      verified: 0,
      failed: 1,
      unknown: 1,
      notLookedAt: 1,
      checks: { ok: 2, failed: 1, unknown: 1, warning: 0, info: 0, skipped: 1 },
    });
    assert.equal(report.at, "1970-01-01T00:00:00.000Z");
  });
});

describe("choosing checks", () => {
  const ids = (only?: string): string[] => selectChecks({ only }).map(({ id }) => id);
  it("takes all by default", () =>
    assert.deepEqual(
      ids(),
      checks.map(({ id }) => id),
    ));
  it("adds what the chosen ones need, in the list's order", () =>
    assert.deepEqual(ids("d1"), ["A1", "A2", "A3", "A4", "B1", "B2", "B3", "C1", "D1"]));
  it("takes phases, and what both ask for", () => {
    assert.ok(selectChecks({ phase: "files" }).some(({ id }) => id === "D6"));
    assert.deepEqual(
      selectChecks({ phase: "cloud", only: "A1,D*" }).map(({ id }) => id),
      ["A1"],
    );
    assert.throws(
      () => selectChecks({ phase: "cloud", only: "D*" }),
      (error: unknown) => isSpotError(error) && error.code === "E_USAGE",
    );
  });
  it("knows patterns", () => {
    assert.deepEqual(selectNames("D2,E*", ["D1", "D2", "E1", "E2"], "check"), ["D2", "E1", "E2"]);
    assert.deepEqual(selectNames("us-*", ["eu-west-1-0", "us-west-2-0"], "node"), ["us-west-2-0"]);
  });
  for (const wrong of ["Z9", "D2,Z*", "", " , "]) {
    it(`refuses "${wrong}", which chooses nothing`, () =>
      assert.throws(
        () => selectChecks({ only: wrong }),
        (error: unknown) => isSpotError(error) && error.code === "E_USAGE",
      ));
  }
  for (const [what, choose, next] of [
    ["a node", () => selectNames("us-wst-*", ["us-west-2-0"], "node"), /Run `list`/],
    ["no node", () => selectNames(" , ", ["us-west-2-0"], "node"), /Run `list`/],
    ["a check", () => selectChecks({ only: "Z9" }), /Run `verify --list`/],
    ["a phase", () => selectChecks({ phase: "clouds" }), /Run `verify --list`/],
    ["a check of another phase", () => selectChecks({ phase: "cloud", only: "D*" }), /Run `verify --list`/],
  ] as const) {
    it(`says which command shows what there is, where ${what} is named that there is not`, () => {
      assert.throws(choose, (error: unknown) => isSpotError(error) && next.test(error.next));
    });
  }
  it("puts what is independent into one wave", () => {
    const waves = wavesOf([
      onNode("X1"),
      onNode("X2", ["X1"]),
      onNode("X3", ["gone"]),
      onNode("X4", ["X2", "X1"]),
      onNode("X5", ["X1"], { after: ["X4"] }),
    ]);
    assert.deepEqual(
      waves.map((wave) => wave.map(({ id }) => id)),
      [["X1", "X3"], ["X2"], ["X4"], ["X5"]],
    );
  });
});

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { readStackSettings } from "../../../../../automation/engine/stack-config";
import { NETWORK_TYPE, nodeUrns } from "../../../../../automation/engine/state";
import type { FleetAccess } from "../../../../../automation/operations/nodes/fleet-access";
import type { NewNode, Provisioner } from "../../../../../automation/operations/nodes/provisioner";
import type { Offers } from "../../../../../cloud/offerings/offers";
import { writePins } from "../../../../../automation/operations/plan/prepare-stack";
import { begun, type UpRun } from "../../../../../automation/operations/up/progress";
import { repair } from "../../../../../automation/operations/up/repair";
import { carryOut } from "../../../../../automation/operations/up/run";
import { verificationOf } from "../../../../../automation/operations/up/verification";
import type { NodeVerification } from "../../../../../automation/verify/result";
import { errorInfo, SpotError } from "../../../../../fleet/errors";
import type { NodePin } from "../../../../../fleet/model";
import type { NodeChange } from "../../../../../fleet/plan/changes";
import { otherStep, pinOf, poolIn, recorded, REGION, ScriptedRun, STACK, type EngineDoes } from "./scripted-run";

const NODES = ["us-west-2-0", "us-west-2-1", "us-west-2-2"];
const [FIRST = "", SECOND = "", THIRD = ""] = NODES;
const OLD = pinOf("ami-old");
const NEW = pinOf("ami-new");
const NO_CAPACITY = "InsufficientInstanceCapacity: no room";
const of = <T>(names: readonly string[], value: T): Record<string, T> =>
  Object.fromEntries(names.map((name) => [name, value]));
const urnsOf = (...names: string[]): string[] => names.map((name) => recorded(name, OLD).urn);
const makes = (name: string): EngineDoes => ({ makes: [recorded(name, NEW, `i-new-${name}`)] });

describe("a run of `up`", () => {
  it("replaces node after node, each by a launch of its own, and gives the engine nothing else", async () => {
    using scripted = new ScriptedRun([makes(FIRST), makes(SECOND), makes(THIRD)], {
      nodes: NODES.map((name) => recorded(name, OLD)),
      wanted: of(NODES, NEW),
      count: 3,
    });
    const result = await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, [
      { target: urnsOf(FIRST) },
      { target: urnsOf(SECOND) },
      { target: urnsOf(THIRD) },
    ]);
    assert.deepEqual(
      scripted.ended,
      NODES.map((name) => `i-${name}`),
    );
    assert.deepEqual([result.untouched, result.failures], [[], []]);
  });

  it("counts a node for which no place could even be planned, unless the run is about others", async () => {
    const given = { nodes: [recorded(FIRST, OLD)], wanted: of([FIRST], OLD), count: 2 };
    const part = { replace: "broken" } as const;
    for (const [request, wanted] of [[{}, [FIRST, SECOND]] as const, [{ part }, [FIRST]] as const]) {
      using scripted = new ScriptedRun([], { ...given, request });
      const result = await carryOut(scripted.run);
      assert.deepEqual(result.wanted, wanted);
      const { outcome, notLookedAt } = verificationOf(scripted.run, begun(scripted.run.plan, []));
      assert.deepEqual([outcome, notLookedAt], ["failed", wanted]);
    }
  });

  it("replaces a node in another market by the instance that takes its place, in one step", async () => {
    const onDemand = { ...OLD, pool: { ...OLD.pool, market: "on-demand" as const } };
    using scripted = new ScriptedRun([{ makes: [recorded(FIRST, onDemand, "i-new")] }], {
      nodes: [recorded(FIRST, OLD)],
      wanted: of([FIRST], onDemand),
      count: 1,
    });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes, [{ target: [...urnsOf(FIRST), ...nodeUrns(STACK, FIRST, "on-demand")] }]);
  });

  it("leaves the rest as it is when the canary fails, with the launches that they were made by", async () => {
    const refused = { refuses: [{ node: FIRST, message: "TagLimitExceeded: no" }] };
    using scripted = new ScriptedRun([refused], {
      nodes: NODES.map((name) => ({ ...recorded(name, OLD), launch: "0123456789abcdef" })),
      wanted: of(NODES, NEW),
      count: 3,
    });
    const result = await carryOut(scripted.run);
    assert.deepEqual(result.untouched, [SECOND, THIRD]);
    assert.equal(result.failures.length, 1);
    assert.deepEqual(scripted.pinsWritten?.launches, of(NODES, "0123456789abcdef"));
  });

  it("makes a node of a batch that turns out to be gone when its turn comes", async () => {
    // It ends while its sister is replaced.
    const meanwhile = { ...makes(FIRST), ends: [SECOND] };
    using scripted = new ScriptedRun([meanwhile, makes(SECOND)], {
      nodes: [FIRST, SECOND].map((name) => recorded(name, OLD)),
      wanted: of([FIRST, SECOND], NEW),
      count: 2,
    });
    await carryOut(scripted.run);
    assert.deepEqual(scripted.scopes.at(-1), { target: nodeUrns(STACK, SECOND, "spot") });
  });

  it("moves the node that a pool refused, changes no other, and writes down where it goes", async () => {
    using scripted = new ScriptedRun(
      [
        { ...makes(SECOND), refuses: [{ node: FIRST, message: NO_CAPACITY }] },
        { makes: [recorded(FIRST, pinOf("ami-b", "b"))] },
      ],
      {
        nodes: [],
        wanted: of([FIRST, SECOND], NEW),
        count: 2,
        candidates: [
          { pool: poolIn("a"), ami: "ami-new" },
          { pool: poolIn("b"), ami: "ami-b" },
        ],
      },
    );
    const result = await carryOut(scripted.run);
    assert.deepEqual(scripted.pinsWritten?.nodes, { [FIRST]: pinOf("ami-b", "b"), [SECOND]: NEW });
    assert.deepEqual(
      result.changes.map(({ to }) => to?.generation),
      ["generation of ami-b", "generation of ami-new"],
    );
    assert.deepEqual(
      result.attempts.map(({ node, pool }) => [node, pool]),
      [[FIRST, poolIn("a")]],
    );
    assert.deepEqual(result.failures, []);
    assert.equal(scripted.run.plan.decisions.pins.nodes[FIRST], NEW, "what was decided before is as it was");
  });

  it("brings up what it made as what it was launched as, also a node that was to stay and was lost meanwhile", async () => {
    const refusal = (node: string) => ({ refuses: [{ node, message: NO_CAPACITY }] });
    using scripted = new ScriptedRun(
      [
        { ...refusal(SECOND), ends: [FIRST] },
        { makes: [recorded(SECOND, pinOf("ami-b", "b"))], ...refusal(FIRST) },
        { makes: [recorded(FIRST, pinOf("ami-b", "b"), "i-again")] },
      ],
      {
        nodes: [recorded(FIRST, NEW)],
        wanted: of([FIRST, SECOND], NEW),
        count: 2,
        candidates: [{ pool: poolIn("b"), ami: "ami-b" }],
        request: { wait: false },
      },
    );
    // An instance is brought up once: the first word counts.
    const generations = new Map<string, string>();
    const provisioner = {
      provision: ({ ref, launched }: NewNode) =>
        generations.has(ref.instanceId) || generations.set(ref.instanceId, launched.generation),
      settled: () => Promise.resolve(new Map()),
      release: () => Promise.resolve(),
    } as unknown as Provisioner;
    await carryOut({ ...scripted.run, nodes: { access: {} as FleetAccess, provisioner } });
    assert.equal(generations.get("i-again"), "generation of ami-b");
  });

  it("fails a node that no pool has room for, and says so in the settings", async () => {
    using scripted = new ScriptedRun([{ ...makes(SECOND), refuses: [{ node: FIRST, message: NO_CAPACITY }] }], {
      nodes: [],
      wanted: of([FIRST, SECOND], NEW),
      count: 2,
      candidates: [{ pool: poolIn("a"), ami: "ami-new" }],
    });
    const result = await carryOut(scripted.run);
    assert.deepEqual(
      result.failures.map(({ code }) => code),
      ["E_NO_POOL"],
    );
    assert.deepEqual(Object.keys(scripted.pinsWritten?.nodes ?? {}), [SECOND]);
    assert.match(scripted.pinsWritten?.unplaced[FIRST] ?? "", /only pool there is/);
  });

  it("takes no refused node to a region where something that the configuration names is missing", async () => {
    using scripted = new ScriptedRun([{ refuses: [{ node: FIRST, message: NO_CAPACITY }] }], {
      nodes: [],
      wanted: of([FIRST], NEW),
      count: 1,
      candidates: [{ pool: poolIn("b"), ami: "ami-b" }],
    });
    const { decisions } = scripted.run.plan;
    const asked = new Map([[REGION, errorInfo(new SpotError("E_SSH_KEY", "no key pair"))]]);
    const result = await carryOut({
      ...scripted.run,
      plan: { ...scripted.run.plan, decisions: { ...decisions, asked } },
    });
    assert.deepEqual(
      result.failures.map(({ code }) => code),
      ["E_NO_POOL"],
    );
    assert.equal(scripted.scopes.length, 1);
  });

  it("takes no refused node to a region whose network is to go", async () => {
    const network = { ...otherStep("", "delete"), type: NETWORK_TYPE };
    using scripted = new ScriptedRun([{ refuses: [{ node: FIRST, message: NO_CAPACITY }] }, {}], {
      nodes: [recorded(SECOND, NEW)],
      wanted: of([FIRST, SECOND], NEW),
      count: 2,
      candidates: [{ pool: poolIn("b"), ami: "ami-b" }],
      plans: { others: [network] },
    });
    const result = await carryOut(scripted.run);
    assert.deepEqual(
      result.failures.map(({ code }) => code),
      ["E_NO_POOL"],
    );
  });

  describe("that launches a node and does not see it run", () => {
    const half = { ...recorded(FIRST, NEW, "i-half"), address: undefined };
    const throttled = { leaves: [half], refuses: [{ node: FIRST, message: "RequestLimitExceeded: slow down" }] };

    async function carriedOut(scripted: ScriptedRun) {
      const begun: string[] = [];
      const provisioner = {
        provision: ({ ref, origin }: NewNode) => void begun.push(`${origin} ${ref.instanceId} ${ref.address}`),
        settled: () => Promise.resolve(new Map()),
      } as unknown as Provisioner;
      const run = { ...scripted.run, nodes: { access: {} as FleetAccess, provisioner } };
      return { begun, result: await carryOut(run) };
    }

    it("brings it up as soon as a refresh shows it", async () => {
      const shows = [{ ...half, address: "203.0.113.8" }];
      using scripted = new ScriptedRun([throttled, {}], { nodes: [], wanted: of([FIRST], NEW), count: 1, shows });
      const { begun, result } = await carriedOut(scripted);
      assert.deepEqual(begun, ["created i-half 203.0.113.8"]);
      assert.equal(scripted.told.filter((message) => message === "Created").length, 1);
      assert.deepEqual(result.failures, []);
    });

    it("ends with the failure where nobody can look at it: another round would take it for whole", async () => {
      using scripted = new ScriptedRun([throttled], { nodes: [], wanted: of([FIRST], NEW), count: 1 });
      const { begun, result } = await carriedOut(scripted);
      assert.deepEqual(begun, []);
      assert.deepEqual(
        result.failures.map(({ code, class: failureClass }) => [code, failureClass]),
        [["E_CREATE", "throttle"]],
      );
    });
  });

  it("keeps what it decided when the program breaks off", async () => {
    using scripted = new ScriptedRun([{ refuses: [{ node: FIRST, message: NO_CAPACITY }] }, { programError: "boom" }], {
      nodes: [],
      wanted: of([FIRST], NEW),
      count: 1,
      candidates: [{ pool: poolIn("b"), ami: "ami-b" }],
    });
    await assert.rejects(carryOut(scripted.run), { code: "E_PROGRAM" });
    assert.deepEqual(scripted.pinsWritten?.nodes, { [FIRST]: pinOf("ami-b", "b") });
  });

  it("rolls back what it made, when asked to, and nothing that was there before", async () => {
    const partly = { ...makes(SECOND), refuses: [{ node: THIRD, message: "TagLimitExceeded: no" }] };
    using scripted = new ScriptedRun([partly, { ends: [SECOND] }], {
      nodes: [recorded(FIRST, NEW)],
      wanted: of(NODES, NEW),
      count: 3,
      request: { rollback: true },
    });
    const result = await carryOut(scripted.run);
    assert.deepEqual(result.rolledBack, [SECOND]);
    assert.deepEqual(Object.keys(scripted.pinsWritten?.nodes ?? {}), [FIRST]);
    assert.deepEqual(Object.keys(scripted.pinsWritten?.unplaced ?? {}), [SECOND, THIRD]);
  });

  it("tells what failed first where putting back breaks off, and leaves the settings to its own fleet", async () => {
    const refused = { ...makes(FIRST), refuses: [{ node: SECOND, message: "TagLimitExceeded: no" }] };
    using scripted = new ScriptedRun([refused], {
      nodes: [recorded(FIRST, OLD)],
      wanted: of([FIRST, SECOND], NEW),
      count: 2,
      request: { rollback: true },
    });
    const { run } = scripted;
    const { session, definition, decisions } = run.plan;
    const project = {
      kept: { at: "2026-01-02T03:04:05.678Z", pins: decisions.pins },
      definition: {
        slots: definition.slots,
        get config(): never {
          writePins(session, { ...definition, kept: scripted.keptFleet }, decisions.pins);
          throw new SpotError("E_PROGRAM", "boom");
        },
      },
    } as unknown as NonNullable<UpRun["fallback"]>["project"];
    const { failures, putBack } = await carryOut({ ...run, fallback: { project, nodesFor: () => undefined } });
    assert.deepEqual(
      failures.map(({ code }) => code),
      ["E_CREATE", "E_PROGRAM"],
    );
    assert.deepEqual([putBack?.isDone, putBack?.wanted], [false, [FIRST, SECOND]]);
    assert.deepEqual(putBack?.failed.failures, failures.slice(0, 1));
    assert.match(scripted.told.join("\n"), /boom/);
    assert.equal(readStackSettings(session.stack.configFile).kept, undefined);
  });

  /** Is the fleet kept, to go back to, that a run on one node leaves? */
  async function keepsAfter(
    does: EngineDoes[],
    from: NodePin,
    change: (run: UpRun) => UpRun = (run) => run,
  ): Promise<boolean> {
    using scripted = new ScriptedRun(does, { nodes: [recorded(FIRST, from)], wanted: of([FIRST], NEW), count: 1 });
    await carryOut(change(scripted.run));
    return existsSync(scripted.keptFleet);
  }

  it("keeps the fleet that it leaves well, also where nothing was to be done", async () => {
    assert.ok(await keepsAfter([makes(FIRST)], OLD));
    assert.ok(await keepsAfter([], NEW));
  });

  it("keeps no fleet of which something failed, was left for later or was not looked at", async () => {
    const refused = { refuses: [{ node: FIRST, message: "TagLimitExceeded: no" }] };
    assert.ok(!(await keepsAfter([refused], OLD)));
    assert.ok(!(await keepsAfter([], OLD, (run) => ({ ...run, plan: { ...run.plan, held: [FIRST], changes: [] } }))));
    const part = { nodes: FIRST, replace: "all" } as const;
    assert.ok(!(await keepsAfter([], NEW, (run) => ({ ...run, request: { ...run.request, part } }))));
    const provisioner = {
      provision: () => undefined,
      settled: () => Promise.resolve(new Map()),
      release: () => Promise.resolve(),
    } as unknown as Provisioner;
    const unverified = (run: UpRun): UpRun => ({
      ...run,
      request: { ...run.request, wait: false },
      nodes: { access: {} as FleetAccess, provisioner },
    });
    assert.ok(!(await keepsAfter([], NEW, unverified)));
  });

  it("leaves no older fleet to go back to where the one that it leaves well cannot be kept", async () => {
    using scripted = new ScriptedRun([], { nodes: [recorded(FIRST, NEW)], wanted: of([FIRST], NEW), count: 1 });
    await carryOut(scripted.run);
    assert.ok(existsSync(scripted.keptFleet));
    const { definition } = scripted.run.plan;
    const entry = { path: "files/a", type: "file", mode: "0644", size: 1, sha256: "0".repeat(64) } as const;
    const manifest = { ...definition.payload.manifest, entries: [entry] };
    const sources = new Map([[entry.path, Buffer.from("b")]]);
    const payload = { ...definition.payload, manifest, sources };
    await carryOut({ ...scripted.run, plan: { ...scripted.run.plan, definition: { ...definition, payload } } });
    assert.ok(!existsSync(scripted.keptFleet));
    assert.match(scripted.told.join("\n"), /not kept as one to go back to.*files\/a was changed while/);
  });

  it("is not failed by a fleet that can be neither kept nor forgotten", async () => {
    using scripted = new ScriptedRun([], { nodes: [recorded(FIRST, NEW)], wanted: of([FIRST], NEW), count: 1 });
    const { stack } = scripted.run.plan.session;
    writeFileSync(stack.configFile, "");
    // A folder can neither be made nor removed where a file is.
    Object.assign(stack, { keptFleet: path.join(stack.configFile, "verified") });
    const { failures } = await carryOut(scripted.run);
    assert.deepEqual(failures, []);
    assert.match(scripted.told.join("\n"), /not kept as one to go back to.*\n.*which cannot be removed: ENOTDIR/);
  });

  it("on a part of the fleet touches nothing else, and asks again only for what is left of it", async () => {
    const refused = { refuses: [{ node: FIRST, message: "RequestLimitExceeded: slow down" }] };
    using scripted = new ScriptedRun([refused, makes(FIRST)], {
      nodes: NODES.map((name) => recorded(name, OLD)),
      wanted: of(NODES, OLD),
      count: 3,
      request: { part: { nodes: FIRST, replace: "all" } },
    });
    const [change] = scripted.run.plan.changes;
    assert.ok(change?.kind === "same");
    const asked = { ...change, kind: "replace", reason: "asked for" } as const;
    await carryOut({ ...scripted.run, plan: { ...scripted.run.plan, changes: [asked] } });
    const first = { target: urnsOf(FIRST), replace: urnsOf(FIRST) };
    assert.deepEqual(scripted.scopes, [first, first]);
  });

  it("on a part of the fleet makes first what its nodes depend on, and ends nothing where that fails", async () => {
    const rule = otherStep("rule:Rule", "create");
    const resource = {
      urn: rule.urn,
      type: rule.type,
      name: rule.name,
      region: REGION,
      kind: "create",
      properties: [],
    };
    for (const fails of [false, true]) {
      const refused = { refuses: [{ node: SECOND, message: "TagLimitExceeded: no" }] };
      using scripted = new ScriptedRun(fails ? [refused] : [{}, makes(FIRST)], {
        nodes: [recorded(FIRST, OLD)],
        wanted: of([FIRST], OLD),
        count: 1,
        plans: { others: [rule] },
        request: { part: { nodes: FIRST, replace: "all" } },
      });
      const { plan } = scripted.run;
      const changes = plan.changes.map((change) => ({ ...change, kind: "replace" }) as NodeChange);
      const resources = [resource] as typeof plan.resources;
      const { untouched } = await carryOut({
        ...scripted.run,
        plan: { ...plan, changes, resources, engine: undefined },
      });
      const replaced = { target: urnsOf(FIRST), replace: urnsOf(FIRST) };
      assert.deepEqual(scripted.scopes, [{ target: [rule.urn] }, ...(fails ? [] : [replaced])]);
      assert.deepEqual(untouched, fails ? [FIRST] : []);
    }
  });

  /** A run in a region where an image is missing that the configuration names. */
  function inRegionWithFault({ run }: ScriptedRun): UpRun {
    const error = errorInfo(new SpotError("E_IMAGE", "no such image"));
    const offers = { regionsFor: () => [REGION], of: () => Promise.resolve({ error }) } as unknown as Offers;
    return { ...run, plan: { ...run.plan, decisions: { ...run.plan.decisions, offers } } };
  }

  it("leaves a half-built node as it is where no other one can be made", async () => {
    using scripted = new ScriptedRun([], {
      nodes: [recorded(FIRST, OLD)],
      wanted: of([FIRST], OLD),
      count: 1,
      request: { wait: false },
    });
    const provisioner = {
      provision: () => undefined,
      settled: () => Promise.resolve(new Map([[FIRST, { state: "must-replace", reason: "step units: bad" }]])),
      release: () => Promise.resolve(),
    } as unknown as Provisioner;
    const run = inRegionWithFault(scripted);
    const { failures } = await carryOut({ ...run, nodes: { access: {} as FleetAccess, provisioner } });
    assert.deepEqual(
      failures.map(({ code }) => code),
      ["E_IMAGE"],
    );
    assert.match(scripted.told.join("\n"), /stays as it is, half built, because another one could not be made there/);
  });

  for (const [where, unmade] of [
    ["what the configuration names is not there", false],
    ["what it depends on could not be made", true],
  ] as const)
    it(`repairs no node where ${where}`, async () => {
      using scripted = new ScriptedRun([], {
        nodes: [recorded(FIRST, OLD)],
        wanted: of([FIRST], OLD),
        count: 1,
        request: { part: { replace: "broken" } },
      });
      const rule = { ...otherStep("rule:Rule", "create"), kind: "create", region: REGION, properties: [] };
      const { plan, ...run } = unmade ? scripted.run : inRegionWithFault(scripted);
      const planned = { ...plan, engine: undefined, resources: unmade ? [rule] : [] } as UpRun["plan"];
      const failed = { node: FIRST, outcome: "failed", results: [] } as unknown as NodeVerification;
      const { changes, failures } = await repair(
        { ...run, plan: planned },
        { ...begun(planned, []), verified: new Map([[FIRST, failed]]) },
        [],
      );
      assert.deepEqual(
        changes.map(({ kind }) => kind),
        ["same"],
      );
      assert.deepEqual(
        failures.map(({ code }) => code),
        unmade ? [] : ["E_IMAGE"],
      );
    });

  it("stops at credentials that AWS refuses, and tells of them once", async () => {
    const expired = "ExpiredToken: The security token included in the request is expired";
    using scripted = new ScriptedRun([{ refuses: [FIRST, SECOND].map((node) => ({ node, message: expired })) }], {
      nodes: [recorded(THIRD, OLD)],
      wanted: of(NODES, NEW),
      count: 3,
    });
    const result = await carryOut(scripted.run);
    assert.deepEqual(
      result.failures.map(({ code }) => code),
      ["E_CREDENTIALS"],
    );
    assert.deepEqual(result.untouched, [THIRD]);
  });

  for (const yes of [true, false])
    it(`${yes ? "replaces" : "leaves as it is"} a node that an earlier run left half built, as it is told to`, async () => {
      using scripted = new ScriptedRun(yes ? [makes(FIRST)] : [], {
        nodes: [recorded(FIRST, OLD)],
        wanted: of([FIRST], OLD),
        count: 1,
        request: { wait: false },
      });
      const questions: string[] = [];
      const { session } = scripted.run.plan;
      const asking = {
        ...session,
        target: { ...session.target, kind: "aws" },
        reporter: {
          ...session.reporter,
          confirm: ({ message }: { message: string }) => {
            questions.push(message);
            return Promise.resolve(yes);
          },
        },
      } as typeof session;
      const provisioner = {
        provision: () => undefined,
        settled: () => Promise.resolve(new Map([[FIRST, { state: "must-replace", reason: "step units: bad" }]])),
        release: () => Promise.resolve(),
      } as unknown as Provisioner;
      await carryOut({
        ...scripted.run,
        plan: { ...scripted.run.plan, session: asking },
        nodes: { access: {} as FleetAccess, provisioner },
      });
      assert.deepEqual(questions, ["Account 123456789012, stack scripted: replace or delete 1 of 1 node?"]);
      const replaced = yes ? [{ target: urnsOf(FIRST), replace: urnsOf(FIRST) }] : [];
      assert.deepEqual(scripted.scopes, replaced);
      assert.match(scripted.told.join("\n"), yes ? /is replaced: step units/ : /stays as it is, half built/);
    });

  for (const kept of [undefined, "verified"])
    it(`${kept ? "puts nodes back" : "begins no roll"} where one that has its payload already does not prove itself`, async () => {
      using scripted = new ScriptedRun([makes(FIRST)], {
        nodes: [recorded(FIRST, OLD), recorded(SECOND, NEW)],
        wanted: of([FIRST, SECOND], NEW),
        count: 2,
        request: { wait: false },
      });
      const { plan } = scripted.run;
      const provisioner = {
        provision: () => undefined,
        settled: () => Promise.resolve(new Map()),
        release: () => Promise.resolve(),
      } as unknown as Provisioner;
      await carryOut({
        ...scripted.run,
        plan: { ...plan, definition: { ...plan.definition, kept } },
        nodes: { access: {} as FleetAccess, provisioner },
      });
      assert.deepEqual(scripted.scopes, kept ? [{ target: urnsOf(FIRST) }] : []);
    });

  it("takes no node for half built that stays because its region cannot make another", async () => {
    using scripted = new ScriptedRun([], {
      nodes: [recorded(FIRST, OLD)],
      wanted: of([FIRST], OLD),
      count: 1,
      request: { wait: false },
    });
    const found: string[] = [];
    const provisioner = {
      provision: ({ ref }: NewNode) => void found.push(ref.name),
      settled: () => Promise.resolve(new Map()),
      release: () => Promise.resolve(),
    } as unknown as Provisioner;
    const result = await carryOut({
      ...scripted.run,
      plan: { ...scripted.run.plan, held: [FIRST] },
      nodes: { access: {} as FleetAccess, provisioner },
    });
    assert.deepEqual(found, []);
    assert.deepEqual(result.untouched, [FIRST]);
  });
});

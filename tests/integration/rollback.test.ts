import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Instance } from "@aws-sdk/client-ec2";
import { readStackSettings } from "../../automation/engine/stack-config";
import { Tag } from "../../fleet/model";
import type { FaultRule } from "../../sandbox/gateway/faults";
import { CleanUp } from "../support/clean-up";
import { FIRST_RUN_MS, HELD, until } from "../support/sandbox";
import { Workbench, type Outcome } from "../support/workbench";

const REGION = "us-west-2";
const COUNTS = { [REGION]: 3 };
const REFUSED = { error: { code: "InvalidParameterValue", status: 400 } };

interface Result {
  rolledBack: string[];
  rollback?: { putBack: string[]; done: boolean };
  failures: { message: string }[];
}

function resultOf({ stdout, stderr }: Outcome): Result {
  const line = stdout.split("\n").find((text) => text.startsWith('{"type":"result"'));
  assert.ok(line, stdout + stderr);
  return JSON.parse(line) as Result;
}

describe("`up --rollback-on-failure` of a roll", function () {
  this.timeout(FIRST_RUN_MS * 2);
  const cleanUp = new CleanUp();
  let bench: Workbench;
  after(() => cleanUp.run());

  const files = () => path.join(bench.dir, "files");
  const put = (text: string): void => writeFileSync(path.join(files(), "hello.txt"), text);
  const configured = (counts: Record<string, number>, aws: string[] = [], region: string[] = []): void =>
    bench.config(counts, { aws: ["files_directory: files", ...aws], region });
  const fault = (...rules: Omit<FaultRule, "when">[]) =>
    bench.control(
      "POST",
      "faults",
      rules.map((rule) => ({ when: "before", ...rule })),
    );
  const calm = () => bench.control("DELETE", "faults");
  const ids = async () => Object.fromEntries((await bench.nodes()).map(({ name, instanceId }) => [name, instanceId]));
  /** Where the fleet is kept that was verified last. */
  const kept = () => path.join(bench.home, "backend/.spot-deployer", bench.stack, "verified");

  before(async () => {
    bench = cleanUp.use(new Workbench());
    mkdirSync(files());
    asBefore();
    const { code, stderr } = await bench.spot(["up"]);
    assert.equal(code, 9, stderr);
  });

  function asBefore(): void {
    put("old\n");
    configured(COUNTS);
  }

  /** Another payload, machine type and tag, and a node in another region, which is made before the roll begins. */
  function changed(): void {
    put("new\n");
    configured({ ...COUNTS, "us-east-1": 1 }, ["tags: {team: blue}"], ["machine_type: t3a.medium"]);
  }

  /** What tells of each node's content and tags, by node name. */
  async function made(): Promise<Record<string, Record<string, string | undefined>>> {
    const tagsOf = ({ Tags = [] }: Instance) => Object.fromEntries(Tags.map(({ Key, Value }) => [Key!, Value]));
    const { instances } = await bench.live();
    return Object.fromEntries(
      instances.map((instance) => {
        const { [Tag.generation]: generation, ...tags } = tagsOf(instance);
        // Behind the generation is the launch, which is another one for each instance.
        const made = generation?.replace(/-[0-9a-f]{16}$/, "");
        const { ImageId: ami, InstanceType: type, Placement } = instance;
        return [tags[Tag.node] ?? "", { ...tags, made, ami, type, zone: Placement?.AvailabilityZone }];
      }),
    );
  }

  async function planned(): Promise<string[]> {
    const { stdout } = await bench.spot(["preview", "--json"]);
    const { changes, resources } = JSON.parse(stdout) as { changes: { kind: string }[]; resources: { kind: string }[] };
    return [...changes, ...resources].map(({ kind }) => kind).filter((kind) => kind !== "same");
  }

  it("keeps what the fleet was made of, for its owner's eyes only", () => {
    const modes = (folder: string): string[] =>
      readdirSync(folder).map((name) => (statSync(path.join(folder, name)).mode & 0o777).toString(8));
    assert.equal(statSync(kept()).mode & 0o777, 0o700);
    assert.deepEqual(modes(kept()).sort(), ["600", "700"]);
    assert.deepEqual([...new Set(modes(path.join(kept(), "content")))], ["600"]);
    const { configText } = JSON.parse(readFileSync(path.join(kept(), "fleet.json"), "utf8")) as { configText: string };
    assert.equal(configText, readFileSync(bench.configFile, "utf8"));
  });

  for (const [which, nth] of [
    ["the canary", 1],
    ["a node of a later batch", 2],
  ] as const)
    it(`puts everything back as it was when ${which} cannot be made`, async () => {
      const [before, first] = [await made(), await ids()];
      changed();
      await fault({ action: "RunInstances", region: REGION, nth, effect: REFUSED });
      const outcome = await bench.spot(["up", "--json", "--rollback-on-failure"]);
      const result = resultOf(outcome);
      assert.equal(outcome.code, 4, outcome.stdout);
      assert.match(result.failures[0]?.message ?? "", /InvalidParameterValue/);
      assert.deepEqual(result.rolledBack, ["us-east-1-0"]);
      const putBack = nth === 1 ? [`${REGION}-0`] : [`${REGION}-0`, `${REGION}-1`];
      assert.deepEqual([result.rollback?.done, result.rollback?.putBack], [true, putBack]);
      assert.deepEqual(await made(), before);
      const last = await ids();
      assert.equal((await bench.live()).vpcs.length, 1, "the network of what was added goes with it");
      assert.equal(last[`${REGION}-2`], first[`${REGION}-2`], "whose turn had not come is the instance that it was");
      const again = await planned();
      assert.ok(again.includes("replace") && again.includes("create"), `the next \`up\` tries again: ${again.join()}`);
      assert.equal(readStackSettings(bench.stackFile).kept, undefined);
      asBefore();
      assert.deepEqual(await planned(), []);
      await calm();
    });

  it("leaves a fleet that the next `up` goes on with when it is interrupted while it puts back", async () => {
    put("new\n");
    await fault({ action: "RunInstances", nth: 1, effect: REFUSED }, { action: "RunInstances", nth: 2, effect: HELD });
    const run = bench.start(["up", "--rollback-on-failure"]);
    await run.printed(/rolling back: the fleet is put back/);
    await until("a node that is put back is held", async () =>
      (await bench.control<{ hit: number }[]>("GET", "faults")).every(({ hit }) => hit > 0),
    );
    run.child.kill("SIGINT");
    await run.printed(/interrupt again to stop at once/);
    await calm();
    const { code, stdout, stderr } = await run.done;
    assert.equal(code, 130, stdout + stderr);
    assert.match(stdout, /Run `up` again: it tries the failed change anew\.\nTo have the former fleet, put the former/);
    const next = await bench.spot(["up"]);
    assert.equal(next.code, 9, next.stderr);
    assert.deepEqual(await planned(), []);
  });

  it("is refused before anything changes where nothing is kept, until an `up` has kept it", async () => {
    rmSync(kept(), { recursive: true });
    const before = await ids();
    put("newer\n");
    const refused = await bench.spot(["up", "--rollback-on-failure"]);
    assert.equal(refused.code, 2, refused.stdout);
    assert.match(refused.stderr, /E_NOT_KEPT/);
    assert.deepEqual(await ids(), before);
    put("new\n");
    assert.equal((await bench.spot(["up", "--rollback-on-failure"])).code, 9, "what changes nothing needs nothing");
    assert.ok(readdirSync(kept()).includes("fleet.json"));
    put("newer\n");
    const rolled = await bench.spot(["up", "--rollback-on-failure"]);
    assert.equal(rolled.code, 9, rolled.stderr);
    assert.equal((await bench.spot(["down"])).code, 0);
    assert.equal(existsSync(kept()), false, "it is forgotten with the stack");
  });
});

import { AttachVolumeCommand, CreateVolumeCommand, DescribeVolumesCommand, EC2Client } from "@aws-sdk/client-ec2";
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { recordUrn } from "../../automation/engine/state";
import { clientOf, FIRST_RUN_MS, testProvider } from "../support/sandbox";
import { Workbench } from "../support/workbench";

const FIXTURE = path.join(packageRoot(), "tests/fixtures/upgrade");
/** The stack's name is in the recorded tags and URNs. */
const STACK = "upgrade-fixture";
const FLEET_ID = "4f7f9c100243ee30";

interface Resource {
  urn: string;
  id?: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
}
const resourcesOf = (state: string): Resource[] =>
  (JSON.parse(state) as { checkpoint: { latest: { resources: Resource[] } } }).checkpoint.latest.resources;

/** What AWS names anew for every thing that it makes: ids in all their forms, ARNs and addresses. */
const NAMED_BY_AWS = /^(?:[a-z]+-[0-9a-f]{8,}|r-rtb-\w+|arn:.*|(?:\d+\.){3}\d+|ip-.*|ec2-.*)$/;

/** Pairs of what AWS named in one state and in the other, at the same place of the same resource. */
function exchanged(before: unknown, after: unknown): [string, string][] {
  if (typeof before === "string" && typeof after === "string")
    return before !== after && NAMED_BY_AWS.test(before) ? [[before, after]] : [];
  if (typeof before !== "object" || typeof after !== "object" || before === null || after === null) return [];
  return Object.entries(before).flatMap(([key, value]) => exchanged(value, (after as Record<string, unknown>)[key]));
}

/** The recorded state of the fixture, for what exists in AWS now. */
function asRecordedThen(then: string, now: string): string {
  const present = new Map(resourcesOf(now).map((resource) => [resource.urn, resource]));
  const pairs = resourcesOf(then).flatMap(({ urn, id, outputs }) => {
    const same = present.get(urn);
    assert.ok(same, `${urn} is not made any more`);
    return exchanged({ id, outputs }, { id: same.id, outputs: same.outputs });
  });
  // The longest first: an address may begin another one.
  return [...new Map(pairs)]
    .sort(([a], [b]) => b.length - a.length)
    .reduce((text, [before, after]) => text.replaceAll(before, after), then);
}

describe("a fleet that an earlier version recorded", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  const stackFile = path.join(packageRoot(), `Pulumi.${STACK}.yaml`);
  const stateFile = () => path.join(bench.home, "backend/.pulumi/stacks/spot-deployer", `${STACK}.json`);
  const spot = (...args: string[]) =>
    bench.spot(
      [args[0]!, "--sandbox=api", "--stack", STACK, "--config", path.join(bench.dir, "config.yaml"), ...args.slice(1)],
      { plain: true },
    );
  const live = async () => (await bench.live()).instances.map(({ InstanceId }) => InstanceId!).sort();
  const resources = () =>
    Object.fromEntries(
      resourcesOf(readFileSync(stateFile(), "utf8")).flatMap(({ urn, id, inputs }) =>
        id?.includes("-") && urn.includes("aws:") && !urn.includes("pulumi:providers")
          ? [[urn, { id, tags: inputs?.tags }]]
          : [],
      ),
    );
  /** All that no node is. */
  const networkOf = (all: ReturnType<typeof resources>) =>
    Object.fromEntries(Object.entries(all).filter(([urn]) => !urn.includes("aws:ec2/instance:Instance")));
  /** Without what this version has added: the fleet's record, and the provider that the engine has for it. */
  const urns = () =>
    resourcesOf(readFileSync(stateFile(), "utf8"))
      .map(({ urn }) => urn)
      .filter((urn) => urn !== recordUrn(STACK) && !urn.includes("pulumi:providers:pulumi"))
      .sort();

  before(function () {
    bench = new Workbench();
    // What is recorded here is in the form of the stand-in's state.
    if (testProvider !== "stand-in") this.skip();
  });
  after(async () => {
    await bench[Symbol.asyncDispose]();
    rmSync(stackFile, { force: true });
  });

  it("is seen as it is, rolls to the present version with its canary first, and ends whole; its network stays", async () => {
    for (const name of ["config.yaml", "files"])
      cpSync(path.join(FIXTURE, name), path.join(bench.dir, name), { recursive: true });
    await bench.begin();
    const { endpoint } = await bench.sandbox();
    const keys = path.join(bench.home, "keys", FLEET_ID);
    mkdirSync(keys, { recursive: true, mode: 0o700 });
    for (const name of ["id_ed25519", "id_ed25519.pub", "passphrase"])
      writeFileSync(path.join(keys, name), readFileSync(path.join(FIXTURE, "keys", name)), { mode: 0o600 });
    const settings = readFileSync(path.join(FIXTURE, "stack.yaml"), "utf8").replace("ENDPOINT", endpoint);
    writeFileSync(stackFile, settings);
    const made = await spot("up");
    assert.equal(made.code, 9, made.stdout + made.stderr);

    const then = readFileSync(path.join(FIXTURE, "state.json"), "utf8");
    writeFileSync(stateFile(), asRecordedThen(then, readFileSync(stateFile(), "utf8")));
    rmSync(path.join(bench.home, "backend/.spot-deployer"), { recursive: true });
    writeFileSync(stackFile, settings);
    const ids = await live();
    const recorded = urns();
    const network = networkOf(resources());
    assert.equal(ids.length, 2);

    rmSync(stackFile);
    const plain = await bench.start(["-c", `${(await spot("env")).stdout}\nexec pulumi preview --non-interactive`], {
      plain: true,
      command: ["sh"],
    }).done;
    assert.match(
      plain.stdout + plain.stderr,
      /made by an earlier version, and its settings are missing or incomplete \(E_STATE\)/,
    );
    writeFileSync(stackFile, settings);

    const preview = await spot("preview");
    for (const node of ["us-west-2-0", "eu-west-1-0"])
      assert.match(
        preview.stdout,
        new RegExp(`^replace ${node} \\([^)]*\\): new program version$`, "m"),
        preview.stdout + preview.stderr,
      );
    assert.match(preview.stdout, /^2 of 2 nodes would change\.$/m);
    assert.deepEqual(await live(), ids);
    const list = await spot("list", "--json");
    assert.deepEqual(
      (JSON.parse(list.stdout) as { nodes: { instanceId: string; state: string; recorded: boolean }[] }).nodes
        .map(({ instanceId, state, recorded: known }) => [instanceId, state, known])
        .sort(),
      ids.map((id) => [id, "running", true]),
      list.stderr,
    );
    const up = await spot("up", "--yes");
    assert.equal(up.code, 9, up.stdout + up.stderr);
    assert.doesNotMatch(up.stderr, /WARNING|ERROR/);
    const rolled = [...up.stderr.matchAll(/^\[(i-\w+) @ \S+\] \w+: (Created|Terminated)$/gm)].map(([, id, what]) => [
      ids.includes(id!) ? "old" : "new",
      what,
    ]);
    const one = [
      ["old", "Terminated"],
      ["new", "Created"],
    ];
    assert.deepEqual(rolled, [...one, ...one], "the canary alone, then the other one");
    assert.deepEqual(urns(), recorded);
    assert.deepEqual(networkOf(resources()), network);
    assert.ok(
      resourcesOf(readFileSync(stateFile(), "utf8")).some(({ urn }) => urn === recordUrn(STACK)),
      "its record is made",
    );
    assert.match(readFileSync(stackFile, "utf8"), /account: "\d{12}"/, "what is recorded since then is recorded now");

    const todays = await live();
    assert.equal(todays.filter((id) => ids.includes(id)).length, 0);
    for (const command of ["up", "repair"]) {
      const { code, stdout, stderr } = await spot(command);
      assert.equal(code, 9, stdout + stderr);
      assert.match(stdout, /Nothing to change: 2 nodes as configured/, stderr);
      assert.deepEqual(await live(), todays, command);
    }

    const replaced = await spot("replace", "us-west-2-0");
    assert.equal(replaced.code, 9, replaced.stdout + replaced.stderr);
    assert.equal((await live()).filter((id) => todays.includes(id)).length, 1);
    assert.deepEqual(urns(), recorded);

    const down = await spot("down");
    assert.equal(down.code, 0, down.stdout + down.stderr);
    assert.match(down.stdout, /Proven/);
  });

  it("keeps its nodes where only what is said of their volumes has changed, and its tags go from other volumes", async () => {
    const bench = new Workbench();
    try {
      await bench.begin();
      bench.config({ "us-west-2": 1 }, { aws: ["tags: {team: blue}"] });
      assert.equal((await bench.spot(["up"])).code, 9);
      const file = path.join(bench.home, "backend/.pulumi/stacks/spot-deployer", `${bench.stack}.json`);
      const state = JSON.parse(readFileSync(file, "utf8")) as {
        checkpoint: { latest: { resources: (Resource & { type: string })[] } };
      };
      const [node] = state.checkpoint.latest.resources.filter(({ type }) => type === "aws:ec2/instance:Instance");
      const { id, inputs, outputs } = node as Required<Resource>;
      // As the version before the root volume had tags of its own recorded it, and its provider with it.
      for (const properties of [inputs, outputs]) {
        const { tags, ...root } = properties.rootBlockDevice as Record<string, unknown>;
        properties.rootBlockDevice = root;
        properties.volumeTags = tags;
        properties.instanceInitiatedShutdownBehavior = "terminate";
        delete properties.creditSpecification;
      }
      writeFileSync(file, JSON.stringify(state));
      const ours = Object.entries(inputs.volumeTags as Record<string, string>).map(([Key, Value]) => ({ Key, Value }));
      const aws = new EC2Client(clientOf(await bench.sandbox(), "us-west-2"));
      const of = async (name: string): Promise<Record<string, string | undefined>> => {
        const { Volumes } = await aws.send(
          new DescribeVolumesCommand({ Filters: [{ Name: "attachment.instance-id", Values: [id] }] }),
        );
        const found = Volumes?.find(({ Attachments }) => Attachments?.[0]?.Device === name);
        return Object.fromEntries((found?.Tags ?? []).map(({ Key, Value }) => [Key!, Value]));
      };
      const { VolumeId } = await aws.send(
        new CreateVolumeCommand({
          AvailabilityZone: inputs.availabilityZone as string,
          Size: 8,
          TagSpecifications: [{ ResourceType: "volume", Tags: [...ours, { Key: "data", Value: "mine" }] }],
        }),
      );
      await aws.send(new AttachVolumeCommand({ InstanceId: id, VolumeId, Device: "/dev/sdf" }));

      await bench.control("DELETE", "calls");
      const up = await bench.spot(["up"]);
      assert.equal(up.code, 9, up.stdout + up.stderr);
      assert.match(up.stdout, /Nodes: 1 updated/);
      assert.deepEqual(
        (await bench.live()).instances.map(({ InstanceId }) => InstanceId),
        [id],
      );
      assert.equal((await of("/dev/sda1")).team, "blue");
      assert.deepEqual(await of("/dev/sdf"), { data: "mine" });
      const made = Object.keys((await bench.control<Record<string, object>>("GET", "calls"))["us-west-2"] ?? {});
      aws.destroy();
      assert.deepEqual(
        made.filter((action) => /^(Run|Stop|Modify|Terminate)(?!.*DryRun)/.test(action)),
        [],
        "the node is let be",
      );
      assert.match((await bench.spot(["up"])).stdout, /Nothing to change: 1 node as configured/);
    } finally {
      await bench[Symbol.asyncDispose]();
    }
  });
});

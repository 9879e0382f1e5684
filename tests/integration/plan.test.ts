import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { TerminateInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import type { Differences } from "../../fleet/plan/ingredients";
import type { ResourceChange } from "../../fleet/plan/resource-changes";
import { engineThatReplaces } from "../support/engine-that-replaces";
import { clientOf, FIRST_RUN_MS, until } from "../support/sandbox";
import { Workbench, type Outcome } from "../support/workbench";

interface Preview {
  changes: { name: string; kind: string; reason?: string; differences?: Differences }[];
  resources: ResourceChange[];
  failedRegions: { region: string; error: { code: string; message: string; next: string } }[];
}

/** Every file below a folder with its size and the time of its last change. */
function files(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => {
      const { mtimeMs, size } = statSync(path.join(folder, name));
      return `${name} ${size} ${mtimeMs}`;
    })
    .sort();
}

describe("the plan is the engine's", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  beforeEach(() => (bench = new Workbench()));
  afterEach(() => bench[Symbol.asyncDispose]());

  const preview = async (): Promise<Preview & { outcome: Outcome }> => {
    const outcome = await bench.spot(["preview", "--json"]);
    assert.match(outcome.stdout, /^\{"stack"/, outcome.stdout + outcome.stderr);
    return { ...(JSON.parse(outcome.stdout) as Preview), outcome };
  };
  const ids = async () => (await bench.nodes()).map(({ name, instanceId }) => `${name} ${instanceId}`).sort();
  /** All that a preview must leave as it is: state, history, locks, keys and settings. */
  const written = () => [
    ...files(path.join(bench.home, "backend")),
    ...files(path.join(bench.home, "keys")),
    existsSync(bench.stackFile) ? readFileSync(bench.stackFile, "utf8") : "no settings",
  ];
  /** Engine runs that may have changed something: each leaves its page in the backend's history. */
  const updates = () =>
    files(path.join(bench.home, "backend/.pulumi/history")).filter((file) => /\.history\.json /.test(file)).length;

  it("shows a new fleet whole, makes no stack for it, and `up` makes just that", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.begin();
    const before = written();
    const { changes, resources } = await preview();
    assert.deepEqual(written(), before);
    assert.deepEqual(
      changes.map(({ name, kind }) => [name, kind]),
      [
        ["us-west-2-0", "create"],
        ["us-west-2-1", "create"],
      ],
    );
    assert.ok(resources.every(({ kind, region }) => kind === "create" && region === "us-west-2"));
    const up = await bench.spot(["up", "--json"]);
    assert.equal(up.code, 9, up.stderr);
    const state = JSON.parse(
      readFileSync(path.join(bench.home, "backend/.pulumi/stacks/spot-deployer", `${bench.stack}.json`), "utf8"),
    ) as {
      checkpoint: { latest: { resources: { urn: string; type: string }[] } };
    };
    const made = state.checkpoint.latest.resources
      .filter(({ type }) => type.startsWith("aws:") && type !== "aws:ec2/instance:Instance")
      .map(({ urn }) => urn);
    assert.deepEqual(resources.map(({ urn }) => urn).sort(), made.sort());
  });

  it("shows changed tags and opened ports, changes them in place, and runs the engine once where nothing is to do", async () => {
    bench.config({ "us-west-2": 1 });
    await bench.spot(["up"]);
    const nodes = await ids();
    bench.config({ "us-west-2": 1 }, { top: ["ssh: {allow: [auto, 0.0.0.0/0]}"], aws: ["tags: {team: blue}"] });
    const before = written();
    const planned = await preview();
    assert.deepEqual(written(), before);
    assert.deepEqual(
      planned.changes.map(({ name, kind, reason }) => [name, kind, reason]),
      [["us-west-2-0", "update", "rootBlockDevice.tags.team, tags.team"]],
    );
    const opened = planned.resources.filter(({ opens }) => opens !== undefined);
    assert.deepEqual(
      opened.map(({ kind, opens, region }) => [kind, opens, region]),
      [["create", "0.0.0.0/0", "us-west-2"]],
    );
    const tagged = planned.resources.filter(({ kind }) => kind === "update");
    assert.ok(tagged.length > 5 && tagged.every(({ properties }) => properties.join() === "tags.team"));

    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.match(up.stderr, /create SecurityGroupIngressRule in us-west-2: lets 0\.0\.0\.0\/0 log in/);
    assert.match(up.stdout, /Nodes: 1 updated; other resources changed: \d+\./);
    assert.deepEqual(await ids(), nodes);

    const runs = updates();
    const again = await bench.spot(["up"]);
    assert.match(again.stdout, /Nothing to change: 1 node as configured/);
    assert.equal(updates(), runs, "nothing to change needs no update");
    const { outcome, changes, resources } = await preview();
    assert.equal(outcome.code, 0);
    assert.deepEqual([changes.map(({ kind }) => kind), resources], [["same"], []]);

    bench.config({ "us-west-2": 1 }, { aws: ["tags: {team: blue}"] });
    const closed = await bench.spot(["up"]);
    assert.match(closed.stderr, /INFO: delete SecurityGroupIngressRule in us-west-2$/m);
    assert.match(closed.stdout, /Nodes: none changed; other resources changed: 1\./);
    assert.deepEqual((await preview()).resources, [], "the rule is gone");
    assert.deepEqual(await ids(), nodes);
  });

  it("shows a node that ended outside as one to be made, and leaves the record as it is", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.spot(["up"]);
    const [, second] = await bench.nodes();
    const client = new EC2Client(clientOf(await bench.sandbox()));
    await client.send(new TerminateInstancesCommand({ InstanceIds: [second!.instanceId] }));
    client.destroy();
    const gone = async () =>
      !(await bench.live()).instances.some(({ InstanceId }) => InstanceId === second!.instanceId);
    await until("the instance has ended", gone);
    const before = written();
    const { changes, resources } = await preview();
    assert.deepEqual(written(), before);
    assert.deepEqual(
      changes.map(({ name, kind }) => [name, kind]),
      [
        ["us-west-2-0", "same"],
        ["us-west-2-1", "create"],
      ],
    );
    assert.deepEqual(resources, []);
  });

  it("writes nothing either where settings and keys are lost and no node is left", async () => {
    bench.config({ "us-west-2": 1 });
    await bench.spot(["up"]);
    const [node] = await bench.nodes();
    const client = new EC2Client(clientOf(await bench.sandbox()));
    await client.send(new TerminateInstancesCommand({ InstanceIds: [node!.instanceId] }));
    client.destroy();
    await until("the instance has ended", async () => (await bench.live()).instances.length === 0);
    const lost = [
      ...files(path.join(bench.home, "keys"))
        .map((line) => path.join(bench.home, "keys", line.slice(0, line.indexOf(" "))))
        .filter((file) => path.basename(file).startsWith("id_")),
      bench.stackFile,
    ];
    assert.equal(lost.length, 3);
    for (const file of lost) rmSync(file);
    const before = written();
    const { stdout, stderr } = await bench.spot(["preview"]);
    assert.deepEqual(written(), before);
    assert.match(stdout, /create us-west-2-0/);
    assert.match(stderr, /its instance i-\w+ in us-west-2 is gone; `up` makes it again/);
  });

  it("lists no node that is to go where it cannot be made", async () => {
    bench.config({ "us-east-1": 1 });
    await bench.spot(["up"]);
    const [before] = await ids();
    const elsewhere = [
      "allow_other_regions: true",
      "aws:",
      "  username: ubuntu",
      "  iam_instance_profile: nobodys",
      "regions:",
      "  - us-east-1: {machine_type: t3.medium, instances_per_region: 1}",
      "  - us-west-2: {machine_type: t9.large, instances_per_region: 1}",
    ];
    writeFileSync(bench.configFile, `${elsewhere.join("\n")}\n`);
    const { changes, resources, failedRegions } = await preview();
    assert.deepEqual(
      changes.map(({ name, kind }) => [name, kind]),
      [["us-east-1-0", "same"]],
    );
    assert.deepEqual(resources, []);
    assert.deepEqual(
      failedRegions.map(({ region, error }) => [region, error.code]),
      [["us-east-1", "E_INSTANCE_PROFILE"]],
    );
    const updated = updates();
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 4, up.stderr);
    assert.doesNotMatch(up.stderr, /create us-west-2-0/);
    assert.deepEqual(await ids(), [before]);
    assert.equal(updates(), updated, "there was nothing to do");
    const words = await bench.spot(["preview"]);
    assert.match(words.stdout, /Nothing would change; us-east-1 cannot be planned: see the error\./);
  });

  it("ends nothing when the provider makes a replacement of an update that was agreed to", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.spot(["up"]);
    const nodes = await ids();
    bench.config({ "us-west-2": 2 }, { aws: ["tags: {team: blue}"] });
    const up = await bench.spot(["up", "--json"], { env: { PULUMI_CLI: await engineThatReplaces(bench, "up") } });
    assert.match(up.stdout, /"code":"E_UNPLANNED"/, up.stdout + up.stderr);
    assert.match(up.stdout, /not allowed by the plan/);
    assert.notEqual(up.code, 9);
    assert.deepEqual(await ids(), nodes);
    const live = (await bench.live(["us-west-2"])).instances.map(({ InstanceId }) => InstanceId).sort();
    assert.deepEqual(live, nodes.map((node) => node.split(" ")[1]).sort());
  });

  it("shows, counts and rolls what only the provider replaces", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.spot(["up"]);
    const nodes = await ids();
    bench.config({ "us-west-2": 2 }, { aws: ["tags: {team: blue}"] });
    const env = { PULUMI_CLI: await engineThatReplaces(bench, "preview", "up") };
    const planned = JSON.parse((await bench.spot(["preview", "--json"], { env })).stdout) as Preview;
    assert.ok(
      planned.changes.every(
        ({ kind, reason }) => kind === "replace" && /AWS's provider replaces it/.test(reason ?? ""),
      ),
    );
    const up = await bench.spot(["up"], { env });
    assert.equal(up.code, 9, up.stderr);
    assert.match(up.stdout, /Nodes: 2 replaced/);
    const ended = [...up.stderr.matchAll(/\[(i-\w+).*(Terminated|Created)$/gm)].map(([, , what]) => what);
    assert.deepEqual(ended, ["Terminated", "Created", "Terminated", "Created"], "one node away at a time");
    assert.notDeepEqual(await ids(), nodes);
  });

  /** What the configuration names and is not there; a node there would have to be replaced for each. */
  const impossible: [name: string, config: Parameters<Workbench["config"]>[1], code: string][] = [
    ["a VPC", { top: ["network: vpc-0123456789abcdef0"] }, "E_NETWORK"],
    ["an EC2 key pair", { aws: ["ssh_key_name: nobodys"] }, "E_SSH_KEY"],
    ["an instance profile", { aws: ["iam_instance_profile: nobodys"] }, "E_INSTANCE_PROFILE"],
    ["a price", { aws: ["spot_price_limit: 0.0001"] }, "E_NO_POOL"],
    ["an image", { region: ["image: ami-00000000000000000"] }, "E_IMAGE"],
    ["a machine type", { region: ["machine_type: t9.large"] }, "E_INSTANCE_TYPE"],
  ];
  it("keeps the record whole while many nodes depend on a rule that is to go, beside one that comes", async () => {
    const allow = (blocks: string[], west: number) =>
      bench.config({ "us-east-1": 4, "us-west-2": west }, { top: [`ssh: { allow: ["${blocks.join('", "')}"] }`] });
    allow(["auto", "198.51.100.7/32"], 2);
    await bench.begin();
    const made = await bench.spot(["up"]);
    assert.equal(made.code, 9, made.stdout + made.stderr);
    // The new rule is made while the nodes still depend on the one that goes only after it.
    allow(["198.51.100.7/32", "0.0.0.0/0"], 1);
    const changed = await bench.spot(["up", "--yes"]);
    assert.equal(changed.code, 9, changed.stdout + changed.stderr);
    const { changes, resources } = await preview();
    assert.deepEqual([changes.filter(({ kind }) => kind !== "same"), resources], [[], []]);
  });

  it("names the files and settings because of which nodes are replaced, and counts nodes that cannot be planned", async () => {
    const files = path.join(bench.dir, "files");
    mkdirSync(files);
    writeFileSync(path.join(files, "app.py"), "1");
    bench.config({ "us-west-2": 1 });
    await bench.spot(["up"]);
    writeFileSync(path.join(files, "app.py"), "2");
    mkdirSync(path.join(files, "lib"));
    bench.config({ "us-west-2": 1 }, { top: ["packages: [jq]"] });
    const [change] = (await preview()).changes;
    assert.equal(
      change?.reason,
      "your files changed (files/app.py, files/lib added), configuration changed (packages)",
    );
    assert.deepEqual(change.differences, {
      files: [
        { name: "files/app.py", how: "changed" },
        { name: "files/lib", how: "added" },
      ],
      settings: [{ name: "packages", how: "changed" }],
    });
    appendFileSync(bench.configFile, "  - us-east-1: {image: ami-0123456789abcdef0}\n");
    const outcome = await bench.spot(["preview"]);
    assert.match(outcome.stdout, /^1 of 2 nodes would change\.$/m, outcome.stdout + outcome.stderr);
  });

  it("ends nothing for a setting that cannot work, and says which one", async () => {
    const counts = { "us-west-2": 2 };
    bench.config(counts);
    await bench.spot(["up"]);
    const nodes = await ids();
    for (const [what, config, code] of impossible) {
      bench.config(counts, config);
      const { outcome, changes, failedRegions } = await preview();
      assert.notEqual(outcome.code, 0, what);
      assert.deepEqual(
        failedRegions.map(({ region, error }) => [region, error.code]),
        [["us-west-2", code]],
        what,
      );
      assert.ok(
        changes.every(({ kind }) => kind === "same"),
        what,
      );
      const up = await bench.spot(["up"]);
      assert.notEqual(up.code, 9, what);
      assert.match(up.stderr, /next:/, what);
      assert.deepEqual(await ids(), nodes, what);
    }
  });
});

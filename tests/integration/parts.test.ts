import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import {
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeSubnetsCommand,
  EC2Client,
  ImportKeyPairCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { newPair } from "../../automation/ssh/key-pair";
import { clientOf, FIRST_RUN_MS, HELD, until } from "../support/sandbox";
import { Workbench } from "../support/workbench";

describe("a part of the fleet: down, replace, repair", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  beforeEach(async () => {
    bench = new Workbench();
    bench.config({ "us-west-2": 2, "us-east-1": 1 });
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const ids = async () => Object.fromEntries((await bench.nodes()).map(({ name, instanceId }) => [name, instanceId]));
  const live = async () => (await bench.live()).instances.map(({ InstanceId }) => InstanceId!).sort();

  it("shows what `down` would end and ends nothing", async () => {
    const before = await live();
    const plan = await bench.spot(["down", "--dry-run"]);
    assert.equal(plan.code, 0, plan.stderr);
    for (const id of before) assert.match(plan.stdout, new RegExp(`instance +us-\\S+ +${id}`));
    assert.match(plan.stdout, /nothing was changed/);
    const part = await bench.spot(["down", "us-east-*", "--dry-run", "--json"]);
    const { found } = JSON.parse(part.stdout.trim().split("\n").at(-1)!) as {
      found: { kind: string; region: string }[];
    };
    assert.deepEqual(
      found.map(({ kind, region }) => `${kind} ${region}`),
      ["instance us-east-1", "volume us-east-1"],
    );
    assert.deepEqual(await live(), before);
  });

  it("names what holds a VPC at once, ends the nodes, and leaves that network as it is", async () => {
    const ec2 = new EC2Client(clientOf(await bench.sandbox(), "us-west-2"));
    const [subnet] = (
      await ec2.send(new DescribeSubnetsCommand({ Filters: [{ Name: "tag-key", Values: ["spot-deployer:lineage"] }] }))
    ).Subnets!;
    const { NetworkInterface } = await ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: subnet!.SubnetId, Description: "my database" }),
    );
    const interfaceId = NetworkInterface!.NetworkInterfaceId!;
    await bench.control("DELETE", "calls");
    const held = await bench.spot(["down"]);
    assert.equal(held.code, 8, held.stdout + held.stderr);
    assert.match(
      held.stderr,
      new RegExp(
        `${subnet!.VpcId} stays with its network: it holds network-interface ${interfaceId} \\(available, my database\\)`,
      ),
    );
    assert.match(held.stdout, new RegExp(`HELD[^]*${subnet!.VpcId} +network-interface +us-west-2 +${interfaceId}`));
    assert.deepEqual(await live(), []);
    const calls = await bench.control<Record<string, Record<string, number>>>("GET", "calls");
    const tried = Object.keys(calls["us-west-2"] ?? {}).filter((action) =>
      /^(Delete|Detach|Disassociate|Revoke)/.test(action),
    );
    assert.deepEqual(tried, [], "nothing was tried, and so nothing was waited for");
    assert.equal((await bench.live()).vpcs.length, 1, "the other region's network is gone");

    await ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: interfaceId }));
    ec2.destroy();
    const rest = await bench.spot(["down"]);
    assert.equal(rest.code, 0, rest.stdout + rest.stderr);
  });

  it("ends a node, then a region, then the rest, each with its proof", async () => {
    const before = await ids();
    const wrong = await bench.spot(["down", "us-west-2-7"]);
    assert.equal(wrong.code, 2);
    const elsewhere = await bench.spot(["down", "--region", "eu-west-1"]);
    assert.equal(elsewhere.code, 2, elsewhere.stderr);

    const node = await bench.spot(["down", "us-west-2-1"]);
    assert.equal(node.code, 0, node.stdout + node.stderr);
    assert.match(node.stdout, /Proven: all 2 objects of that part/);
    assert.deepEqual(await live(), [before["us-east-1-0"], before["us-west-2-0"]].sort());

    const region = await bench.spot(["down", "--region", "us-west-2"]);
    assert.equal(region.code, 0, region.stdout + region.stderr);
    assert.deepEqual(await live(), [before["us-east-1-0"]]);
    assert.equal((await bench.live()).vpcs.length, 1);
    assert.deepEqual(Object.keys(await ids()), ["us-east-1-0"]);

    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.equal((await live()).length, 3);
    assert.equal((await ids())["us-east-1-0"], before["us-east-1-0"]);
    assert.equal((await bench.spot(["down"])).code, 0);
  });

  it("replaces the node that is named and no other, whatever else the configuration asks for", async () => {
    const before = await ids();
    bench.config({ "us-west-2": 3, "us-east-1": 1, "eu-west-1": 1 });
    const wrong = await bench.spot(["replace", "us-west-2-2"]);
    assert.deepEqual([wrong.code, /us-west-2-2/.test(wrong.stderr)], [2, true], "it was never there");
    const replaced = await bench.spot(["replace", "us-west-2-0"]);
    assert.equal(replaced.code, 9, replaced.stderr);
    assert.match(replaced.stderr, /replace us-west-2-0 .*asked for/);
    const after = await ids();
    assert.deepEqual(Object.keys(after), Object.keys(before));
    assert.notEqual(after["us-west-2-0"], before["us-west-2-0"]);
    for (const name of ["us-west-2-1", "us-east-1-0"]) assert.equal(after[name], before[name]);
    assert.deepEqual(await live(), Object.values(after).sort());
  });

  it("moves a node to a region in which the fleet has no network yet", async () => {
    bench.config({ "us-west-2": 2, "us-east-1": 1, "eu-west-1": 1 }, { top: ["allow_other_regions: true"] });
    const before = await ids();
    const noCapacity = {
      action: "RunInstances",
      effect: { error: { code: "InsufficientInstanceCapacity", status: 500 } },
    };
    await bench.control("POST", "faults", [
      { ...noCapacity, region: "us-west-2" },
      { ...noCapacity, region: "us-east-1" },
    ]);
    const replaced = await bench.spot(["replace", "us-east-1-0"]);
    assert.equal(replaced.code, 9, replaced.stdout + replaced.stderr);
    const nodes = await bench.nodes();
    assert.deepEqual(
      nodes.map(({ name, region }) => [name, region]),
      [
        ["us-east-1-0", "eu-west-1"],
        ["us-west-2-0", "us-west-2"],
        ["us-west-2-1", "us-west-2"],
      ],
    );
    for (const name of ["us-west-2-0", "us-west-2-1"])
      assert.equal(nodes.find((node) => node.name === name)?.instanceId, before[name]);
    await bench.control("DELETE", "faults");

    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stdout + up.stderr);
    const { "eu-west-1-0": added, ...others } = await ids();
    assert.ok(added);
    assert.deepEqual(
      others,
      Object.fromEntries(nodes.map(({ name, instanceId }) => [name, instanceId])),
      "it stays where it is",
    );
    assert.equal((await bench.live()).vpcs.length, 2, "the network that it left goes with the next `up`");
  });

  it("ends nothing in a region where what the configuration names is not there, and goes on in the others", async () => {
    const counts = { "us-west-2": 2, "us-east-1": 1 };
    const before = await ids();
    for (const [setting, code] of [
      ["iam_instance_profile: nobodys", "E_INSTANCE_PROFILE"],
      ["spot_price_limit: 0.0001", "E_NO_POOL"],
    ] as const) {
      bench.config(counts, { aws: [setting] });
      const failed = await bench.spot(["replace", "us-west-2-0", "--json"]);
      assert.equal(failed.code, 4, failed.stderr);
      assert.match(failed.stdout, new RegExp(`"code":"${code}"`));
      assert.deepEqual(await ids(), before, setting);
    }
    const ec2 = new EC2Client(clientOf(await bench.sandbox(), "us-east-1"));
    await ec2.send(
      new ImportKeyPairCommand({ KeyName: "mine", PublicKeyMaterial: new TextEncoder().encode(newPair().public) }),
    );
    ec2.destroy();
    bench.config(counts, { aws: ["ssh_key_name: mine"] });
    const partly = await bench.spot(["replace", "us-*-0"]);
    assert.equal(partly.code, 4, partly.stderr);
    assert.match(partly.stderr, /us-west-2 has no key pair mine/);
    assert.match(partly.stdout, /Nodes: 1 replaced/);
    const { "us-east-1-0": replaced, ...others } = await ids();
    assert.notEqual(replaced, before["us-east-1-0"]);
    assert.deepEqual(others, { "us-west-2-0": before["us-west-2-0"], "us-west-2-1": before["us-west-2-1"] });
  });

  it("lets in whom the configuration has come to name, in the regions that it is about, and shows it", async () => {
    const counts = { "us-west-2": 2, "us-east-1": 1 };
    const before = await ids();
    const allow = (...more: string[]) => `ssh: {allow: [${["auto", ...more].join(", ")}]}`;
    bench.config(counts, { top: [allow("203.0.113.0/24")], aws: ["tags: {team: blue}"] });
    const replaced = await bench.spot(["replace", "us-west-2-0"]);
    assert.equal(replaced.code, 9, replaced.stdout + replaced.stderr);
    assert.match(replaced.stderr, /create SecurityGroupIngressRule in us-west-2: lets 203\.0\.113\.0\/24 log in/);
    assert.doesNotMatch(replaced.stderr, /us-east-1|update /, "nothing else is touched");
    assert.match(replaced.stdout, /Nodes: 1 replaced; other resources changed: 1\./);

    const client = new EC2Client(clientOf(await bench.sandbox(), "us-west-2"));
    await client.send(new TerminateInstancesCommand({ InstanceIds: [before["us-west-2-1"]!] }));
    client.destroy();
    bench.config(counts, { top: [allow("203.0.113.0/24", "198.51.100.0/24")] });
    const repaired = await bench.spot(["repair", "us-west-2-*"]);
    assert.equal(repaired.code, 9, repaired.stdout + repaired.stderr);
    assert.match(repaired.stderr, /create SecurityGroupIngressRule in us-west-2: lets 198\.51\.100\.0\/24 log in/);
    assert.match(repaired.stdout, /Nodes: 1 created; other resources changed: 1\./);
  });

  it("names a rule that is missing where a node may go, too", async () => {
    const counts = { "us-west-2": 2, "us-east-1": 1 };
    bench.config(counts, { top: ["ssh: {allow: [auto, 203.0.113.0/24]}", "allow_other_regions: true"] });
    await bench.control("POST", "faults", {
      action: "RunInstances",
      region: "us-east-1",
      effect: { error: { code: "InsufficientInstanceCapacity", status: 500 } },
    });
    const moved = await bench.spot(["replace", "us-east-1-0"]);
    assert.equal(moved.code, 9, moved.stdout + moved.stderr);
    for (const region of ["us-east-1", "us-west-2"])
      assert.match(moved.stderr, new RegExp(`in ${region}: lets 203\\.0\\.113\\.0/24 log in`));
    assert.equal((await bench.nodes()).find(({ name }) => name === "us-east-1-0")?.region, "us-west-2");
  });

  it("moves a node that is replaced where its own region has nothing for it, with the network that it needs", async () => {
    const lines = [
      "allow_other_regions: true",
      "aws:",
      "  username: ubuntu",
      "regions:",
      "  - us-east-1: {machine_type: t9.large, instances_per_region: 1}",
      "  - eu-west-1: {machine_type: t3.medium, instances_per_region: 1}",
      "  - us-west-2: {machine_type: t3.medium, instances_per_region: 2}",
    ];
    writeFileSync(bench.configFile, `${lines.join("\n")}\n`);
    const replaced = await bench.spot(["replace", "us-east-1-0"]);
    assert.equal(replaced.code, 9, replaced.stdout + replaced.stderr);
    assert.match(replaced.stderr, /create .*Vpc.* in eu-west-1/);
    const nodes = await bench.nodes();
    assert.equal(nodes.find(({ name }) => name === "us-east-1-0")?.region, "eu-west-1");
    assert.equal(nodes.length, 3);
  });

  it("takes every node that ended off the orchestrator's list (L22)", async () => {
    const listed = new Set<string>();
    const left: string[] = [];
    const orchestrator = createServer((request, response) => {
      request.resume();
      if (request.method === "PUT") left.push(path.basename(request.url ?? ""));
      response.end(
        JSON.stringify(
          request.method === "PUT"
            ? { Success: true }
            : { Nodes: [...listed].map((id) => ({ Info: { NodeID: id, Labels: { instance_id: id } } })) },
        ),
      );
    });
    await new Promise<void>((resolve) => orchestrator.listen(0, "127.0.0.1", resolve));
    try {
      const address = `127.0.0.1:${(orchestrator.address() as AddressInfo).port}`;
      const program = path.join(bench.root, "tests/support/bacalhau-stand-in.py");
      const cluster = {
        top: [
          "bacalhau:",
          "  version: 1.6.0",
          `  binary: ${JSON.stringify(program)}`,
          `  orchestrators: [nats://${address}]`,
          `  api: http://${address}`,
        ],
      };
      /** Runs a command; what it took off the list must be exactly the instances that were there before and are not now. */
      const leaves = async (command: string[], count: number): Promise<void> => {
        const before = await live();
        for (const id of before) listed.add(id);
        left.length = 0;
        const outcome = await bench.spot(command);
        assert.ok(outcome.code === 9 || outcome.code === 0, outcome.stdout + outcome.stderr);
        const after = new Set(await live());
        assert.deepEqual(
          [left.length, left.sort()],
          [count, before.filter((id) => !after.has(id)).sort()],
          command.join(" "),
        );
      };
      /** A roll of two whose program fails when the first is done. */
      const leavesBeforeItFails = async (): Promise<void> => {
        const before = await live();
        for (const id of before) listed.add(id);
        left.length = 0;
        bench.config({ "us-west-2": 1, "us-east-1": 1 }, { top: [...cluster.top, "packages: [jq]"] });
        // It goes on when the program can no longer be run.
        await bench.control("POST", "faults", { action: "RunInstances", effect: HELD });
        const roll = bench.start(["up"]);
        await roll.printed(/INFO: Terminated/);
        writeFileSync(bench.configFile, "no configuration any more\n");
        await bench.control("DELETE", "faults");
        const { code, stderr } = await roll.done;
        assert.match(stderr, /E_PROGRAM/, `${code}`);
        const after = new Set(await live());
        assert.deepEqual(
          [left.length, left],
          [1, before.filter((id) => !after.has(id))],
          "what ended before the failure",
        );
        bench.config({ "us-west-2": 1, "us-east-1": 1 }, cluster);
      };
      bench.config({ "us-west-2": 2, "us-east-1": 1 }, cluster);
      await leaves(["up"], 3);
      bench.config({ "us-west-2": 1, "us-east-1": 1 }, cluster);
      await leaves(["up"], 1);
      await leaves(["replace", "us-west-2-0"], 1);
      await leavesBeforeItFails();
      await leaves(["down", "us-west-2-0"], 1);
    } finally {
      orchestrator.close();
    }
  });

  it("shows why an instance ended, and repairs it in the same slot and nothing else", async () => {
    const before = await ids();
    const client = new EC2Client(clientOf(await bench.sandbox(), "us-west-2"));
    await client.send(new TerminateInstancesCommand({ InstanceIds: [before["us-west-2-1"]!] }));
    client.destroy();
    await until("it is ended", async () => (await bench.nodes()).some(({ state }) => state === "terminated"));
    const list = await bench.spot(["list"]);
    assert.match(
      list.stdout,
      new RegExp(`us-west-2-1: ${before["us-west-2-1"]} is terminated: Client.UserInitiatedShutdown`),
    );

    bench.config({ "us-west-2": 4, "us-east-1": 1 });
    const repaired = await bench.spot(["repair"]);
    assert.equal(repaired.code, 9, repaired.stderr);
    const after = await ids();
    assert.deepEqual(Object.keys(after), Object.keys(before));
    assert.notEqual(after["us-west-2-1"], before["us-west-2-1"]);
    for (const name of ["us-west-2-0", "us-east-1-0"]) assert.equal(after[name], before[name]);
    assert.deepEqual(await live(), Object.values(after).sort());
  });

  it("says nothing with --quiet but the result", async () => {
    const told = /\] (INFO|SUCCESS): /;
    for (const [args, result] of [
      [["repair"], /Nothing to change: 3 nodes/],
      [["replace", "us-east-1-0"], /1 replaced/],
      [["down", "us-east-1-0"], /Proven: all 2 objects/],
    ] as const) {
      assert.match((await bench.spot([...args])).stderr, told, args.join(" "));
      // What was ended is made again, so that the same words have the same to do.
      if (args[0] === "down") await bench.spot(["up"]);
      const quiet = await bench.spot([...args, "--quiet"]);
      assert.equal(quiet.stderr, "", args.join(" "));
      assert.match(quiet.stdout, result);
    }
  });

  it("looks in every region of the account with --all-regions", async () => {
    const looked = async (...args: string[]) => {
      await bench.control("DELETE", "calls");
      assert.equal((await bench.spot(["down", "--dry-run", ...args])).code, 0);
      return Object.entries(await bench.control<Record<string, Record<string, number>>>("GET", "calls"))
        .filter(([, actions]) => actions.DescribeInstances)
        .map(([region]) => region);
    };
    assert.deepEqual((await looked()).sort(), ["us-east-1", "us-west-2"]);
    const everywhere = await looked("--all-regions");
    for (const region of ["eu-west-1", "ap-south-1", "sa-east-1"]) assert.ok(everywhere.includes(region), region);
  });
});

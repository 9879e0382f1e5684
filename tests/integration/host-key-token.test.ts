import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DescribeInstanceAttributeCommand, EC2Client, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import { isMap, parse, parseDocument } from "yaml";
import { fleetSecretOf, recordUrn } from "../../automation/engine/state";
import { MAX_ATTEMPTS } from "../../sandbox/provider/common/aws";
import { clientOf, FIRST_RUN_MS } from "../support/sandbox";
import { Workbench } from "../support/workbench";
import { CleanUp } from "../support/clean-up";

/** What an instance was launched with. */
interface Launched {
  instanceId: string;
  generation: string;
  token: string;
}

describe("the token by which a node proves its host key", function () {
  this.timeout(FIRST_RUN_MS * 2);
  const cleanUp = new CleanUp();
  let bench: Workbench;
  let ec2: EC2Client;
  /** Which plain `pulumi` works on the sandbox's stack with. */
  let plainEnv: string;
  /** The nodes as an earlier version would have made them. */
  let old: Record<string, Launched>;
  const [A, B] = ["us-west-2-0", "us-west-2-1"] as const;

  before(async () => {
    bench = cleanUp.use(new Workbench());
    bench.config({ "us-west-2": 2 });
    await run("up");
    ec2 = new EC2Client(clientOf(await bench.sandbox()));
    cleanUp.defer(() => ec2.destroy());
    plainEnv = (await bench.spot(["env"])).stdout;
  });
  after(() => cleanUp.run());

  async function run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await bench.spot(args);
    assert.equal(code, 9, stdout + stderr);
    return stdout;
  }

  /** The user data that AWS holds, node by node. */
  async function launched(): Promise<Record<string, Launched>> {
    const nodes = await bench.nodes();
    const entries = nodes.map(async ({ name, instanceId }): Promise<[string, Launched]> => {
      const { UserData } = await ec2.send(
        new DescribeInstanceAttributeCommand({ InstanceId: instanceId, Attribute: "userData" }),
      );
      const { bootcmd, write_files: files } = parse(Buffer.from(UserData!.Value!, "base64").toString()) as {
        bootcmd: string[][];
        write_files: { path: string; content: string }[];
      };
      const { generation } = JSON.parse(files.find(({ path: file }) => file.endsWith("/node.json"))!.content) as {
        generation: string;
      };
      return [name, { instanceId, generation, token: bootcmd[0]!.at(-1)! }];
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  const plain = (command: string): string =>
    execFileSync("sh", ["-c", `${plainEnv}\n${command}`], { cwd: bench.root, encoding: "utf8", stdio: "pipe" });
  const agrees = (): void => assert.match(plain("pulumi preview --expect-no-changes --non-interactive"), /unchanged/);

  const settings = (): unknown => parse(readFileSync(bench.stackFile, "utf8"));

  /** Changes what the settings hold of launches. */
  function editLaunches(edit: (launches: Record<string, string>) => Record<string, string>): void {
    const document = parseDocument(readFileSync(bench.stackFile, "utf8"));
    const place = ["config", "spot-deployer:pins", "launches"];
    const found = document.getIn(place);
    assert.ok(isMap(found), "the settings hold the launches");
    document.setIn(place, document.createNode(edit(found.toJSON() as Record<string, string>)));
    writeFileSync(bench.stackFile, document.toString());
  }

  /** Exactly these nodes were made anew, each with a token that no instance had before. */
  function assertRenewed(before: Record<string, Launched>, after: Record<string, Launched>, renewed: string[]): void {
    assert.deepEqual(Object.keys(after).sort(), Object.keys(before).sort());
    const known = new Set(Object.values(before).map(({ token }) => token));
    for (const [name, { instanceId, token }] of Object.entries(after)) {
      if (!renewed.includes(name)) assert.deepEqual(after[name], before[name]);
      else {
        assert.notEqual(instanceId, before[name]!.instanceId, name);
        assert.ok(!known.has(token), `${name} has a token that another instance had`);
      }
    }
    assert.equal(new Set(Object.values(after).map(({ token }) => token)).size, Object.keys(after).length);
  }

  it("stays while the instance does, whatever a killed run pinned, and can be read neither in the settings nor in the state", async () => {
    const before = await launched();
    const known = settings();
    editLaunches((launches) => Object.fromEntries(Object.keys(launches).map((name, i) => [name, `${i}`.repeat(16)])));
    assert.match(await run("up"), /Nothing to change: 2 nodes/);
    assertRenewed(before, await launched(), []);
    assert.deepEqual(settings(), known);
    agrees();
    const state = readFileSync(
      path.join(bench.home, "backend/.pulumi/stacks/spot-deployer", `${bench.stack}.json`),
      "utf8",
    );
    for (const { token } of Object.values(before))
      assert.ok(!`${readFileSync(bench.stackFile, "utf8")}${state}`.includes(token));
  });

  it("is new for an instance that vanished and that `repair` makes again in another pool than the first", async () => {
    const before = await launched();
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [before[B]!.instanceId] }));
    await bench.control("POST", "faults", [
      {
        action: "RunInstances",
        effect: { error: { code: "InsufficientInstanceCapacity", status: 500 } },
        times: MAX_ATTEMPTS,
      },
    ]);
    await run("repair");
    await bench.control("DELETE", "faults");
    assertRenewed(before, await launched(), [B]);
  });

  it("is new for a node that `replace` makes anew, whose generation stays", async () => {
    const before = await launched();
    await run("replace", A);
    const after = await launched();
    assertRenewed(before, after, [A]);
    assert.equal(after[A]!.generation, before[A]!.generation);
    agrees();
  });

  it("stays what it was for nodes made by earlier versions: none of them is replaced", async () => {
    // Without launches, and without a record, the program declares what those versions did.
    editLaunches(() => ({}));
    plain(`pulumi state delete --yes '${recordUrn(bench.stack)}' --non-interactive`);
    plain("pulumi up --yes --skip-preview --non-interactive");
    old = await launched();
    const secret = fleetSecretOf(JSON.parse(plain("pulumi stack export --show-secrets --non-interactive")))!;
    for (const [name, { token, generation }] of Object.entries(old))
      assert.equal(token, createHmac("sha256", secret).update(`${name}\n${generation}`).digest("hex"));

    assert.match(await run("up"), /Nothing to change: 2 nodes/);
    assertRenewed(old, await launched(), []);
    agrees();
  });

  it("is new for a node that is rolled to another generation and back, and for a slot that was given up in between", async () => {
    bench.config({ "us-west-2": 1 }, { aws: ["instance_storage_gb: 30"] });
    await run("up");
    const between = await launched();
    assert.deepEqual([Object.keys(between), between[A]!.generation === old[A]!.generation], [[A], false]);
    bench.config({ "us-west-2": 2 });
    await run("up");
    const after = await launched();
    assertRenewed(old, after, [A, B]);
    for (const name of [A, B]) assert.equal(after[name]!.generation, old[name]!.generation);
  });
});

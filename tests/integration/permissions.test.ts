import { EC2Client, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import assert from "node:assert/strict";
import { preflight } from "../../automation/operations/inspect/check";
import { inSession } from "../../automation/session";
import { neverInterrupted } from "../../automation/session/interrupts";
import { QUESTIONS, type Question } from "../../cloud/permissions";
import { POLICIES, type PolicyDocument } from "../../fleet/aws/permissions";
import { readConfig } from "../../project/config-file";
import { accessKeyOf, DEFAULT_ACCOUNT } from "../../sandbox/gateway/protocol/accounts";
import { makeInstanceProfile } from "../support/instance-profile";
import { clientOf, FIRST_RUN_MS, until } from "../support/sandbox";
import { launchStranger } from "../support/stranger";
import { Workbench } from "../support/workbench";

const REGION = "us-west-2";
const LOOKS_FOR_IMAGE = "ssm:GetParameter";

const without = (policy: PolicyDocument, action: string): PolicyDocument => ({
  ...policy,
  Statement: policy.Statement.map((statement) => ({
    ...statement,
    Action: statement.Action.filter((name) => name !== action),
  })).filter(({ Action }) => Action.length > 0),
});

describe("an operator's policy", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  before(async () => {
    bench = new Workbench();
    bench.config({ [REGION]: 1 }, { aws: ["iam_instance_profile: nodes"] });
    await bench.begin();
    await makeInstanceProfile(await bench.sandbox(), "nodes");
  });
  after(() => bench[Symbol.asyncDispose]());

  /** Every problem that `check` names. */
  async function found(): Promise<string[]> {
    const { configFile, env, mode: sandbox, stack } = bench;
    const reporter = { emit: () => undefined, confirm: () => Promise.resolve(false) };
    const interrupts = neverInterrupted();
    const { regions } = await inSession(
      { projectDir: bench.root, configFile, env, reporter, interrupts, sandbox, stack, starts: true },
      (session) => preflight(session, { config: readConfig(configFile).config, configFile }),
    );
    return regions.flatMap(({ findings }) => findings.map(({ error }) => error.message));
  }
  const attach = (...documents: PolicyDocument[]) =>
    bench.control("PUT", "policy", { documents: documents.filter(({ Statement }) => Statement.length > 0) });

  it("is enough for a fleet that has nothing yet, and so says `check`", async () => {
    assert.deepEqual(await found(), []);
    // Of a fleet that stands, the image is known. What else is missing is named beside it.
    await attach(
      without(without(POLICIES.operator, LOOKS_FOR_IMAGE), "ec2:CreateVpc"),
      without(POLICIES["instance-profile"], "iam:PassRole"),
    );
    assert.match((await found()).join(), /not allowed: iam:PassRole, ec2:CreateVpc/);
    assert.match((await found()).join(), /looking up the image .* failed: AccessDeniedException \(ssm:GetParameter\)/);
  });

  it("without one read that follows the launch makes `up` refuse, before anything is made", async () => {
    await attach(without(POLICIES.operator, "ec2:DescribeInstanceAttribute"), POLICIES["instance-profile"]);
    const { code, stdout, stderr } = await bench.spot(["up"]);
    assert.match(stdout + stderr, /ERROR: us-west-2: not allowed: ec2:DescribeInstanceAttribute$/m);
    assert.notEqual(code, 0);
    assert.deepEqual(await bench.live([REGION]), { instances: [], vpcs: [] });
    await bench.allow("operator", "instance-profile");
    assert.equal((await bench.spot(["up"])).code, 9);
  });

  const cases = Object.entries(QUESTIONS as Readonly<Record<string, Question | readonly Question[]>>).filter(
    ([action]) => action !== LOOKS_FOR_IMAGE,
  );
  it(`of ${cases.length} actions lacks none that \`check\` does not name, but for those of which docs/permissions.md says why`, async () => {
    assert.deepEqual(await found(), []);
    const unnamed: string[] = [];
    for (const [action] of cases) {
      await attach(without(POLICIES.operator, action), without(POLICIES["instance-profile"], action));
      const name = action.slice(action.indexOf(":") + 1);
      if (!(await found()).some((message) => message.includes(name))) unnamed.push(action);
    }
    await bench.allow("operator", "instance-profile");
    assert.deepEqual(
      unnamed,
      cases.flatMap(([action, question]) => ("never" in question ? [action] : [])),
    );
  });

  it("lacks no whole statement that `check` does not miss, but for two that it cannot ask about", async () => {
    const unmissed: string[] = [];
    const { Statement } = POLICIES.operator;
    for (const { Sid } of Statement) {
      await attach(
        { ...POLICIES.operator, Statement: Statement.filter((other) => other.Sid !== Sid) },
        POLICIES["instance-profile"],
      );
      if ((await found()).length === 0) unmissed.push(Sid);
    }
    await bench.allow("operator", "instance-profile");
    assert.deepEqual(unmissed, ["TakeBackSubnet", "FirstSpotLaunch"]);
  });

  it("ends nothing that is not a fleet's", async () => {
    const sandbox = await bench.sandbox();
    const stranger = await launchStranger(sandbox, REGION);
    const operator = new EC2Client({
      ...clientOf(sandbox, REGION),
      credentials: { accessKeyId: accessKeyOf(DEFAULT_ACCOUNT), secretAccessKey: "sandbox" },
    });
    await assert.rejects(operator.send(new TerminateInstancesCommand({ InstanceIds: [stranger] })), {
      name: "UnauthorizedOperation",
    });
    operator.destroy();
    assert.ok((await bench.live([REGION])).instances.some(({ InstanceId }) => InstanceId === stranger));
  });

  // AWS then refuses to authorize what it otherwise says is not found (karpenter-provider-aws#2100).
  for (const [command, rightCode] of [
    ["up", 9],
    ["down", 0],
  ] as const)
    it(`is enough for \`${command}\` where an instance ended so long ago that AWS knows it no more`, async () => {
      const gone = (await bench.nodes())[0]!.instanceId;
      const administrator = new EC2Client(clientOf(await bench.sandbox(), REGION));
      await administrator.send(new TerminateInstancesCommand({ InstanceIds: [gone] }));
      administrator.destroy();
      await until(
        "the instance has ended",
        async () => !(await bench.live([REGION])).instances.some(({ InstanceId }) => InstanceId === gone),
      );
      await bench.control("POST", "forget", { instanceId: gone, region: REGION });
      const { code, stdout, stderr } = await bench.spot([command, "--yes"]);
      assert.equal(code, rightCode, stdout + stderr);
      if (command === "up") assert.notEqual((await bench.nodes())[0]?.instanceId, gone);
    });
});

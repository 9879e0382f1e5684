import { again } from "../../../../../fleet/steps";
import assert from "node:assert/strict";
import type { Cloud } from "../../../../../cloud/clients";
import { deniedActions, type Asker, type Intent, type Standing } from "../../../../../cloud/permissions";
import { GRANTS } from "../../../../../fleet/aws/permissions";
import { Tag } from "../../../../../fleet/model";
import { vcpuQuota } from "../../../../../cloud/offerings/quotas";
import { preflightExitCode, preflightText } from "../../../../../cli/commands/check";
import type { Preflight } from "../../../../../automation/operations/inspect/check";
import { findingOf, type Finding } from "../../../../../automation/operations/plan/region-checks";
import { errorInfo, SpotError } from "../../../../../fleet/errors";

describe("permission probes", () => {
  const fresh: Intent = {
    ami: "ami-1",
    machineType: "t3.medium",
    market: "spot",
    tags: { [Tag.lineage]: "0123456789abcdef" },
  };
  const standing: Standing = {
    instance: "i-1",
    interface: "eni-1",
    volume: "vol-1",
    vpc: "vpc-1",
    subnet: "subnet-1",
    gateway: "igw-1",
    table: "rtb-1",
    association: "rtbassoc-1",
    group: "sg-1",
    rule: "sgr-1",
  };
  interface Asked {
    action: string;
    input: { DryRun?: boolean; TagSpecifications?: { Tags: { Key: string }[] }[] };
  }
  /** An AWS that answers each action with this error; what it was asked goes into `asked`. */
  const awsThat = (answer: (action: string) => string, asked: Asked[] = [], message = "refused"): Cloud =>
    ({
      ec2: () => ({
        send: (command: { constructor: { name: string }; input: Asked["input"] }) => {
          const action = command.constructor.name.replace(/Command$/, "");
          asked.push({ action, input: command.input });
          return Promise.reject(Object.assign(new Error(message), { name: answer(action) }));
        },
      }),
    }) as unknown as Cloud;
  const askedOf = async (intent: Intent, asker: Asker): Promise<Asked[]> => {
    const asked: Asked[] = [];
    assert.deepEqual(
      await deniedActions(
        awsThat(() => "DryRunOperation", asked),
        "us-west-2",
        intent,
        asker,
      ),
      [],
    );
    return asked;
  };
  const changing = (asked: readonly Asked[]): string[] =>
    asked
      .map(({ action }) => action)
      .filter((action) => !action.startsWith("Describe"))
      .sort();

  it("ask for nothing but dry runs, and take DryRunOperation for a yes", async () => {
    const asked = await askedOf(fresh, { command: "check", standing });
    assert.ok(asked.length > 40);
    assert.ok(asked.every(({ input }) => input.DryRun === true));
  });

  it("ask of a fleet that has nothing yet what needs nothing to stand, with its tags", async () => {
    const asked = await askedOf(fresh, { command: "up" });
    const creating = ["CreateInternetGateway", "CreateSecurityGroup", "CreateVpc", "RunInstances"];
    assert.deepEqual(changing(asked), [...creating, "CreateTags"].sort());
    for (const { action, input } of asked.filter((one) => creating.includes(one.action)))
      assert.ok(
        input.TagSpecifications?.[0]?.Tags.some(({ Key }) => Key === Tag.lineage),
        action,
      );
  });

  it("leave the network alone when it is not ours to make", async () => {
    assert.deepEqual(changing(await askedOf({ ...fresh, vpc: "vpc-1" }, { command: "up" })), [
      "CreateSecurityGroup",
      "CreateTags",
      "RunInstances",
    ]);
  });

  it("ask in `up` of reads for those alone that nobody makes before the launch, in `check` for all", async () => {
    const reads = async (asker: Asker): Promise<string[]> =>
      (await askedOf(fresh, asker)).map(({ action }) => action).filter((action) => action.startsWith("Describe"));
    const inUp = await reads({ command: "up" });
    assert.ok(inUp.includes("DescribeInstanceAttribute"));
    assert.ok(!inUp.includes("DescribeSpotPriceHistory"));
    assert.deepEqual(
      (await reads({ command: "check", standing: {} })).map((action) => `ec2:${action}`).sort(),
      GRANTS.filter(({ sid }) => sid.startsWith("Look"))
        .flatMap(({ actions, use }) => (use === "operator" ? Object.keys(actions) : []))
        .filter((action) => action.startsWith("ec2:"))
        .sort(),
    );
  });

  it("name each action that is refused, with what to do", async () => {
    const denied = await deniedActions(
      awsThat((action) => (/^Run|CreateVpc$/.test(action) ? "UnauthorizedOperation" : "DryRunOperation")),
      "us-west-2",
      fresh,
      { command: "up" },
    );
    assert.deepEqual(
      denied.map(({ action }) => action),
      ["ec2:RunInstances", "ec2:CreateVpc"],
    );
    assert.ok(denied.every(({ next }) => next !== ""));
  });

  it("name the action that AWS names, once", async () => {
    const text =
      "You are not authorized to perform this operation. User: arn:aws:iam::1:user/a is not authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:us-west-2:1:vpc/* because no identity-based policy allows the ec2:CreateTags action";
    const denied = await deniedActions(
      awsThat((action) => (/^Create/.test(action) ? "UnauthorizedOperation" : "DryRunOperation"), [], text),
      "us-west-2",
      fresh,
      { command: "up" },
    );
    assert.deepEqual(
      denied.map(({ action }) => action),
      ["ec2:CreateTags"],
    );
  });

  it("take no other refusal for a missing permission", async () => {
    assert.deepEqual(
      await deniedActions(
        awsThat((action) => (/^Describe/.test(action) ? "InvalidInstanceID.NotFound" : "ExpiredToken")),
        "us-west-2",
        fresh,
        { command: "check", standing },
      ),
      [],
    );
  });
});

describe("the quota that a type counts against", () => {
  /** Service Quotas that answers each code so. */
  const quotas = (answer: (code: string) => unknown): { cloud: Cloud; asked: string[] } => {
    const asked: string[] = [];
    const send = ({ input: { QuotaCode } }: { input: { QuotaCode: string } }): Promise<unknown> => {
      asked.push(QuotaCode);
      const given = answer(QuotaCode);
      return given instanceof Error ? Promise.reject(given) : Promise.resolve(given);
    };
    return { cloud: { quotas: () => Promise.resolve({ send }) } as unknown as Cloud, asked };
  };
  const refusal = (name: string): Error => Object.assign(new Error("refused"), { name });

  it("is that of its family and market", async () => {
    const { cloud, asked } = quotas(() => ({ Quota: { Value: 8 } }));
    assert.deepEqual(await vcpuQuota(cloud, "us-west-2", "t3.medium", "spot"), { code: "L-34B43A08", limit: 8 });
    assert.deepEqual((await vcpuQuota(cloud, "us-west-2", "g5.xlarge", "on-demand"))?.code, "L-DB2E81BA");
    assert.deepEqual(asked, ["L-34B43A08", "L-DB2E81BA"]);
  });

  it("is none for a family that nobody listed, which is not asked for, and for a code that the region does not know", async () => {
    const { cloud, asked } = quotas(() => refusal("NoSuchResourceException"));
    assert.equal(await vcpuQuota(cloud, "us-west-2", "x2idn.large", "spot"), undefined);
    assert.deepEqual(asked, []);
    assert.equal(await vcpuQuota(cloud, "us-west-2", "t3.medium", "spot"), undefined);
  });

  it("is an error when AWS does not tell it", async () => {
    await assert.rejects(
      vcpuQuota(quotas(() => refusal("AccessDeniedException")).cloud, "us-west-2", "t3.medium", "spot"),
      { name: "E_PERMISSION" },
    );
  });
});

describe("what `check` says", () => {
  const problem = (check: string, level: Finding["level"], message: string, next: string): Finding => ({
    ...findingOf(check, errorInfo(new SpotError("E_AWS", { message, next, step: again() }))),
    level,
  });
  const region = (name: string, ...findings: Finding[]) => ({ region: name, nodes: 1, findings });
  const found = (regions: Preflight["regions"], local: Finding[] = []): Preflight => ({
    account: "123456789012",
    arn: "arn:aws:iam::123456789012:user/a",
    local,
    regions,
    drift: [],
    driftUnknown: [],
  });

  it("is one line for each region, and each problem with its next step", () => {
    const text = preflightText(
      found([
        {
          ...region("us-west-2"),
          nodes: 2,
          pool: "us-west-2b t3.medium spot, 0.0125 USD/h",
          vcpus: { wanted: 4, free: 32 },
        },
        region("us-east-1", problem("quota", "warning", "the quota leaves 0 vCPUs", "Ask for more.")),
        region(
          "me-south-1",
          problem("offer", "error", "me-south-1 is not enabled", "Enable it."),
          problem("key pair", "error", "no key pair k", "Import it."),
        ),
      ]),
    );
    assert.deepEqual(text.split("\n"), [
      "account 123456789012, arn:aws:iam::123456789012:user/a",
      "ok      us-west-2   2 nodes, first pool us-west-2b t3.medium spot, 0.0125 USD/h, 4 of 32 free vCPUs",
      "WARNING us-east-1   1 node",
      "        quota: the quota leaves 0 vCPUs",
      "          next: Ask for more.",
      "ERROR   me-south-1  1 node",
      "        offer: me-south-1 is not enabled",
      "          next: Enable it.",
      "        key pair: no key pair k",
      "          next: Import it.",
      "2 of 3 regions can be used.",
    ]);
  });

  it("ends with 0 when every region can be used, 4 when some can, 2 when none can or this machine lacks something (L41)", () => {
    const warned = region("a", problem("quota", "warning", "x", "y"));
    const bad = region("b", problem("offer", "error", "x", "y"));
    const cases: [Preflight, number][] = [
      [found([warned]), 0],
      [found([warned, bad]), 4],
      [found([bad]), 2],
      [found([warned], [problem("keys", "error", "x", "y")]), 2],
    ];
    for (const [preflight, code] of cases) assert.equal(preflightExitCode(preflight), code);
  });
});

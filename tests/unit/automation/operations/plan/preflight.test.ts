import { again } from "../../../../../fleet/steps";
import assert from "node:assert/strict";
import type { Cloud } from "../../../../../cloud/clients";
import { deniedActions } from "../../../../../cloud/permissions";
import { vcpuQuota } from "../../../../../cloud/offerings/quotas";
import { preflightExitCode, preflightText } from "../../../../../cli/commands/check";
import type { Preflight } from "../../../../../automation/operations/inspect/check";
import { findingOf, type Finding } from "../../../../../automation/operations/plan/region-checks";
import { errorInfo, SpotError } from "../../../../../fleet/errors";

describe("permission probes", () => {
  const launch = { ami: "ami-1", machineType: "t3.medium" };
  /** An AWS that answers each action with this error; what it was asked goes into `asked`. */
  const awsThat = (answer: (action: string) => string, asked: { action: string; dryRun: unknown }[] = []): Cloud =>
    ({
      ec2: () => ({
        send: (command: { constructor: { name: string }; input: { DryRun?: boolean } }) => {
          const action = command.constructor.name.replace(/Command$/, "");
          asked.push({ action, dryRun: command.input.DryRun });
          return Promise.reject(Object.assign(new Error("refused"), { name: answer(action) }));
        },
      }),
    }) as unknown as Cloud;

  it("ask for nothing but a dry run, and take DryRunOperation for a yes", async () => {
    const asked: { action: string; dryRun: unknown }[] = [];
    assert.deepEqual(
      await deniedActions(
        awsThat(() => "DryRunOperation", asked),
        "us-west-2",
        launch,
        true,
      ),
      [],
    );
    assert.deepEqual(asked.map(({ action }) => action).sort(), [
      "CreateInternetGateway",
      "CreateRouteTable",
      "CreateSecurityGroup",
      "CreateSubnet",
      "CreateVpc",
      "RunInstances",
      "TerminateInstances",
    ]);
    assert.ok(asked.every(({ dryRun }) => dryRun === true));
  });

  it("name each action that is refused, with AWS's code and what to do", async () => {
    const denied = await deniedActions(
      awsThat((action) => (/^Run|Vpc$/.test(action) ? "UnauthorizedOperation" : "DryRunOperation")),
      "us-west-2",
      launch,
      true,
    );
    assert.deepEqual(
      denied.map(({ action, awsCode }) => [action, awsCode]),
      [
        ["RunInstances", "UnauthorizedOperation"],
        ["CreateVpc", "UnauthorizedOperation"],
      ],
    );
    assert.ok(denied.every(({ next }) => next !== ""));
  });

  it("take no other refusal for a missing permission, and leave the network alone when it is not ours to make", async () => {
    const asked: { action: string; dryRun: unknown }[] = [];
    assert.deepEqual(
      await deniedActions(
        awsThat(
          (action) => (action === "TerminateInstances" ? "InvalidInstanceID.NotFound" : "VcpuLimitExceeded"),
          asked,
        ),
        "us-west-2",
        launch,
        false,
      ),
      [],
    );
    assert.deepEqual(asked.map(({ action }) => action).sort(), [
      "CreateSecurityGroup",
      "RunInstances",
      "TerminateInstances",
    ]);
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

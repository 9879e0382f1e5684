import assert from "node:assert/strict";
import {
  diagnose,
  rootOf as rootOfSteps,
  type DiagnosisStep,
  type FailedReach,
} from "../../../../fleet/checks/diagnosis";
import type { CloudFacts } from "../../../../fleet/checks";

const cloud: CloudFacts = {
  account: "1",
  caller: { cidr: "198.18.0.1/32", isCertain: true },
  instance: {
    instanceId: "i-0a",
    state: "running",
    instanceType: "t3.small",
    availabilityZone: "us-west-2a",
    market: "spot",
    publicAddress: "198.18.0.2",
    httpTokens: "required",
    tags: {},
  },
  groups: {
    value: [
      { id: "sg-1", isOwn: true, ingress: [{ protocol: "tcp", fromPort: 22, toPort: 22, source: "198.18.0.1/32" }] },
    ],
  },
  internetRoute: { value: "igw-1" },
};
const failed = (more: Partial<FailedReach> = {}): FailedReach => ({
  cloud,
  stage: "banner",
  failure: "nothing listens",
  console: { value: "Debian GNU/Linux 12 login:\n" },
  ...more,
});
const shown = (more?: Partial<FailedReach>): string[] =>
  diagnose(failed(more)).map(({ subject, state }) => `${subject} ${state}`);

const rootOf = (steps: readonly DiagnosisStep[], mayAdmitCallers = true) => rootOfSteps(steps, { mayAdmitCallers });

describe("why a node cannot be reached", () => {
  it("looks at everything on the way, in order", () => {
    assert.deepEqual(shown(), [
      "instance state ok",
      "console output ok",
      "security group ok",
      "route ok",
      "public address ok",
      "banner problem",
      "host key unknown",
      "authentication unknown",
    ]);
  });

  for (const [what, more, cause] of [
    ["the instance is gone", { cloud: { ...cloud, instance: undefined } }, /^instance state: no such instance$/],
    [
      "the instance was ended",
      {
        cloud: {
          ...cloud,
          instance: { ...cloud.instance!, state: "terminated", stateReason: "Server.SpotInstanceTermination" },
        },
      },
      /^instance state: terminated: Server\.SpotInstance/,
    ],
    [
      "its kernel panicked",
      { console: { value: "\u001b[0mKernel panic - not syncing\n" } },
      /^console output: Kernel panic - not syncing$/,
    ],
    [
      "the address changed",
      { cloud: { ...cloud, caller: { cidr: "198.18.0.9/32", isCertain: true } } },
      /^security group: no group admits SSH from 198\.18\.0\.9/,
    ],
    [
      "the address seems to have changed",
      { cloud: { ...cloud, caller: { cidr: "198.18.0.9/32", isCertain: false } } },
      /^security group: no group admits SSH from 198\.18\.0\.9/,
    ],
    ["there is no way out", { cloud: { ...cloud, internetRoute: { value: null } } }, /^route: the subnet has no route/],
    [
      "there is no address",
      { cloud: { ...cloud, instance: { ...cloud.instance!, publicAddress: undefined } } },
      /^public address: none$/,
    ],
    ["nothing answers", {}, /^banner: nothing listens$/],
    ["another key answers", { stage: "host-key", failure: "another key" }, /^host key: another key$/],
    ["the login is refused", { stage: "login", failure: "refused" }, /^authentication: refused$/],
  ] as [string, Partial<FailedReach>, RegExp][]) {
    it(`names the first thing that is wrong when ${what}`, () =>
      assert.match(rootOf(diagnose(failed(more)))?.cause ?? "", cause));
  }

  it("an earlier boot and its end on the console are no cause; an end with nothing after it is", () => {
    const ended = "Kernel panic\n[  OK  ] Reached target final.target - Late Shutdown Services.\n";
    assert.match(
      rootOf(diagnose(failed({ console: { value: `${ended}Welcome to Debian\n` } })))?.cause ?? "",
      /^banner/,
    );
    assert.match(rootOf(diagnose(failed({ console: { value: ended } })))?.cause ?? "", /^console output: it went down/);
  });

  it("advises what helps against that, and leaves the rest to the check that failed", () => {
    const shutOut = diagnose(failed({ cloud: { ...cloud, caller: { cidr: "198.18.0.9/32", isCertain: false } } }));
    assert.match(rootOf(shutOut)?.next ?? "", /allow-me/);
    assert.match(rootOf(shutOut, false)?.next ?? "", /^`ssh\.allow` names fixed addresses only/);
    assert.match(
      rootOf(diagnose(failed({ cloud: { ...cloud, internetRoute: { value: null } } })))?.next ?? "",
      /route to an internet gateway/,
    );
    assert.equal(rootOf(diagnose(failed()))?.next, undefined);
  });

  it("a port that is open besides keeps nobody out, and is no cause", () => {
    const [group] = cloud.groups?.value ?? [];
    const groups = {
      value: [
        { ...group!, ingress: [...group!.ingress, { protocol: "tcp", fromPort: 80, toPort: 80, source: "0.0.0.0/0" }] },
      ],
    };
    assert.match(rootOf(diagnose(failed({ cloud: { ...cloud, groups } })))?.cause ?? "", /^banner/);
  });

  it("what cannot be looked at is unknown, and no cause", () => {
    const steps = diagnose(
      failed({
        cloud: { account: "1", unanswered: "the region did not answer", groups: { failure: "denied" } },
        console: { failure: "denied" },
      }),
    );
    assert.deepEqual(
      steps.slice(0, 5).map(({ state }) => state),
      ["unknown", "unknown", "unknown", "unknown", "unknown"],
    );
  });
});

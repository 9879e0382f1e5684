import assert from "node:assert/strict";
import type { Cloud } from "../../../../cloud/clients";
import { callerIdentity } from "../../../../cloud/identity";
import { EMPTY_STATE, type StackState } from "../../../../automation/engine/state";
import { divided, fleetIdOf, newEndpoints, recordedAccount } from "../../../../automation/session/ownership";
import type { Target } from "../../../../automation/target";
import type { SpotError } from "../../../../fleet/errors";
import { accountOfArn } from "../../../../fleet/identity/account";
import { asFleetId } from "../../../../fleet/identity/fleet-id";
import { isOfStack } from "../../../../fleet/identity/ownership";

const A = "111111111111";
const B = "222222222222";
const ID = "0123456789abcdef";
const FILE = "/x/Pulumi.dev.yaml";

const resource = (outputs: Record<string, unknown>, stack = "dev", id = "i-1") => ({
  urn: `urn:pulumi:${stack}::spot-deployer::aws:ec2/vpc:Vpc::us-west-2`,
  type: "aws:ec2/vpc:Vpc",
  name: "us-west-2",
  custom: true,
  id,
  inputs: {},
  outputs,
  created: undefined,
  isHalfMade: false,
});
const state = (changes: Partial<StackState>): StackState => ({ ...EMPTY_STATE, ...changes });
const ofAccount = (account: string) => resource({ arn: `arn:aws:ec2:us-west-2:${account}:vpc/vpc-1` });

describe("the account of a fleet", () => {
  it("is read from an ARN, whatever the partition and the service", () => {
    assert.equal(accountOfArn(`arn:aws:ec2:us-west-2:${A}:instance/i-1`), A);
    assert.equal(accountOfArn(`arn:aws-cn:iam::${A}:role/x`), A);
    for (const text of [
      "",
      "arn:aws:ec2:us-west-2::image/ami-1",
      "arn:aws:s3:::bucket",
      A,
      `arn:aws:ec2:us-west-2:${A}`,
    ])
      assert.equal(accountOfArn(text), undefined, text);
  });

  const rows: [what: string, state: StackState, settings: string | undefined, expected: string | undefined][] = [
    ["by the ARNs of its resources", state({ resources: [resource({}), ofAccount(A)] }), undefined, A],
    ["by what the program was given", state({ account: A }), undefined, A],
    ["by the settings, while there is no state", EMPTY_STATE, A, A],
    ["by nothing", state({ resources: [resource({})] }), undefined, undefined],
    [
      "by ARNs before the program's word, which a copied file may carry",
      state({ resources: [ofAccount(A)], account: B }),
      undefined,
      A,
    ],
  ];
  for (const [what, of, settings, expected] of rows)
    it(`is known ${what}`, () => assert.equal(recordedAccount(of, { account: settings }, FILE), expected));

  it("is not guessed where state and settings, or resources among themselves, contradict each other", () => {
    assert.throws(() => recordedAccount(state({ resources: [ofAccount(A)] }), { account: B }, FILE), {
      code: "E_STATE",
      message: `Pulumi.dev.yaml speaks of account ${B}, the state of account ${A}`,
    });
    assert.throws(() => recordedAccount(state({ resources: [ofAccount(A), ofAccount(B)] }), {}, FILE), {
      code: "E_STATE",
      message: /several accounts/,
    });
  });
});

describe("a fleet ID", () => {
  const BAD = [
    "*",
    "????????????????",
    "",
    " ",
    ` ${ID}`,
    `${ID}\n`,
    ID.slice(1),
    `${ID}0`,
    ID.toUpperCase(),
    "0123456789abcdeg",
    "../../../etc/abc",
  ];
  it("is 16 hex digits and nothing else", () => {
    assert.equal(asFleetId(ID, "--fleet-id"), ID);
    for (const id of BAD) assert.throws(() => asFleetId(id, "--fleet-id"), { code: "E_USAGE" }, JSON.stringify(id));
  });

  const of = (recorded: StackState, lineage?: string) =>
    fleetIdOf({ configFile: FILE }, "org/project/dev", recorded, { lineage });
  it("is the state's, else the settings', else none", () => {
    assert.equal(of(state({ lineage: ID, resources: [resource({})] }), ID), ID);
    assert.equal(of(EMPTY_STATE, ID), ID);
    assert.equal(of(EMPTY_STATE), undefined);
  });

  it("that is none, that contradicts the other, or that comes with another stack's state is refused", () => {
    for (const id of BAD) {
      assert.throws(() => of(EMPTY_STATE, id), { code: "E_STATE" }, JSON.stringify(id));
      assert.throws(() => of(state({ lineage: id })), { code: "E_STATE" }, JSON.stringify(id));
    }
    assert.throws(() => of(state({ lineage: ID }), "fedcba9876543210"), {
      code: "E_STATE",
      message: /speaks of the fleet fedcba9876543210, the state of 0123456789abcdef/,
    });
    assert.throws(() => of(state({ lineage: ID, resources: [resource({}, "prod")] }), ID), {
      code: "E_STATE",
      message: /is that of another stack/,
    });
  });

  it("alone makes nothing ours: the tag of the stack counts too, or an id of the state", () => {
    assert.ok(isOfStack({ "spot-deployer:stack": "dev" }, "org/project/dev"));
    assert.ok(!isOfStack({ "spot-deployer:stack": "prod" }, "dev") && !isOfStack({}, "dev"));
    const objects: { id: string; tags: Record<string, string> }[] = [
      { id: "i-1", tags: {} },
      { id: "i-2", tags: { "spot-deployer:stack": "dev" } },
      { id: "i-3", tags: { "spot-deployer:stack": "prod" } },
    ];
    const { own, others } = divided(
      { state: state({ resources: [resource({})] }), target: { stack: "dev" } as Target },
      objects,
    );
    assert.deepEqual([own.map(({ id }) => id), others.map(({ id }) => id)], [["i-1", "i-2"], ["i-3"]]);
  });
});

describe("endpoints outside AWS", () => {
  const HERE = { ec2: "http://localhost:4566" };
  const THERE = { ec2: "http://localhost:1" };
  const target = (foreignEndpoints: Target["foreignEndpoints"], kind: Target["kind"] = "aws") =>
    ({ kind, stack: "dev", foreignEndpoints }) as Target;
  const fleet = { regions: ["us-west-2"] };
  const rows: [
    what: string,
    now: Target["foreignEndpoints"],
    recorded: Parameters<typeof newEndpoints>[0]["settings"],
    of: Partial<StackState>,
    asks: boolean,
    expected: "same" | "asked" | "refused",
  ][] = [
    ["none, as ever", {}, {}, fleet, false, "same"],
    ["for a stack that is new: said, and asked by `up`", HERE, {}, {}, false, "asked"],
    ["for a fleet of an earlier version: asked by `up`", HERE, {}, fleet, true, "asked"],
    ["for a fleet of an earlier version: refused by any other command", HERE, {}, fleet, false, "refused"],
    ["to which the stack is bound", HERE, { account: A, endpoints: HERE }, fleet, false, "same"],
    [
      "to which the stack is bound by its state alone",
      HERE,
      {},
      { ...fleet, account: A, endpoints: HERE },
      false,
      "same",
    ],
    ["other than those of the stack", THERE, { account: A, endpoints: HERE }, fleet, true, "refused"],
    ["none, for a stack that is bound to some", {}, { account: A, endpoints: HERE }, fleet, true, "refused"],
    [
      "none, for a stack that its state binds to some",
      {},
      {},
      { ...fleet, account: A, endpoints: HERE },
      true,
      "refused",
    ],
    ["for a stack of AWS", HERE, { account: A }, {}, true, "refused"],
  ];
  for (const [what, now, settings, of, asks, expected] of rows) {
    it(`${what}: ${expected}`, () => {
      const judged = () => newEndpoints({ target: target(now), state: state(of), settings }, asks);
      if (expected === "refused") assert.throws(judged, { code: "E_ACCOUNT" });
      else assert.equal(judged() === undefined, expected === "same");
    });
  }

  it("are no matter of a sandbox, which has one of its own", () =>
    assert.equal(
      newEndpoints({ target: target(HERE, "sandbox"), state: EMPTY_STATE, settings: {} }, false),
      undefined,
    ));
});

describe("asking whose the credentials are", () => {
  /** A cloud whose regions answer, refuse, or never answer; `asked` tells the order. */
  const cloud = (answers: Record<string, "answers" | "refuses" | "hangs">, asked: string[] = []): Cloud =>
    ({
      sts: (region: string) =>
        Promise.resolve({
          send: () => {
            asked.push(region);
            if (answers[region] === "answers")
              return Promise.resolve({ Account: A, Arn: `arn:aws:iam::${A}:user/${region}` });
            return answers[region] === "hangs"
              ? new Promise(() => undefined)
              : Promise.reject(Object.assign(new Error(`${region} is out`), { name: "ServiceUnavailable" }));
          },
        }),
    }) as unknown as Cloud;

  it("asks a region of the work, and no other when it answers", async () => {
    const asked: string[] = [];
    assert.deepEqual(
      await callerIdentity(cloud({ "eu-west-1": "answers", "us-west-2": "answers", "us-east-1": "answers" }, asked), [
        "eu-west-1",
        "us-west-2",
      ]),
      { account: A, arn: `arn:aws:iam::${A}:user/eu-west-1`, region: "eu-west-1" },
    );
    assert.deepEqual(asked, ["eu-west-1"]);
  });

  it("asks the next when one refuses, and the region that every account has at last", async () => {
    const asked: string[] = [];
    assert.equal(
      (await callerIdentity(cloud({ "us-east-1": "answers" }, asked), ["eu-west-1", "us-west-2", "sa-east-1"])).region,
      "us-east-1",
    );
    assert.deepEqual(asked, ["eu-west-1", "us-west-2", "us-east-1"]);
  });

  it("does not wait for one that hangs", async function () {
    this.timeout(60_000);
    assert.equal(
      (await callerIdentity(cloud({ "eu-west-1": "hangs", "us-east-1": "answers" }), ["eu-west-1"])).region,
      "us-east-1",
    );
  });

  it("says what the last one said when none answers", async () => {
    await assert.rejects(callerIdentity(cloud({}), ["eu-west-1"]), ({ cause }: SpotError) =>
      /us-east-1 is out/.test(String(cause)),
    );
  });
});

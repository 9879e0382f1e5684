import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stateFilesOf } from "../../automation/engine/state-files";
import type { StackState } from "../../automation/engine/state";
import { isOfAws } from "../../fleet/aws/resource-types";
import { parseGenerationTag } from "../../fleet/identity/launch";
import { Tag } from "../../fleet/model";
import { RECORD, STASH_TYPE } from "../../fleet/plan/stack-config";
import { accessKeyOf } from "../../sandbox/gateway/protocol/accounts";
import { launchStranger } from "../support/stranger";
import { writeOwnKey } from "../support/own-key";
import { FIRST_RUN_MS } from "../support/sandbox";
import { Workbench, type Outcome } from "../support/workbench";

const OTHER_ACCOUNT = "222222222222";
const NODE = "us-west-2-0";
const [WEST, EAST] = ["us-west-2", "us-east-1"];

const said = ({ stdout, stderr }: Outcome): string => stdout + stderr;
function done(outcome: Outcome, ...codes: number[]): string {
  assert.ok((codes.length === 0 ? [0] : codes).includes(outcome.code!), `${outcome.code}: ${said(outcome)}`);
  return said(outcome);
}

/** What somebody gets who has no fleet and makes one with `pulumi` alone, and goes on with `spot`, here or elsewhere. */
describe("a stack that plain Pulumi makes", function () {
  this.timeout(FIRST_RUN_MS * 2);
  const bench = new Workbench();
  after(() => bench[Symbol.asyncDispose]());

  const key = writeOwnKey(bench.dir);
  const configure = (counts: Record<string, number>): void =>
    bench.config(counts, { top: ["ssh:", "  allow: [203.0.113.0/24]"], aws: key });
  const up = async (...more: string[]): Promise<string> =>
    done(await bench.pulumi("up", "--yes", "--skip-preview", ...more));
  const refused = async (...args: string[]): Promise<string> =>
    done(await bench.pulumi("up", "--yes", "--skip-preview", ...args), 1, 255);
  const spot = async (...args: string[]): Promise<string> => done(await bench.spot(args), 0, 9);
  const state = (): StackState => stateFilesOf(`file://${bench.home}/backend`, bench.stack)!.read()!;
  const ids = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await bench.live([WEST, EAST])).instances
        .map(({ Tags, InstanceId }): [string, string] => [
          Tags?.find(({ Key }) => Key === Tag.node)?.Value ?? "?",
          InstanceId!,
        ])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  const withoutSettings = async <T>(work: () => Promise<T>): Promise<T> => {
    const kept = readFileSync(bench.stackFile);
    rmSync(bench.stackFile);
    try {
      return await work();
    } finally {
      writeFileSync(bench.stackFile, kept);
    }
  };

  before(() => bench.begin());

  it("is made by `env --create`, which says whose it is; `env` alone makes nothing, and says so", async () => {
    const unmade = await bench.spot(["env"]);
    assert.equal(unmade.code, 0);
    assert.match(unmade.stderr, /there is no stack \S+ yet: .*`env --create`/);
    assert.ok(!existsSync(bench.stackFile));
    const created = await bench.spot(["env", "--create", "--config", bench.configFile]);
    assert.equal(created.code, 0, created.stderr);
    assert.doesNotMatch(created.stderr, /there is no stack/);
    assert.match(readFileSync(bench.stackFile, "utf8"), /spot-deployer:lineage: [0-9a-f]{16}/);
    const again = await bench.spot(["env", "--create"]);
    assert.deepEqual([again.code, again.stdout], [0, created.stdout]);
  });

  it("is refused with the lines to add where nobody can tell who may log in, and launches nothing", async () => {
    bench.config({ [WEST]: 1 });
    const words = await refused();
    for (const line of [/allow: \[203\.0\.113\.7\/32\]/, /public_ssh_key_path: /, /E_NETWORK/, /no key to log in/])
      assert.match(words, line);
    assert.deepEqual([await ids(), state().record], [{}, undefined], "it is bound to no account");
  });

  it("is not begun by a run that is not to record whose it is", async () => {
    configure({ [WEST]: 1 });
    const words = await refused("--target", "**RegionNetwork**");
    assert.match(words, /has no record of its fleet yet, and this run is not to make one \(E_STATE\)/);
    assert.ok(!state().resources.some(({ type }) => isOfAws(type)));
  });

  it("has all its instances, decided once, and says what is still to be done", async () => {
    configure({ [WEST]: 2, [EAST]: 1 });
    const preview = done(await bench.pulumi("preview"));
    assert.match(preview, /aws:ec2:Instance us-west-2-1-spot create/);
    assert.match(await up(), /deploys to none: `spot up` deploys/);
    const made = await ids();
    assert.deepEqual(Object.keys(made), ["us-east-1-0", "us-west-2-0", "us-west-2-1"]);
    const { nodes, regions } = JSON.parse(done(await bench.pulumi("stack", "output", "--json"))) as {
      nodes: { name: string; id: string; address: string }[];
      regions: string[];
    };
    assert.deepEqual(Object.fromEntries(nodes.map(({ name, id }) => [name, id])), made, "in plain text");
    assert.ok(nodes.every(({ address }) => /^[\d.]+$/.test(address)));
    assert.deepEqual(regions, [EAST, WEST]);
    assert.deepEqual(state().record?.pins.nodes, {}, "each node's decision is a record of its own");
    await up("--expect-no-changes");
    done(await bench.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes"));
    assert.deepEqual(await ids(), made);
  });

  it("is taken over by `spot up`, which replaces nothing and records what it decided", async () => {
    const before = await ids();
    const { lineage } = state();
    await spot("up");
    assert.deepEqual(await ids(), before);
    assert.deepEqual([state().lineage, Object.keys(state().record?.pins.nodes ?? {})], [lineage, Object.keys(before)]);
    assert.match(await spot("up"), /^Nothing to change/m);
    await up("--expect-no-changes");
  });

  it("is planned alike without its settings, by either of them", async () => {
    await withoutSettings(async () => {
      done(await bench.pulumi("preview", "--expect-no-changes"));
      rmSync(bench.stackFile, { force: true });
      assert.match(await spot("preview"), /^Nothing to change/m);
      assert.match(await spot("up"), /^Nothing to change/m);
    });
  });

  it("is planned alike with settings that are older than its record", async () => {
    const old = readFileSync(bench.stackFile);
    configure({ [WEST]: 3 });
    await spot("up");
    const now = readFileSync(bench.stackFile);
    writeFileSync(bench.stackFile, old);
    done(await bench.pulumi("preview", "--expect-no-changes"));
    writeFileSync(bench.stackFile, now);
  });

  it("keeps the secret from which its nodes' tokens come, whatever becomes of the settings", async () => {
    const exported = JSON.parse(done(await bench.pulumi("stack", "export", "--show-secrets"))) as {
      deployment: {
        resources: {
          urn: string;
          inputs?: {
            input?: { fleetSecret?: { plaintext: string } };
            userDataBase64?: { plaintext: string };
            tags?: Record<string, string>;
          };
        }[];
      };
    };
    const { resources } = exported.deployment;
    const record = resources.find(({ urn }) => urn.endsWith(`${STASH_TYPE}::${RECORD}`));
    const secret = JSON.parse(record!.inputs!.input!.fleetSecret!.plaintext) as string;
    const nodes = resources.filter(({ inputs }) => inputs?.userDataBase64);
    assert.equal(nodes.length, 3);
    for (const { inputs } of nodes) {
      const name = inputs!.tags![Tag.node]!;
      const { generation, launch } = parseGenerationTag(inputs!.tags![Tag.generation]!);
      const token = createHmac("sha256", secret).update([name, generation, launch].join("\n")).digest("hex");
      const userData = Buffer.from(JSON.parse(inputs!.userDataBase64!.plaintext) as string, "base64").toString();
      assert.ok(userData.includes(token), name);
    }
    const text = readFileSync(stateFilesOf(`file://${bench.home}/backend`, bench.stack)!.state, "utf8");
    assert.ok(!text.includes(secret), "never in plain text");
  });

  it("refuses another account, another place and settings of another fleet, and changes nothing", async () => {
    const before = await ids();
    const { stdout: exports } = await bench.spot(["env"]);
    const upWith = async (lines: string): Promise<string> => {
      const script = `${exports}\n${lines}\nexec pulumi up --yes --skip-preview --non-interactive`;
      return done(await bench.start(["-c", script], { plain: true, command: ["sh"] }).done, 1, 255);
    };
    assert.match(
      await upWith(`export AWS_ACCESS_KEY_ID=${accessKeyOf(OTHER_ACCOUNT)}`),
      /the fleet is in account \d{12}, the credentials are of 222222222222 \(E_ACCOUNT\)/,
    );
    assert.match(
      await upWith("export AWS_ENDPOINT_URL=http://127.0.0.1:1"),
      /this stack belongs to the sandbox at [^]*\(E_STACK_MISMATCH\)/,
    );
    const kept = readFileSync(bench.stackFile, "utf8");
    writeFileSync(bench.stackFile, kept.replace(/(?<=spot-deployer:lineage: ).*/, "0123456789abcdef"));
    try {
      assert.match(await upWith(""), /speaks of the fleet 0123456789abcdef, the state of \w+ \(E_STATE\)/);
    } finally {
      writeFileSync(bench.stackFile, kept);
    }
    assert.deepEqual(await ids(), before);
  });

  it("is ended by `pulumi destroy`, made again by `pulumi up`, and ended by `spot down`", async () => {
    done(await bench.pulumi("destroy", "--yes", "--skip-preview"));
    assert.deepEqual(await ids(), {});
    configure({ [WEST]: 1 });
    await up();
    assert.deepEqual(Object.keys(await ids()), [NODE]);
    await launchStranger(await bench.sandbox(), "eu-west-1");
    await bench.control("POST", "faults", [
      { action: "DeleteVpc", effect: { error: { code: "UnauthorizedOperation", status: 403, message: "no" } } },
    ]);
    const partly = await bench.spot(["down"]);
    await bench.control("DELETE", "faults");
    assert.notEqual(partly.code, 0, said(partly));
    assert.ok(state().record, "what could not be ended still belongs to the fleet");
    assert.match(await spot("down"), /Proven: all \d+ objects? of the fleet are gone/);
  });

  for (const [whose, make] of [
    ["plain Pulumi", () => up()],
    ["spot", () => spot("up")],
  ] as const) {
    it(`begins anew by ${whose} where \`pulumi destroy\` took all that told what its secrets are encrypted with`, async () => {
      await spot("env", "--create", "--config", bench.configFile);
      await make();
      rmSync(bench.stackFile);
      done(await bench.pulumi("destroy", "--yes", "--skip-preview"));
      assert.deepEqual([await ids(), state().resources], [{}, []]);
      if (whose === "plain Pulumi") await spot("env", "--create", "--config", bench.configFile);
      await make();
      assert.deepEqual(Object.keys(await ids()), [NODE]);
      await spot("down");
    });
  }
});

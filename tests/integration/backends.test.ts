import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { startPulumiService, type PulumiService } from "../support/pulumi-service";
import { FIRST_RUN_MS, HELD, until } from "../support/sandbox";
import { ACCESS_DENIED, startStateBucket, type StateBucket } from "../support/state-bucket";
import { Workbench, type Outcome } from "../support/workbench";

/** A command that failed before it began anything, and says why in these words. */
const failed = ({ code, stderr }: Outcome, error: string, ...words: RegExp[]): void => {
  assert.equal(code, error.startsWith("E_LOCKED") ? 7 : 1, stderr);
  assert.ok(stderr.includes(`ERROR ${error}`), stderr);
  for (const pattern of words) assert.match(stderr, pattern);
};

describe("a fleet whose state is kept in S3", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  let bucket: StateBucket;
  let node: string;
  before(async () => {
    bench = new Workbench();
    bench.config({ "us-west-2": 1 });
    await bench.begin();
    bucket = await startStateBucket();
    bench.backend = bucket.url;
  });
  after(async () => {
    await bench[Symbol.asyncDispose]();
    await bucket[Symbol.asyncDispose]();
  });
  afterEach(() => (bucket.refuse = () => undefined));

  const state = () => `.pulumi/stacks/spot-deployer/${bench.stack}.json`;
  const instances = async () => (await bench.live(["us-west-2"])).instances.map(({ InstanceId }) => InstanceId!);

  it("is made, read, and seen by plain Pulumi as in a folder", async () => {
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.ok((await bucket.keys()).includes(state()));
    assert.equal(existsSync(path.join(bench.home, "backend/.pulumi")), false);
    const [own, ...others] = await bench.nodes();
    assert.deepEqual([await instances(), others], [[own!.instanceId], []]);
    node = own!.instanceId!;
    const preview = await bench.pulumi("preview", "--expect-no-changes");
    assert.equal(preview.code, 0, preview.stdout + preview.stderr);
  });

  it("is held by whoever has its lock; one of a process of this machine that is dead is cleared", async () => {
    const lock = `.pulumi/locks/organization/spot-deployer/${bench.stack}/0f0f0f0f-0000-4000-8000-000000000001.json`;
    const held = (hostname: string) =>
      bucket.put(
        lock,
        JSON.stringify({ pid: 2 ** 22 + 1, username: "ann", hostname, timestamp: "2026-01-01T00:00:00Z" }),
      );
    await held("laptop");
    bench.config({ "us-west-2": 2 });
    failed(await bench.spot(["up"]), `E_LOCKED: stack ${bench.stack} is locked by ann on laptop, process 4194305, for`);
    failed(await bench.spot(["down"]), "E_LOCKED");
    assert.equal((await bench.spot(["list"])).code, 0);
    assert.deepEqual(await instances(), [node]);
    await held(os.hostname());
    bench.config({ "us-west-2": 1 });
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.match(up.stderr, /cleared the lock of a run that no longer lives \(process 4194305\)/);
    assert.ok(!(await bucket.keys()).includes(lock));
  });

  it("is not changed by credentials that may not write there", async () => {
    bench.config({ "us-west-2": 2 });
    bucket.refuse = (method) => (method === "PUT" ? ACCESS_DENIED : undefined);
    failed(
      await bench.spot(["up"]),
      "E_BACKEND: the state backend refuses these credentials",
      /cause: [^]*PutObject.*AccessDenied/,
      /next: {2}Use credentials that may list, read, write and delete there/,
    );
    assert.deepEqual(await instances(), [node]);
    bucket.refuse = (method) => (method === "GET" ? ACCESS_DENIED : undefined);
    failed(await bench.spot(["list"]), "E_BACKEND: the state backend refuses these credentials");
    bench.config({ "us-west-2": 1 });
  });

  it("is restored by `recover` when it is lost", async () => {
    await bucket.remove(state());
    failed(
      await bench.spot(["up"]),
      `E_STATE: the state of stack ${bench.stack} is gone`,
      /`recover` restores the state/,
    );
    const recovered = await bench.spot(["recover", "--yes"]);
    assert.equal(recovered.code, 0, recovered.stderr);
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.deepEqual(await instances(), [node]);
  });

  it("outlives the sandbox, with its keys: the fleet is made again in the next one", async () => {
    await bench.start(["sandbox", "down"], { plain: true }).done;
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.match(up.stderr, /its instance i-\w+ in us-west-2 is gone; `up` makes it again/);
    const [again, ...others] = await instances();
    assert.deepEqual([again === node, others], [false, []]);
  });

  it("goes with the fleet", async () => {
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 0, down.stderr);
    assert.deepEqual(
      (await bucket.keys()).filter((key) => key === state() || key.includes("/locks/")),
      [],
    );
  });
});

describe("a fleet whose state is kept by a service", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  let service: PulumiService;
  let nodes: string[];
  before(async () => {
    bench = new Workbench();
    bench.config({ "us-west-2": 1 });
    await bench.begin();
    service = await startPulumiService();
    bench.backend = service.url;
    bench.token = service.token;
  });
  after(async () => {
    await bench[Symbol.asyncDispose]();
    await service.stop();
  });

  const name = () => `spot-deployer/${bench.stack}`;
  const instances = async () => (await bench.live(["us-west-2"])).instances.map(({ InstanceId }) => InstanceId!).sort();
  /** Updates, refreshes and the like that the service was asked to begin: each is a line in the stack's history. */
  const begun = () =>
    service.calls.filter(({ method, path: at }) => method === "POST" && /\/(update|refresh|destroy)$/.test(at)).length;

  it("is made, read, and seen by plain Pulumi as in a folder", async () => {
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    nodes = await instances();
    assert.equal(nodes.length, 1);
    const updates = begun();
    const again = await bench.spot(["up"]);
    assert.match(again.stdout, /Nothing to change/, again.stderr);
    const preview = await bench.pulumi("preview", "--expect-no-changes");
    assert.equal(preview.code, 0, preview.stdout + preview.stderr);
    assert.equal(begun(), updates, "what changes nothing leaves nothing in the stack's history");
  });

  it("is the same under its full name", async () => {
    const place = ["--sandbox=api", "--config", bench.configFile, "--stack", `${service.user}/${name()}`];
    const { code, stdout, stderr } = await bench.spot(["preview", ...place], { plain: true });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Nothing to change/);
  });

  it("is left alone while somebody else updates it", async () => {
    const end = service.occupy(name());
    bench.config({ "us-west-2": 2 });
    for (const command of ["up", "down"])
      failed(
        await bench.spot([command]),
        `E_LOCKED: stack ${bench.stack} is in use: update by somebody-else, begun `,
        /next: {2}Wait for it to end\. When it is surely dead, run `pulumi cancel`/,
      );
    assert.equal((await bench.spot(["list"])).code, 0);
    end();
    assert.deepEqual(await instances(), nodes);
  });

  it("goes on after a run that lost it in the middle, with the node that it could not record", async () => {
    await bench.control("POST", "faults", [{ action: "RunInstances", effect: HELD }]);
    const run = bench.start(["up"]);
    await until("the launch is under way", async () => {
      const calls = await bench.control<Record<string, Record<string, number>>>("GET", "calls");
      return (calls["us-west-2"]?.RunInstances ?? 0) > 1;
    });
    service.expireLease(name());
    await bench.control("DELETE", "faults");
    failed(
      await run.done,
      "E_BACKEND: not all that was done could be recorded: the state backend refuses these credentials",
      /cause: .*update token has expired/,
      /next: {2}Once the state can be written again, run the command again/,
    );
    failed(await bench.spot(["up"]), "E_LOCKED");
    const cancelled = await bench.pulumi("cancel", "--yes");
    assert.equal(cancelled.code, 0, cancelled.stderr);
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    const standing = await instances();
    assert.equal(standing.length, 2);
    assert.ok(standing.includes(nodes[0]!));
    assert.deepEqual((await bench.nodes()).map(({ instanceId }) => instanceId).sort(), standing);
  });

  it("is closed to a login that is not valid there", async () => {
    bench.token = "pul-of-somebody-else";
    failed(await bench.spot(["up"]), "E_BACKEND: there is no valid login at the state backend", /Unauthorized/);
    bench.token = service.token;
  });

  it("does not keep a fleet from ending where the steps of that cannot be written", async () => {
    service.fault({ method: "PATCH", status: 500 });
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 0, down.stdout + down.stderr);
    assert.match(down.stdout, /^Proven: all 12 objects/m);
    assert.match(down.stderr, /ERROR: not all that was done could be recorded/);
    assert.match(down.stderr, /WARNING: stack \S+ stays, for its record still names resources; put right what is/);
    assert.notEqual(service.stack(name()), undefined);
    service.fault();
  });

  it("goes with the fleet", async () => {
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 0, down.stderr);
    assert.equal(service.stack(name()), undefined);
    assert.deepEqual(service.unknown, []);
  });
});

describe("a state backend that cannot be used", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  let bucket: StateBucket;
  before(async () => {
    bench = new Workbench();
    bench.config({ "us-west-2": 1 });
    await bench.begin();
    bucket = await startStateBucket();
    writeFileSync(path.join(bench.dir, "file"), "");
  });
  after(async () => {
    await bench[Symbol.asyncDispose]();
    await bucket[Symbol.asyncDispose]();
  });

  const up = async (url: string): Promise<Outcome> => {
    bench.backend = url;
    const outcome = await bench.spot(["up"]);
    assert.deepEqual((await bench.live()).vpcs, []);
    return outcome;
  };
  const BACKEND = "E_BACKEND: the state backend";
  const CORRECT =
    /next: {2}.*correct its URL: PULUMI_BACKEND_URL or `backend:` in config\.yaml, in a sandbox SPOT_SANDBOX_BACKEND/;

  for (const [what, url, error, ...words] of [
    ["a bucket that is not there", () => bucket.missing, `${BACKEND} is not there`, /NoSuchBucket/, CORRECT],
    ["a folder that is not there", () => `file://${bench.dir}/none`, `${BACKEND} is not there`, CORRECT],
    [
      "a file in place of the folder",
      () => `file://${bench.dir}/file`,
      `${BACKEND} is not there`,
      /file is not a directory/,
    ],
    [
      "an S3 that does not answer",
      () => "s3://b?region=us-east-1&endpoint=http://127.0.0.1:1&s3ForcePathStyle=true",
      `${BACKEND} cannot be reached`,
      /connection refused/,
      CORRECT,
    ],
    [
      "a parameter that S3 does not have",
      () => "s3://b?regon=us-east-1",
      `${BACKEND} cannot be used`,
      /unknown query parameter "regon"/,
    ],
    [
      "a service without a login",
      () => "http://127.0.0.1:1",
      "E_BACKEND: there is no valid login at the state backend",
      /Set PULUMI_ACCESS_TOKEN/,
    ],
    ["another cloud without credentials", () => "gs://b", `${BACKEND} cannot be used`, /missing google credentials/],
  ] as [string, () => string, string, ...RegExp[]][])
    it(what, async () => failed(await up(url()), error, ...words));

  it("what is no backend", async () => {
    const { code, stderr } = await up("memory");
    assert.equal(code, 2);
    assert.match(stderr, /E_USAGE: SPOT_SANDBOX_BACKEND is memory; it takes the URL of a state backend: file:\/\//);
  });

  it("a folder that can only be read", async function () {
    // Root may write anywhere but there, and only root can mount.
    if (process.getuid?.() !== 0 || process.platform !== "linux") this.skip();
    const folder = path.join(bench.dir, "read only");
    mkdirSync(folder);
    execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", folder]);
    try {
      failed(
        await up(`file://${folder}`),
        "E_BACKEND: this run's notes cannot be written",
        /Make the file and its folder writable/,
      );
    } finally {
      execFileSync("umount", ["--lazy", folder]);
    }
  });
});

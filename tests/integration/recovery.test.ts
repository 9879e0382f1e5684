import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DeleteVpcCommand, TerminateInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { clientOf, FIRST_RUN_MS, HELD, until } from "../support/sandbox";
import { descendants, kill, Workbench, type Outcome } from "../support/workbench";
import { providersBelow } from "../kill/victims";

interface Told {
  code: string;
  class: string;
  message: string;
  next: string;
}

/** The failures of a run with --json, by its last line. */
function failures({ stdout, stderr }: Outcome): Told[] {
  const last = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; failures?: Told[] })
    .find(({ type }) => type === "result");
  assert.ok(last?.failures, stdout + stderr);
  return last.failures;
}

describe("when something breaks: record and cloud come together again", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  beforeEach(() => (bench = new Workbench()));
  afterEach(() => bench[Symbol.asyncDispose]());

  const ids = async () => Object.fromEntries((await bench.nodes()).map(({ name, instanceId }) => [name, instanceId]));
  const live = async () => (await bench.live()).instances.map(({ InstanceId }) => InstanceId!).sort();
  const stateFile = () => path.join(bench.home, "backend/.pulumi/stacks/spot-deployer", `${bench.stack}.json`);
  const faults = (...rules: object[]) => bench.control("POST", "faults", rules);
  const noFaults = () => bench.control("DELETE", "faults");
  const fleet = async (counts: Record<string, number>) => {
    bench.config(counts);
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
  };
  /** Takes resources out of the record, and out of what the others say they depend on. */
  const forget = (isForgotten: (resource: { type: string }) => boolean) => {
    type Resource = {
      urn: string;
      type: string;
      dependencies?: string[];
      propertyDependencies?: Record<string, string[] | null>;
    };
    const document = JSON.parse(readFileSync(stateFile(), "utf8")) as {
      checkpoint: { latest: { resources: Resource[] } };
    };
    const { latest } = document.checkpoint;
    const gone = new Set(latest.resources.filter(isForgotten).map(({ urn }) => urn));
    assert.ok(gone.size > 0);
    latest.resources = latest.resources.filter(({ urn }) => !gone.has(urn));
    for (const resource of latest.resources) {
      resource.dependencies = resource.dependencies?.filter((urn) => !gone.has(urn));
      for (const [name, urns] of Object.entries(resource.propertyDependencies ?? {}))
        resource.propertyDependencies![name] = urns?.filter((urn) => !gone.has(urn)) ?? null;
    }
    writeFileSync(stateFile(), JSON.stringify(document));
  };
  const terminate = async (region: string, id: string) => {
    const client = new EC2Client(clientOf(await bench.sandbox(), region));
    await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    client.destroy();
  };

  it("L40: says that the state is cut off, shows the fleet by its tags, overwrites nothing, and restores the backup", async () => {
    await fleet({ "us-west-2": 2 });
    const before = await ids();
    const whole = readFileSync(stateFile());
    const half = whole.subarray(0, 1000);
    for (const damage of [Buffer.from("{}"), Buffer.alloc(0), half]) {
      writeFileSync(stateFile(), damage);
      const up = await bench.spot(["up"]);
      assert.equal(up.code, 1, `${damage.length} bytes: ${up.stderr}`);
      assert.match(up.stderr, /E_STATE/);
    }

    const list = await bench.spot(["list"]);
    assert.equal(list.code, 1);
    assert.match(list.stderr, /the stack's state is damaged/);
    for (const id of Object.values(before)) assert.match(list.stdout, new RegExp(`${id}.*not recorded`));
    for (const command of ["preview", "verify"]) {
      const refused = await bench.spot([command]);
      assert.equal(refused.code, 1, command);
      assert.match(refused.stderr, /E_STATE/);
    }
    assert.deepEqual(readFileSync(stateFile()), half, "nothing wrote over it");

    const declined = await bench.spot(["recover"]);
    assert.match(declined.stderr, /E_DECLINED/);
    assert.deepEqual(readFileSync(stateFile()), half);
    const recovered = await bench.spot(["recover", "--yes"]);
    assert.equal(recovered.code, 0, recovered.stderr);
    const kept = readdirSync(path.dirname(stateFile())).find((name) => name.includes(".damaged-"));
    assert.deepEqual(readFileSync(path.join(path.dirname(stateFile()), kept!)), half, "the damaged state is kept");
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.deepEqual(await live(), Object.values(await ids()).sort());
    assert.deepEqual(await ids(), before, "no node was made anew");
  });

  it("L27: reads a whole state whose attributes a kill cut off", async () => {
    await fleet({ "us-west-2": 1 });
    const before = await ids();
    const attributes = `${stateFile()}.attrs`;
    assert.ok(readFileSync(attributes).length > 0, "the engine writes this file beside the state");
    for (const command of ["list", "up", "down"]) {
      writeFileSync(attributes, "");
      const outcome = await bench.spot([command]);
      assert.equal(outcome.code, command === "up" ? 9 : 0, outcome.stderr);
      if (command === "up") assert.deepEqual(await ids(), before, "no node was made anew");
    }
  });

  it("L27: goes on where an engine was ended while it wrote its lock", async () => {
    await fleet({ "us-west-2": 1 });
    const before = await ids();
    const locks = path.join(bench.home, "backend/.pulumi/locks/organization/spot-deployer", bench.stack);
    mkdirSync(locks, { recursive: true });
    for (const command of ["up", "down"]) {
      for (const name of ["a.json.18eab53564864a2e.tmp", "b.json"]) writeFileSync(path.join(locks, name), '{"pid":');
      const outcome = await bench.spot([command]);
      assert.equal(outcome.code, command === "up" ? 9 : 0, outcome.stderr);
      assert.deepEqual(existsSync(locks) ? readdirSync(locks) : [], []);
      if (command === "up") assert.deepEqual(await ids(), before, "no node was made anew");
    }
  });

  it("says that there is no space left for the state, and goes on when there is", async function () {
    // A small disk can only be had by a mount.
    if (process.getuid?.() !== 0 || process.platform !== "linux") this.skip();
    await fleet({ "us-west-2": 1 });
    const backend = path.join(bench.home, "backend");
    const kept = path.join(bench.dir, "kept");
    cpSync(backend, kept, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", backend]);
    try {
      cpSync(kept, backend, { recursive: true });
      const filler = path.join(backend, "filler");
      assert.throws(() => writeFileSync(filler, Buffer.alloc(5_000_000)), /ENOSPC/);
      bench.config({ "us-west-2": 2 });
      const full = await bench.spot(["up"]);
      assert.equal(full.code, 1, full.stderr);
      assert.match(full.stderr, /ERROR E_BACKEND: there is no space left where the state is kept/);
      rmSync(filler);
      const next = await bench.spot(["up"]);
      assert.equal(next.code, 9, next.stderr);
      assert.equal((await live()).length, 2);
    } finally {
      execFileSync("umount", ["--lazy", backend]);
    }
  });

  it("L40: does not take a lost state for an empty fleet, and ends the fleet by its lineage when told to", async () => {
    await fleet({ "us-west-2": 1, "us-east-1": 1 });
    const { lineage } = JSON.parse((await bench.spot(["list", "--json"])).stdout) as { lineage: string };
    const before = await live();
    rmSync(stateFile());

    const list = await bench.spot(["list", "--json"]);
    assert.equal(list.code, 1);
    const listing = JSON.parse(list.stdout) as { problem: Told; nodes: { instanceId: string; recorded: boolean }[] };
    assert.match(listing.problem.message, /the state of stack \S+ is gone, while 2 instances/);
    assert.deepEqual(listing.nodes.map(({ instanceId }) => instanceId).sort(), before);
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 1, up.stderr);
    assert.match(up.stderr, /E_STATE/);
    assert.deepEqual(await live(), before, "nothing was ended, nothing made");

    const declined = await bench.spot(["recover", "--fleet-id", lineage]);
    assert.match(declined.stderr, /E_DECLINED/);
    assert.deepEqual(await live(), before);
    const ended = await bench.spot(["recover", "--fleet-id", lineage, "--yes"]);
    assert.equal(ended.code, 0, ended.stderr + ended.stdout);
    assert.match(ended.stdout, /Proven/);
    assert.deepEqual(await bench.live(), { instances: [], vpcs: [] });
  });

  describe("where AWS does not say what there is", () => {
    const denied = {
      action: "DescribeInstances",
      region: "us-west-2",
      times: 999,
      effect: {
        error: {
          code: "UnauthorizedOperation",
          message: "You are not authorized to perform: ec2:DescribeInstances",
          status: 403,
        },
      },
    };

    it("ends nothing and makes nothing, and counts as standing only what was seen", async () => {
      await fleet({ "us-west-2": 1, "eu-west-1": 1 });
      const before = await ids();
      await faults(denied);
      const up = await bench.spot(["up"]);
      assert.equal(up.code, 9, up.stdout + up.stderr);
      assert.match(up.stdout, /^Nothing to change: 1 node as configured, 1 unknown: AWS did not answer\.$/m);
      await noFaults();
      assert.deepEqual([await ids(), await live()], [before, Object.values(before).sort()]);
    });

    it("does not take a lost state for an empty fleet: a later run would end it as unrecorded", async () => {
      await fleet({ "us-west-2": 1 });
      const before = await live();
      rmSync(stateFile());
      await faults(denied);
      const up = await bench.spot(["up"]);
      assert.equal(up.code, 1, up.stdout + up.stderr);
      assert.match(
        up.stderr,
        /E_STATE: the state of stack \S+ is gone, and whether its fleet \S+ still stands is unknown: us-west-2 could not be looked at/,
      );
      assert.match(
        up.stderr,
        /cause: .*You are not authorized to perform: ec2:DescribeInstances\n +next: +Nothing was changed\. Allow the action named/,
      );
      await noFaults();
      assert.deepEqual(await live(), before, "nothing was ended, nothing made");
    });
  });

  it("L44: lists fleets whose record is elsewhere as not ours, and ends one of them only by its lineage", async () => {
    await fleet({ "us-west-2": 1 });
    const { lineage } = JSON.parse((await bench.spot(["list", "--json"])).stdout) as { lineage: string };
    const [lost] = await live();
    rmSync(stateFile());
    rmSync(bench.stackFile);

    const strange = await bench.spot(["list"]);
    assert.match(strange.stdout, /Not ours/);
    assert.match(strange.stdout, new RegExp(`${lineage}.*us-west-2-0.*${lost}`));
    await fleet({ "us-west-2": 1 });
    const mine = Object.values(await ids());
    const refused = await bench.spot(["recover", "--fleet-id", "0123456789abcdef", "--yes"]);
    assert.match(refused.stderr, /E_NOT_FOUND/);
    const own = JSON.parse((await bench.spot(["list", "--json"])).stdout) as { lineage: string };
    const whole = await bench.spot(["recover", "--fleet-id", own.lineage, "--yes"]);
    assert.match(whole.stderr, /E_USAGE.*whose state is whole/);
    assert.equal((await live()).length, 2);
    const quiet = await bench.spot(["recover", "--lineage", lineage, "--yes", "--quiet"]);
    assert.deepEqual([quiet.code, quiet.stderr], [0, ""]);
    assert.match(quiet.stdout, /Proven/);
    assert.deepEqual(await live(), mine);
  });

  it("L27: waits for what a killed run left running, and makes nothing twice", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.begin();
    await faults({ action: "RunInstances", when: "after", effect: HELD });
    const run = bench.start(["up"]);
    await until("instances exist that nobody has recorded", async () => (await live()).length === 2);
    const below = descendants(run.child.pid!);
    kill(run.child.pid!);
    await run.done.catch(() => undefined);

    const waiting = bench.start(["up"]);
    await waiting.printed(/a killed run left \d+ process/);
    await noFaults();
    const next = await waiting.done;
    assert.equal(next.code, 9, next.stderr);
    assert.match(next.stderr, /a killed run left \d+ process/);
    assert.deepEqual(await live(), Object.values(await ids()).sort());
    assert.equal((await live()).length, 2);
    assert.ok(!descendants(process.pid).some((pid) => below.includes(pid)));
  });

  it("L27: finds what was created just before the provider was killed, in the same run or the next", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.begin();
    await faults({ action: "RunInstances", when: "after", effect: HELD });
    const run = bench.start(["up"]);
    await until("instances exist", async () => (await live()).length === 2);
    const provider = providersBelow(run.child.pid!);
    assert.ok(provider.length > 0);
    provider.forEach(kill);
    const broken = await run.done;
    assert.notEqual(broken.code, 9, broken.stderr);
    await noFaults();
    assert.equal((await bench.spot(["up"])).code, 9);
    assert.deepEqual(await live(), Object.values(await ids()).sort());
    assert.equal((await live()).length, 2);
  });

  it("L39: of two runs begun at once one works, the other names it and touches nothing", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.begin();
    const both = await Promise.all([bench.spot(["up"]), bench.spot(["up"])]);
    assert.deepEqual(both.map(({ code }) => code).sort(), [7, 9], both.map(({ stderr }) => stderr).join("\n"));
    assert.match(
      both.find(({ code }) => code === 7)!.stderr,
      /E_LOCKED: stack \S+ is locked by \S+ on \S+, process \d+, for \d+ s; it is running/,
    );
    assert.equal((await live()).length, 2);
    assert.deepEqual(await live(), Object.values(await ids()).sort());
  });

  it("L28: one stale id, and one that is unknown for a moment, spoil nothing", async () => {
    await fleet({ "us-west-2": 3 });
    const nodes = await ids();
    await terminate("us-west-2", nodes["us-west-2-1"]!);
    await faults({
      action: "TerminateInstances",
      nth: 1,
      effect: { error: { code: "InvalidInstanceID.NotFound", message: "The instance ID does not exist", status: 400 } },
    });
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 0, down.stdout + down.stderr);
    assert.match(down.stdout, /Proven/);
  });

  it("L29: a throttled `list` says so and changes no record", async () => {
    await fleet({ "us-west-2": 1, "us-east-1": 1 });
    const before = readFileSync(stateFile());
    await faults({
      action: "DescribeInstances",
      region: "us-east-1",
      effect: { error: { code: "RequestLimitExceeded", status: 503 } },
    });
    const throttled = await bench.spot(["list"]);
    assert.equal(throttled.code, 4, throttled.stderr);
    assert.match(throttled.stdout, /us-east-1-0 .*unknown/);
    assert.match(throttled.stdout, /us-west-2-0 .*running/);
    assert.deepEqual(readFileSync(stateFile()), before);
    await noFaults();
    assert.equal((await bench.nodes()).filter(({ state }) => state === "running").length, 2);
  });

  it("L30: names expired credentials and how to log in again, and resumes", async () => {
    bench.config({ "us-west-2": 1, "us-east-1": 1 });
    await bench.begin();
    await faults({
      action: "RunInstances",
      effect: {
        error: { code: "ExpiredToken", message: "The security token included in the request is expired", status: 400 },
      },
    });
    const expired = await bench.spot(["up", "--json"]);
    assert.equal(expired.code, 3, expired.stdout);
    for (const failure of failures(expired)) {
      assert.equal(failure.class, "auth");
      assert.match(failure.next, /[Ll]og in/);
    }
    await noFaults();
    assert.equal((await bench.spot(["up"])).code, 9);
    assert.equal((await live()).length, 2);
  });

  it("L26: a lost answer makes no second instance, and an outage ends with its class and the next action", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.begin();
    await faults(
      { action: "RunInstances", when: "after", nth: 1, effect: { drop: true } },
      { action: "CreateVpc", nth: 1, effect: { drop: true } },
    );
    const lost = await bench.spot(["up"]);
    assert.equal(lost.code, 9, lost.stderr);
    assert.equal((await live()).length, 2);

    bench.config({ "us-west-2": 3 });
    await faults({ action: "RunInstances", effect: { drop: true } });
    const out = await bench.spot(["up", "--json"]);
    assert.equal(out.code, 4, out.stdout);
    for (const failure of failures(out)) {
      assert.equal(failure.class, "transient");
      assert.match(failure.next, /again/);
    }
    await noFaults();
    assert.equal((await bench.spot(["up"])).code, 9);
    assert.equal((await live()).length, 3);
  });

  it("L26: makes each part of a network once, when the answers to all the calls that make it are lost", async () => {
    bench.config({ "us-west-2": 1 });
    await bench.begin();
    const calls = [
      "CreateVpc",
      "CreateSubnet",
      "CreateSecurityGroup",
      "AuthorizeSecurityGroupIngress",
      "AuthorizeSecurityGroupEgress",
      "CreateRoute",
      "AssociateRouteTable",
      "AttachInternetGateway",
    ];
    await faults(...calls.map((action) => ({ action, when: "after", nth: 1, effect: { drop: true } })));
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.match(up.stderr, /InvalidPermission\.Duplicate.*: tried again/);
    assert.match(up.stderr, /removed a rule of sg-\w+ in us-west-2: made and never recorded/);
    assert.equal((await live()).length, 1);
    const again = await bench.spot(["up"]);
    assert.equal(again.code, 9, again.stderr);
    assert.doesNotMatch(again.stderr, /WARNING/, "nothing was left to clear up");
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 0, down.stderr);
  });

  it("L27: takes back a rule, a route and an association that were made and never recorded", async () => {
    await fleet({ "us-west-2": 1 });
    const parts = /(SecurityGroup(Ingress|Egress)Rule|Route|RouteTableAssociation)$/;
    forget(({ type }) => parts.test(type));
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    for (const kind of ["rule", "route", "association"])
      assert.match(up.stderr, new RegExp(`removed an? ${kind} of .* never recorded`));
    const again = await bench.spot(["up"]);
    assert.equal(again.code, 9, again.stderr);
    assert.doesNotMatch(again.stderr, /WARNING/);
  });

  it("L26: `down` outlasts an outage of AWS's API", async () => {
    await fleet({ "us-west-2": 1 });
    await faults({ action: "TerminateInstances", effect: { drop: true } });
    const run = bench.start(["down"]);
    await until(
      "the tool asks for it by the tag",
      async () =>
        ((await bench.control<Record<string, Record<string, number>>>("GET", "calls"))["us-west-2"]
          ?.TerminateInstances ?? 0) > 4,
      90_000,
    );
    await noFaults();
    const down = await run.done;
    assert.equal(down.code, 0, down.stdout + down.stderr);
    assert.match(down.stdout, /Proven/);
  });

  it("L38: names what is left, answers with 8, and ends it the next time", async () => {
    await fleet({ "us-west-2": 1 });
    await faults({
      action: "DeleteVpc",
      effect: { error: { code: "OperationNotPermitted", message: "not now", status: 400 } },
    });
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 8, down.stdout + down.stderr);
    assert.match(down.stdout, /LEFT[\s\S]*vpc +us-west-2 +vpc-/);
    await noFaults();
    assert.equal((await bench.spot(["down"])).code, 0);
  });

  it("L41: a region that is closed to us is not looked at, proves nothing, and stops no other", async () => {
    await fleet({ "us-west-2": 1, "eu-west-1": 1 });
    await faults({
      action: "*",
      region: "eu-west-1",
      effect: { error: { code: "UnauthorizedOperation", message: "You are not authorized", status: 403 } },
    });
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 8, down.stdout + down.stderr);
    assert.match(down.stdout, /Not looked at: eu-west-1/);
    await noFaults();
    assert.deepEqual(
      (await bench.live()).instances.map(({ Placement }) => Placement?.AvailabilityZone?.slice(0, -1)),
      ["eu-west-1"],
    );
    assert.equal((await bench.spot(["down"])).code, 0);
  });

  it("goes up again after a `down` that was broken off half-way through a network", async () => {
    await fleet({ "us-west-2": 1 });
    await faults({ action: "DeleteVpc", effect: HELD });
    const run = bench.start(["down"]);
    await until(
      "the subnets are gone",
      async () =>
        "DeleteVpc" in
        ((await bench.control<Record<string, Record<string, number>>>("GET", "calls"))["us-west-2"] ?? {}),
    );
    for (const pid of [run.child.pid!, ...descendants(run.child.pid!)]) kill(pid);
    await run.done;
    await noFaults();
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    const { instances, vpcs } = await bench.live();
    assert.deepEqual([instances.length, vpcs.length], [1, 1]);
  });

  it("makes a network anew that vanishes while `up` builds on it", async () => {
    await fleet({ "us-west-2": 1 });
    const asked = async (action: string) =>
      action in ((await bench.control<Record<string, Record<string, number>>>("GET", "calls"))["us-west-2"] ?? {});
    await faults({ action: "DeleteVpc", effect: { error: { code: "DependencyViolation", message: "held back" } } });
    const run = bench.start(["down"]);
    await until("the network alone is left", () => asked("DeleteVpc"));
    for (const pid of [run.child.pid!, ...descendants(run.child.pid!)]) kill(pid);
    await run.done;
    await noFaults();

    await bench.control("DELETE", "calls");
    await faults(
      ...["CreateSubnet", "CreateInternetGateway", "CreateRouteTable", "CreateSecurityGroup"].map((action) => ({
        action,
        effect: HELD,
      })),
    );
    const up = bench.start(["up"]);
    await until("it builds on the network", () => asked("CreateSubnet"));
    const [before] = (await bench.live()).vpcs;
    const client = new EC2Client(clientOf(await bench.sandbox(), "us-west-2"));
    await client.send(new DeleteVpcCommand({ VpcId: before! }));
    client.destroy();
    await noFaults();
    const outcome = await up.done;
    assert.equal(outcome.code, 9, outcome.stderr);
    const { instances, vpcs } = await bench.live();
    assert.deepEqual([instances.length, vpcs.length], [1, 1]);
    assert.notEqual(vpcs[0], before);
  });

  it("ends a reading command at once when interrupted", async () => {
    await fleet({ "us-west-2": 1 });
    await bench.control("DELETE", "calls");
    await faults({ action: "DescribeInstances", effect: HELD });
    const run = bench.start(["list"]);
    await until(
      "it asks AWS",
      async () =>
        "DescribeInstances" in
        ((await bench.control<Record<string, Record<string, number>>>("GET", "calls"))["us-west-2"] ?? {}),
    );
    // The call is held until the rules are taken away, or is asked for again.
    run.child.kill("SIGINT");
    const outcome = await run.done;
    assert.equal(outcome.code, 130, outcome.stderr);
    assert.match(outcome.stderr, /E_INTERRUPTED/);
    assert.equal(
      (await bench.control<Record<string, Record<string, number>>>("GET", "calls"))["us-west-2"]?.DescribeInstances,
      1,
      "nobody waited for the answer until it was too late, and asked again",
    );
    assert.equal(outcome.stdout, "");
    await noFaults();
  });
});

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { CleanUp } from "../support/clean-up";
import { describeHosts } from "../support/describe-hosts";
import { detour, startRelay } from "../support/detour";
import { makeKey, startFakeHost, type Answer, type FakeHost, type Session } from "../support/fake-host";
import { assertOnlyFails, FleetBench } from "../support/fleet-bench";
import { until } from "../support/sandbox";
import { descendants, kill, type Outcome, type Running } from "../support/workbench";

const NAMES = ["eu-west-1-0", "us-east-1-0", "us-west-2-0"];
const STEPS = ["Created", "Uploaded", "Deployment started", "Rebooted", "Verified"];
const BREAKS_DEPLOYMENT = "[Service]\nExecStart=relative/path\n[Install]\nWantedBy=multi-user.target\n";

/** The lines of each instance in the logger's form, in their order. */
function successes({ stderr }: Outcome): Map<string, string[]> {
  const lines = new Map<string, string[]>();
  for (const [, id, message] of stderr.matchAll(/^\[(i-[0-9a-f]{17}) @ 198\.18\.\d+\.\d+\] SUCCESS: (.*)$/gm))
    lines.set(id!, [...(lines.get(id!) ?? []), message!]);
  return lines;
}

const sorted = (values: Iterable<string>): string[] => [...values].sort();

/** Does something while an SSH server with a host key of its own stands before every host of the network. */
async function waylaid(network: string, answer: () => Answer, work: (relay: FakeHost) => Promise<void>): Promise<void> {
  const cleanUp = new CleanUp();
  try {
    const relay = cleanUp.use(await startFakeHost({ hostKey: makeKey(), answer }));
    cleanUp.use(await detour(network, relay.port));
    await work(relay);
  } finally {
    await cleanUp.run();
  }
}

describeHosts("a fleet of booted hosts", () => {
  let bench: FleetBench;
  before(() => void (bench = new FleetBench()));
  after(() => bench[Symbol.asyncDispose]());

  it("comes up verified, each node told step by step", async () => {
    const outcome = await bench.spot(["up"]);
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
    const told = successes(outcome);
    assert.deepEqual(sorted(told.keys()), sorted(Object.values(await bench.ids())));
    for (const [id, lines] of told) assert.deepEqual(lines, STEPS, id);
    assert.match(outcome.stdout, /^VERIFIED: 3 of 3 nodes\.$/m);
    assert.doesNotMatch(outcome.stderr, /upload, \d/, "a short upload needs no progress");
    assert.doesNotMatch(outcome.stderr, /WARNING|ERROR/);
  });

  it("is verified three times in a row", async () => {
    for (let time = 1; time <= 3; time += 1) {
      const { code, report } = await bench.verify();
      assert.deepEqual(
        report.nodes.flatMap((node) => node.results.filter(({ status }) => status !== "ok" && status !== "info")),
        [],
        `time ${time}`,
      );
      assert.equal(code, 0);
      assert.deepEqual(sorted(report.nodes.map(({ node }) => node)), NAMES);
    }
  });

  it("is left alone by an `up` that has nothing to do", async () => {
    const before = await bench.ids();
    const { outcome, document } = await bench.up();
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual([document.changed, document.verified], [[], true]);
    assert.deepEqual(await bench.ids(), before);
  });

  it("takes a changed payload to one node, verifies it, and then goes on to the next", async () => {
    const before = await bench.ids();
    bench.file("hello.txt", "hello again\n");
    const { outcome, document, events } = await bench.up();
    assert.equal(outcome.code, 0, outcome.stderr);
    const order = events.flatMap((event) =>
      event.type === "node" && ["deleted", "created", "verified"].includes(event.phase)
        ? [`${event.phase} ${event.node.name}`]
        : [],
    );
    assert.deepEqual(
      order,
      ["us-west-2-0", "us-east-1-0", "eu-west-1-0"].flatMap((name) =>
        ["deleted", "created", "verified"].map((phase) => `${phase} ${name}`),
      ),
    );
    assert.equal(document.verified, true);
    const now = await bench.ids();
    for (const name of NAMES) {
      assert.notEqual(now[name], before[name]);
      assert.equal(await bench.host(now[name]!).run("cat /opt/uploaded_files/files/hello.txt"), "hello again\n");
    }
  });

  it("stops after the canary when a payload breaks the deployment, also the second time, and rolls on when it is mended", async () => {
    const before = await bench.ids();
    bench.file("systemd/broken.service", BREAKS_DEPLOYMENT);
    for (const time of ["first", "second"]) {
      const stopped = await bench.up();
      assert.equal(stopped.outcome.code, 5, stopped.outcome.stdout);
      assert.deepEqual(stopped.document.untouched, ["us-east-1-0", "eu-west-1-0"], time);
      assert.deepEqual(
        stopped.document.failures.map((failure) => failure.class),
        ["deployment"],
      );
      assert.match(stopped.document.failures[0]!.message, /^node us-west-2-0: .*step units: .*broken\.service/);
      const { "us-west-2-0": canary, ...others } = await bench.ids();
      assert.notEqual(canary, before["us-west-2-0"]);
      assert.deepEqual(others, { "us-east-1-0": before["us-east-1-0"], "eu-west-1-0": before["eu-west-1-0"] });
    }
    const read = await bench.spot(["up"]);
    assert.equal(read.code, 5);
    assert.match(read.stdout, /The replacement stopped; not touched: us-east-1-0, eu-west-1-0\./);

    bench.file(
      "systemd/broken.service",
      "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    );
    const mended = await bench.up();
    assert.equal(mended.outcome.code, 0, mended.outcome.stdout);
    assert.equal(mended.document.verification?.nodes.length, 3);
  });

  it("shows exactly what was broken on which node, and why", async () => {
    const ids = await bench.ids();
    await bench.host(ids["us-west-2-0"]!).run("echo '# edited' >> /opt/uploaded_files/scripts/sensor.py");
    await bench.host(ids["us-east-1-0"]!).run("systemctl disable --quiet sensor.service");
    const { code, report } = await bench.verify();
    assert.equal(code, 5);
    const [west, east, europe] = ["us-west-2-0", "us-east-1-0", "eu-west-1-0"].map(
      (name) => report.nodes.find(({ node }) => node === name)!,
    );
    assertOnlyFails(west!, "D2", /scripts\/sensor\.py: \d+ bytes, not \d+/);
    assertOnlyFails(east!, "F3", /sensor\.service: disabled/);
    assert.equal(europe!.isVerified, true, "the other node is as it was");

    await bench.host(ids["eu-west-1-0"]!).run("rm -r /opt/sensor/exports");
    const all = await bench.verify();
    assert.equal(all.code, 5);
    const directory = all.report.nodes.find(({ node }) => node === "eu-west-1-0")!;
    assertOnlyFails(directory, "D4", /\/opt\/sensor\/exports: missing/);
    assert.equal(directory.results.find(({ id }) => id === "F7")?.status, "ok", "a workload does not depend on it");

    const read = await bench.spot(["verify"]);
    assert.equal(read.code, 5);
    assert.match(
      read.stdout,
      /us-east-1-0 F3 every unit enabled: FAILED\n {2}run: +systemctl is-enabled .*\n {2}expected: .*\n {2}actual: +sensor\.service: disabled\n {2}cause: .*\n {2}next: /,
    );
    assert.match(read.stdout, /us-west-2-0: D6, G3, G6 skipped because of D2/);
  });

  it("is left as it is by an `up`, which names what fails and the command that replaces it, and waits for no boot", async () => {
    const before = await bench.ids();
    await bench.host(before["eu-west-1-0"]!).run("systemctl mask --quiet --now ssh.socket ssh.service");
    const outcome = await bench.spot(["up", "--yes"]);
    assert.equal(outcome.code, 5, outcome.stdout + outcome.stderr);
    assert.match(outcome.stderr, /\[eu-west-1-0\] WARNING: does not answer, though it has had its time to boot/);
    assert.match(
      outcome.stderr,
      /failing verification: us-west-2-0, us-east-1-0, eu-west-1-0\. `replace us-west-2-0,us-east-1-0,eu-west-1-0` replaces them\./,
    );
    assert.match(outcome.stdout, /eu-west-1-0 B1 SSH answers: FAILED/);
    assert.deepEqual(await bench.ids(), before, "--yes agrees to no replacement that was not asked for");
  });

  it("is repaired: the node that is named, then every node that does not pass, and no other", async () => {
    const broken = await bench.ids();
    const one = await bench.spot(["repair", "us-west-2-0"]);
    assert.equal(one.code, 0, one.stdout + one.stderr);
    assert.match(one.stderr, /replace us-west-2-0 .*it does not pass verification/);
    const { "us-west-2-0": mended, ...others } = await bench.ids();
    assert.notEqual(mended, broken["us-west-2-0"]);
    assert.deepEqual(
      others,
      { "us-east-1-0": broken["us-east-1-0"], "eu-west-1-0": broken["eu-west-1-0"] },
      "the others are broken too, but were not named",
    );

    const rest = await bench.spot(["repair"]);
    assert.equal(rest.code, 0, rest.stdout + rest.stderr);
    assert.match(rest.stdout, /^VERIFIED: 3 of 3 nodes\.$/m);
    const now = await bench.ids();
    assert.equal(now["us-west-2-0"], mended, "a node that passes is left alone");
    for (const name of ["us-east-1-0", "eu-west-1-0"]) assert.notEqual(now[name], broken[name]);
    assert.deepEqual(
      sorted((await bench.live()).instances.map(({ InstanceId }) => InstanceId ?? "")),
      sorted(Object.values(now)),
      "what was replaced is gone",
    );
  });

  it("shows a login that leads elsewhere as that, and sends nothing there", async () => {
    const { network } = await bench.sandbox();
    await waylaid(
      network,
      () => ({ code: 0 }),
      async (relay) => {
        const { code, report } = await bench.verify();
        assert.equal(code, 5);
        for (const node of report.nodes) assertOnlyFails(node, "B2", /another host key than the one that was proven/);
        assert.deepEqual([relay.logins(), relay.commands], [0, []]);
      },
    );
  });

  it("goes with its hosts and leaves nothing on the machine", async () => {
    const outcome = await bench.downLeavesNothing();
    assert.match(outcome.stdout, /Proven: all \d+ objects of the fleet are gone/);
  });
});

describeHosts("a booted host in trouble", () => {
  let bench: FleetBench;
  beforeEach(() => {
    bench = new FleetBench();
    bench.fleet({ "us-west-2": 1 });
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const theNode = async () => {
    const [node, ...others] = await bench.nodes();
    assert.ok(node && others.length === 0);
    return node;
  };
  /** The instance of a run that is under way. */
  const launched = async (run: Running) => {
    await run.printed(/SUCCESS: Created/);
    const [instance, ...others] = (await bench.live()).instances;
    assert.ok(instance?.InstanceId && instance.PublicIpAddress && others.length === 0);
    return { id: instance.InstanceId, address: instance.PublicIpAddress };
  };

  it("whose upload is cut, or whose `up` is killed while it uploads, is resumed as the same instance", async () => {
    // 25 MB, cut and frozen in their middle.
    for (let n = 0; n < 5_000; n++) bench.file(`tree/${n % 50}/${n}`, randomBytes(5_000));
    await bench.begin();
    const { network } = await bench.sandbox();
    let address = "";
    await using relay = await startRelay(network, () => address);
    relay.limit = 8_000_000;
    const cut = bench.start(["up"]);
    const launch = await launched(cut);
    const { id } = launch;
    address = launch.address;
    const first = await cut.done;
    assert.equal(first.code, 4, first.stdout + first.stderr);
    assert.equal(relay.faults, 1);
    assert.match(first.stderr, new RegExp(`${id} @ ${address}\\] ERROR: The upload was cut off\\.`));
    assert.match(first.stderr, /cause: The connection to \S+ @ \S+ was lost\. (read|write) E(CONNRESET|PIPE)/);
    assert.match(first.stderr, /next: {2}Run `up` again: a node that has not started its deployment is resumed/);
    assert.match(first.stdout, /NOT VERIFIED: 0 of 1 node verified, 1 did not come up;/);

    relay.fault = "freeze";
    const killed = bench.start(["up"]);
    await until("the upload stands still", () => relay.faults === 2);
    for (const pid of [...descendants(killed.child.pid!), killed.child.pid!]) kill(pid);
    await killed.done;

    relay.limit = Infinity;
    const last = await bench.spot(["up"]);
    assert.equal(last.code, 0, last.stdout + last.stderr);
    assert.deepEqual([...successes(last)], [[id, ["Uploaded", "Deployment started", "Rebooted", "Verified"]]]);
    assert.equal((await theNode()).instanceId, id);
    assert.equal(
      await bench.host(id).run("ls -A /opt/uploaded_files/.incoming 2>/dev/null; true"),
      "",
      "nothing is left of the broken uploads",
    );
    await bench.downLeavesNothing();
  });

  it("that is killed while it is deployed is noticed soon, and made anew by the next `up`", async () => {
    const run = bench.start(["up"]);
    const { id } = await launched(run);
    const host = bench.host(id);
    await until("its deployment began", () => existsSync(host.written("var/lib/spot-deployer/steps")));
    process.kill(host.supervisor, "SIGKILL");
    const first = await run.done;
    assert.equal(first.code, 4, first.stdout + first.stderr);
    // It is the look at the instance that says so, long before any deadline of the deployment.
    assert.match(first.stderr, new RegExp(`${id} .*ERROR: ${id} ended while it was set up`));
    assert.match(first.stderr, /next: {2}Run `up` again/);

    const next = await bench.spot(["up"]);
    assert.equal(next.code, 0, next.stdout + next.stderr);
    assert.notEqual((await theNode()).instanceId, id);
  });

  it("whose deployment is killed says so, and is replaced by the next `up`", async () => {
    const run = bench.start(["up"]);
    const { id } = await launched(run);
    const host = bench.host(id);
    await until("its deployment began", () => existsSync(host.written("var/lib/spot-deployer/steps")));
    await host.run("systemctl kill --signal=KILL spot-deploy.service");
    const first = await run.done;
    assert.equal(first.code, 4, first.stdout + first.stderr);
    assert.match(
      first.stderr,
      new RegExp(`${id} .*ERROR: The deployment failed at spot-deploy\\.service ended: signal`),
    );

    const next = await bench.up();
    assert.equal(next.outcome.code, 0, next.outcome.stdout);
    assert.deepEqual(next.document.changed, [
      { name: "us-west-2-0", kind: "replace", reason: "spot-deploy.service ended: signal" },
    ]);
    assert.notEqual((await theNode()).instanceId, id);
  });

  it("whose first boot fails is not called verified, and names what failed", async () => {
    bench.fleet({ "us-west-2": 1 }, ["packages: [no-such-package-anywhere]"]);
    const { outcome, document } = await bench.up();
    assert.equal(outcome.code, 4, outcome.stdout);
    assert.deepEqual([document.verified, document.failures.map((failure) => failure.class)], [false, ["deployment"]]);
    assert.match(document.failures[0]!.message, /node us-west-2-0: The node cannot be deployed: cloud-init: .*package/);
  });

  it("is sent nothing by way of a relay with a host key of its own, even if it shows the real proof", async () => {
    await bench.begin();
    const { network } = await bench.sandbox();
    /** The best that a relay can do: it knows the proof that the node made for its own key. */
    const showProof = async ({ channel }: Session): Promise<void> => {
      const [instance] = (await bench.live()).instances;
      const proof = bench.host(instance!.InstanceId!).written("etc/spot-deployer/host-key-proof");
      await until("the node made its proof", () => existsSync(proof));
      channel.write(readFileSync(proof, "utf8"));
      channel.exit(0);
      channel.end();
    };
    await waylaid(
      network,
      () => (session) => void showProof(session),
      async (relay) => {
        const outcome = await bench.spot(["up"]);
        assert.equal(outcome.code, 4, outcome.stdout + outcome.stderr);
        assert.match(outcome.stderr, /ERROR: The host key that i-\S+ @ \S+ offers is not the one that the node made\./);
        assert.match(outcome.stderr, /cause: Its proof does not fit/);
        assert.deepEqual(relay.commands, ["cat /etc/spot-deployer/host-key-proof"]);
        assert.equal(relay.bytesReceived(), 0);
      },
    );
    const { instanceId } = await theNode();
    const direct = await bench.spot(["up"]);
    assert.equal(direct.code, 0, direct.stdout + direct.stderr);
    assert.equal((await theNode()).instanceId, instanceId);
  });

  it("is left to itself by --no-wait once its deployment runs, and is verified later", async () => {
    const outcome = await bench.spot(["up", "--no-wait"]);
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual([...successes(outcome).values()], [["Created", "Uploaded", "Deployment started"]]);
    assert.match(outcome.stdout, /NOT VERIFIED: run `verify`/);
    const { instanceId } = await theNode();
    const later = await bench.spot(["up"]);
    assert.equal(later.code, 0, later.stderr);
    assert.equal((await theNode()).instanceId, instanceId);
  });
});

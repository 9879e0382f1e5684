import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { isSpotError } from "../../fleet/errors";
import { cgroupFolders } from "../../sandbox/hosts/cgroup";
import type { HostDriver, HostSpec } from "../../sandbox/hosts/driver";
import { run } from "../../sandbox/hosts/command";
import { imagePath } from "../../sandbox/hosts/image";
import { linkRecord, networkRecord } from "../../sandbox/hosts/network";
import { cleanUpHosts, createNspawnDriver, type NspawnOptions } from "../../sandbox/hosts/nspawn";
import { rootsOf } from "../../sandbox/daemon/roots";
import { callerAddress, claimNetwork, hostAddresses } from "../../sandbox/home/network";
import { describeHosts } from "../support/describe-hosts";
import { assertNothingLeft, foreignNamespaces, leftovers, type HostsPlace } from "../support/host-leftovers";
import { InsideHost } from "../support/inside-host";
import { listens, reaches } from "../support/reaches";
import { openUp } from "../support/wide-open";
import { CleanUp } from "../support/clean-up";

const cacheDir = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "spot-deployer");
const execute = promisify(execFile);

/** A sandbox's home, network and key, for one test. */
interface Place extends HostsPlace {
  options: Omit<NspawnOptions, "report" | "onEnded">;
  /** Private key file; the public one lies beside it. */
  key: string;
  publicKey: string;
  release: () => void;
}

async function makePlace(): Promise<Place> {
  const home = mkdtempSync(join(tmpdir(), "spot-hosts-"));
  const { network, release } = claimNetwork(home, "hosts");
  const key = join(home, "key");
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "fleet", "-f", key]);
  return {
    home,
    sandboxId: home,
    options: { home, cacheDir, sandboxId: home, network, roots: rootsOf.hosts, callerAddress: callerAddress(network) },
    key,
    publicKey: readFileSync(`${key}.pub`, "utf8").trim(),
    release,
  };
}

function removePlace(place: Place): void {
  place.release();
  rmSync(place.home, { recursive: true, force: true });
}

const idsOf = (hosts: HostSpec[]): string[] => hosts.map(({ instanceId }) => instanceId);

let made = 0;

/** A host of a place: each with an id of its own and the place's next address. */
function hostOf(place: Place, ordinal: number, changes: Partial<HostSpec> = {}): HostSpec {
  made += 1;
  return {
    instanceId: `i-${made.toString(16).padStart(17, "0")}`,
    region: "us-west-2",
    availabilityZone: "us-west-2a",
    amiId: "ami-0123",
    instanceType: "t3.medium",
    market: "spot",
    publicAddress: hostAddresses(place.options.network)[ordinal] ?? "",
    privateAddress: `10.0.0.${10 + ordinal}`,
    userData: Buffer.alloc(0),
    publicKeys: [place.publicKey],
    httpTokens: "required",
    tags: { Name: "one" },
    ...changes,
  };
}

async function eventually<T>(
  what: string,
  seconds: number,
  attempt: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = Date.now() + seconds * 1_000;
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}

/** Runs a command in a host as a user, over SSH. Undefined when there is no login yet, or none any more. */
async function tryIn(
  place: Place,
  host: HostSpec,
  command: string,
  user = "ubuntu",
): Promise<{ code: number; output: string } | undefined> {
  const options = [
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    "BatchMode=yes",
    "ConnectTimeout=5",
  ];
  const args = [
    "-n",
    "-F",
    "none",
    "-i",
    place.key,
    ...options.flatMap((option) => ["-o", option]),
    `${user}@${host.publicAddress}`,
    command,
  ];
  try {
    const { stdout } = await execute("ssh", args);
    return { code: 0, output: stdout.trim() };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return code === 255 ? undefined : { code, output: stdout.trim() };
  }
}

const outputIn = async (place: Place, host: HostSpec, command: string, user?: string): Promise<string> =>
  (await eventually(`login to ${host.instanceId} as ${user ?? "ubuntu"}`, 60, () => tryIn(place, host, command, user)))
    .output;

const bootId = (place: Place, host: HostSpec): Promise<string> =>
  outputIn(place, host, "cat /proc/sys/kernel/random/boot_id");

describeHosts("booted hosts", function () {
  const cleanUp = new CleanUp();
  let place: Place;
  let before: Set<string>;
  let driver: HostDriver;
  let ended: string[];
  let launched: HostSpec[];

  beforeEach(async function () {
    before = new Set(foreignNamespaces().keys());
    ended = [];
    launched = [];
    place = await makePlace();
    cleanUp.defer(end);
    driver = await createNspawnDriver({ ...place.options, report: () => undefined, onEnded: (id) => ended.push(id) });
  });

  afterEach(() => cleanUp.run());

  async function end(): Promise<void> {
    try {
      await driver.close();
      await assertNothingLeft(place, idsOf(launched), before);
    } finally {
      await cleanUpHosts(place.home);
      removePlace(place);
    }
  }

  async function launch(changes: Partial<HostSpec> = {}): Promise<HostSpec> {
    const host = hostOf(place, launched.length, changes);
    launched.push(host);
    await driver.launch(host);
    await openUp(driver, host.instanceId);
    return host;
  }

  it("configures itself by cloud-init from user data, as on EC2", async () => {
    const config = {
      users: [
        { name: "ubuntu", sudo: "ALL=(ALL) NOPASSWD:ALL", shell: "/bin/bash", ssh_authorized_keys: [place.publicKey] },
      ],
      package_update: true,
      packages: ["jq"],
      write_files: [{ path: "/etc/written", content: "by cloud-init" }],
    };
    const host = await launch({ publicKeys: [], userData: Buffer.from(`#cloud-config\n${JSON.stringify(config)}\n`) });
    const status = JSON.parse(
      await outputIn(place, host, "cloud-init status --wait --format json | sed '/^\\.*$/d'"),
    ) as Record<string, unknown>;
    assert.deepEqual([status.status, status.errors, status.datasource], ["done", [], "ec2"]);
    assert.equal(await outputIn(place, host, "sudo cat /etc/written"), "by cloud-init");
    assert.equal(await outputIn(place, host, "dpkg-query --show --showformat '${db:Status-Abbrev}' jq"), "ii");
    assert.equal(await outputIn(place, host, "jq --null-input '1 + 1'"), "2");
    assert.equal(await outputIn(place, host, "sudo true 2>&1"), "", "sudo finds the host's name");
    assert.equal(await outputIn(place, host, "hostname"), "ip-10-0-0-10");
    assert.equal(await outputIn(place, host, "systemctl is-system-running"), "running");
    assert.match(await driver.consoleOutput(host.instanceId), /OpenBSD Secure Shell server/);
  });

  it("admits the key pair's owner, and tells a host about itself only with a token", async () => {
    const host = await launch();
    const read = (path: string): Promise<string> =>
      outputIn(
        place,
        host,
        `
      base=http://169.254.169.254/latest
      token=$(curl --silent --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' $base/api/token)
      curl --silent --fail --header "X-aws-ec2-metadata-token: $token" $base/meta-data/${path} || echo none`,
      );
    assert.equal(await read("instance-id"), host.instanceId);
    assert.equal(await read("tags/instance/Name"), "one");
    const status =
      "curl --silent --output /dev/null --write-out '%{http_code}' http://169.254.169.254/latest/meta-data/instance-id";
    assert.equal(await outputIn(place, host, status), "401");

    assert.equal(await read("spot/instance-action"), "none");
    await driver.notice(host.instanceId, {
      kind: "interruption",
      action: "terminate",
      at: new Date("2030-01-01T00:00:00Z"),
    });
    assert.deepEqual(JSON.parse(await read("spot/instance-action")), {
      action: "terminate",
      time: "2030-01-01T00:00:00Z",
    });
    await driver.notice(host.instanceId, { kind: "rebalance", at: new Date("2030-01-01T00:00:00Z") });
    assert.deepEqual(JSON.parse(await read("events/recommendations/rebalance")), {
      noticeTime: "2030-01-01T00:00:00Z",
    });
  });

  it("lets nobody in before it is told whom", async () => {
    const host = hostOf(place, 0);
    launched.push(host);
    await driver.launch(host);
    await listens(place.home, host.instanceId);
    assert.equal(await reaches(host.publicAddress), false);
    await openUp(driver, host.instanceId);
    assert.equal(await reaches(host.publicAddress), true);
  });

  it("has no way beyond its bridge and no power over the machine's clock", async () => {
    const other = await makePlace();
    const otherDriver = await createNspawnDriver({
      ...other.options,
      report: () => undefined,
      onEnded: () => undefined,
    });
    const theirs = hostOf(other, 0);
    const listener = createServer((socket) => socket.end()).listen(0, "0.0.0.0");
    try {
      const [mine, neighbour] = await Promise.all([
        launch(),
        launch(),
        otherDriver.launch(theirs).then(() => openUp(otherDriver, theirs.instanceId)),
      ]);
      await Promise.all([
        outputIn(place, mine, "true"),
        outputIn(place, neighbour, "true"),
        outputIn(other, theirs, "true"),
      ]);
      const reaches = async (address: string, port: number): Promise<boolean> =>
        (await outputIn(
          place,
          mine,
          `timeout 2 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null && echo yes || echo no`,
        )) === "yes";
      const port = (listener.address() as { port: number }).port;
      assert.equal(await reaches(neighbour.publicAddress, 22), true, "a host of the same sandbox");
      assert.equal(await reaches("169.254.169.254", 80), true, "the metadata service");
      assert.equal(await reaches(place.options.callerAddress, port), false, "a service of the machine");
      assert.equal(await reaches(other.options.callerAddress, port), false, "the machine by another bridge");
      assert.equal(await reaches(theirs.publicAddress, 22), false, "a host of another sandbox");

      const bounding = BigInt(`0x${await outputIn(place, mine, "sed -n 's/^CapBnd:\\s*//p' /proc/1/status")}`);
      const names = { net_admin: 12n, sys_module: 16n, sys_time: 25n };
      assert.deepEqual(
        Object.entries(names).filter(([, bit]) => (bounding >> bit) & 1n),
        [],
      );
    } finally {
      listener.close();
      await otherDriver.close();
      try {
        await assertNothingLeft(other, idsOf([theirs]), new Set(before));
      } finally {
        await cleanUpHosts(other.home);
        removePlace(other);
      }
    }
  });

  for (const [how, reboot] of [
    ["asked by the driver", (host: HostSpec) => driver.reboot(host.instanceId)],
    ["by itself", (host: HostSpec) => tryIn(place, host, "sudo systemctl reboot")],
  ] as const) {
    it(`reboots ${how}: same disk, another boot`, async () => {
      const host = await launch();
      const first = await bootId(place, host);
      await outputIn(place, host, "cloud-init status --wait; echo kept > kept && sync");
      // What a test runs inside ends with the host, and keeps no shutdown waiting.
      const inside = assert.rejects(new InsideHost(place.home, host.instanceId).run("sleep 600"));
      await reboot(host);
      await eventually("another boot", 60, async () => {
        const now = await tryIn(place, host, "cat /proc/sys/kernel/random/boot_id");
        return now !== undefined && now.code === 0 && now.output !== first ? true : undefined;
      });
      await inside;
      assert.equal(await outputIn(place, host, "cat kept"), "kept");
      assert.equal(await outputIn(place, host, "ls /var/lib/cloud/instances"), host.instanceId);
      assert.deepEqual(ended, []);
    });
  }

  it("ends when it powers itself off, and says so", async () => {
    const host = await launch();
    await outputIn(place, host, "true");
    await tryIn(place, host, "sudo systemctl poweroff");
    await eventually("onEnded", 30, () => (ended.length > 0 ? true : undefined));
    assert.deepEqual(ended, [host.instanceId]);
    assert.equal(existsSync(join(place.home, "hosts", host.instanceId)), false);
  });

  it("ends when its nspawn is killed, with everything inside", async () => {
    const host = await launch();
    await outputIn(place, host, "true");
    const folders = cgroupFolders(linkRecord(place.options.sandboxId, host.instanceId).namespace);
    const nspawn = Number(readFileSync(join(folders[0] ?? "", "supervisor", "cgroup.procs"), "utf8").trim());
    process.kill(nspawn, "SIGKILL");
    await eventually("onEnded", 30, () => (ended.length > 0 ? true : undefined));
    assert.deepEqual(
      folders.filter((folder) => existsSync(folder)),
      [],
    );
  });

  it("is terminated at any time, also twice, and others stay", async () => {
    const [early, settled, stays] = await Promise.all([launch(), launch(), launch()]);
    await driver.terminate(early.instanceId);
    await outputIn(place, settled, "cloud-init status --wait");
    const boot = await bootId(place, stays);
    await Promise.all([driver.terminate(settled.instanceId), driver.terminate(settled.instanceId)]);
    await driver.terminate("i-00000000000000000");
    assert.deepEqual(readdirSync(join(place.home, "hosts")).sort(), [stays.instanceId, "network.json"].sort());
    assert.equal(await bootId(place, stays), boot);
    assert.deepEqual(ended, [], "nobody is told of an end that was asked for");
  });

  it("that cannot boot is an error with the reason, and leaves nothing", async () => {
    const { home, options } = place;
    const network = networkRecord(options.sandboxId);
    await run("ip", ["link", "set", network.bridge, "down"]);
    await run("ip", ["link", "delete", network.bridge]);
    await assert.rejects(
      launch(),
      (error: unknown) => isSpotError(error) && /does not exist|Cannot find device|argument/.test(String(error.cause)),
    );
    assert.deepEqual(readdirSync(join(home, "hosts")), ["network.json"]);
  });

  it("that comes to an end at once is an error with what it wrote to its console", async () => {
    await driver.close();
    const broken = join(place.home, "cache");
    mkdirSync(imagePath(broken), { recursive: true });
    driver = await createNspawnDriver({
      ...place.options,
      cacheDir: broken,
      report: () => undefined,
      onEnded: (id) => ended.push(id),
    });
    await assert.rejects(
      launch(),
      (error: unknown) =>
        isSpotError(error) && error.code === "E_SANDBOX_HOST" && /OS root|os-release/.test(String(error.cause)),
    );
    assert.deepEqual(readdirSync(join(place.home, "hosts")), ["network.json"]);
    assert.deepEqual(ended, []);
  });

  it("are all removed by a clean-up after their owner was killed", async () => {
    const owned = await makePlace();
    const baseline = new Set(foreignNamespaces().keys());
    const host = hostOf(owned, 0);
    try {
      const owner = spawn(
        process.execPath,
        [
          join(__dirname, "../support/host-owner.js"),
          JSON.stringify({ options: { ...owned.options, roots: undefined }, host }),
        ],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      const gone = once(owner, "exit");
      assert.equal(await Promise.race([once(owner.stdout, "data").then(() => "up"), gone]), "up");
      owner.kill("SIGKILL");
      await gone;
      // The host outlives its owner: there is something to clean up, in every respect that is looked at.
      const left = (await leftovers(owned, idsOf([host]), baseline)).join("\n");
      for (const kind of [
        /^processes/m,
        /sys\/class\/net\/spotb/,
        /sys\/class\/net\/spoth/,
        /run\/netns/,
        /sys\/fs\/cgroup/,
        /table inet/,
        /hosts$/m,
      ])
        assert.match(left, kind);
    } finally {
      await cleanUpHosts(owned.home);
    }
    try {
      await assertNothingLeft(owned, idsOf([host]), baseline);
      await cleanUpHosts(owned.home);
    } finally {
      removePlace(owned);
    }
  });
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bringUp, type BringUpDeps, type BringUpNode } from "../../automation/ssh/bring-up";
import { connectNode } from "../../automation/ssh/connect";
import type { NodeConnection } from "../../automation/ssh/connection";
import { sandboxDialPolicy } from "../../automation/ssh/dial";
import { openKnownHosts } from "../../automation/ssh/known-hosts";
import { verify, type VerifyTarget } from "../../automation/verify/runner";
import type { NodeVerification } from "../../automation/verify/result";
import { selectChecks } from "../../automation/verify/select";
import { applicationDirectories, type NodeExpectation } from "../../fleet/checks";
import { isSpotError } from "../../fleet/errors";
import type { FleetEvent } from "../../fleet/report/events";
import { readUserDataTemplate, renderUserData } from "../../fleet/node/user-data";
import { readPayload } from "../../project/payload";
import type { HostDriver } from "../../sandbox/hosts/driver";
import { createNspawnDriver } from "../../sandbox/hosts/nspawn";
import { rootsOf } from "../../sandbox/daemon/roots";
import { callerAddress, claimNetwork, hostAddresses } from "../../sandbox/home/network";
import { CleanUp } from "../support/clean-up";
import { makeKey } from "../support/fake-host";
import { describeHosts } from "../support/describe-hosts";
import { testCacheDir } from "../support/sandbox";
import { openUp } from "../support/wide-open";

const ID = "i-0123456789abcdef0";
const CALLER = "198.18.0.1/32";
const TOKEN = "5f".repeat(32);
const packageRoot = join(__dirname, "../../..");
const units = [
  "bacalhau-startup.service",
  "sensor.service",
  "spot-interruption.service",
  "spot-own-units.service",
  "spot-reboot.service",
];

/** A really booted host, from its first boot to its verification. Each test goes on where the one before ended. */
describeHosts("a node, from its first boot to its verification", () => {
  const cleanUp = new CleanUp();
  const userKey = makeKey();
  const events: FleetEvent[] = [];
  let driver: HostDriver;
  let node: BringUpNode;
  let deps: BringUpDeps;

  before(async () => {
    const home = await mkdtemp(join(tmpdir(), "spot-node-"));
    cleanUp.defer(() => rm(home, { recursive: true, force: true }));
    const { network, release } = claimNetwork(home, "hosts");
    cleanUp.defer(release);
    driver = await createNspawnDriver({
      home,
      cacheDir: testCacheDir,
      sandboxId: home,
      network,
      roots: rootsOf.hosts,
      callerAddress: callerAddress(network),
      report: () => undefined,
      onEnded: () => undefined,
    });
    cleanUp.defer(() => driver.close());
    const address = hostAddresses(network)[0] ?? assert.fail("no address");
    const payload = readPayload(
      { scriptsDirectory: undefined, filesDirectory: undefined, bacalhau: undefined },
      { packageRoot, projectDir: home },
    );
    const userData = renderUserData(
      readUserDataTemplate(await readFile(join(packageRoot, "instance/cloud-init/user-data.yaml"), "utf8")),
      {
        username: "ubuntu",
        sshPublicKeys: [`ssh-ed25519 ${userKey.publicBase64}`],
        packages: [],
        node: { stack: "dev", lineage: "lineage-1", node: "us-west-2-0", generation: "1" },
        hostKeyToken: TOKEN,
      },
    );
    await driver.launch({
      instanceId: ID,
      region: "us-west-2",
      availabilityZone: "us-west-2a",
      amiId: "ami-0123456789abcdef0",
      instanceType: "t3.small",
      market: "spot",
      publicAddress: address,
      privateAddress: "10.0.0.10",
      userData: Buffer.from(userData),
      publicKeys: [],
      httpTokens: "required",
      tags: {},
    });
    await openUp(driver, ID);
    node = {
      ref: { name: "us-west-2-0", region: "us-west-2", instanceId: ID, address },
      username: "ubuntu",
      privateKey: userKey.privateKey,
      token: TOKEN,
      payload,
    };
    deps = {
      knownHosts: openKnownHosts(join(home, "known_hosts")),
      dial: sandboxDialPolicy(network),
      reporter: { emit: (event) => void events.push(event), confirm: () => Promise.resolve(true) },
      wait: true,
    };
    expectation = {
      name: "us-west-2-0",
      region: "us-west-2",
      instanceId: ID,
      address,
      hasOwnNetwork: true,
      sshFrom: [CALLER],
      mayAdmitCallers: false,
      isAsDesired: true,
      lineage: "lineage-1",
      awsCli: "aws",
      instanceType: "t3.small",
      availabilityZone: "us-west-2a",
      market: "spot",
      username: "ubuntu",
      manifest: payload.manifest,
      userDataSha256: createHash("sha256").update(userData).digest("hex"),
      userDataFiles: [],
      hostKeyToken: TOKEN,
      packages: [],
      directories: applicationDirectories,
      units: {
        installed: Object.fromEntries(units.map((name) => [name, `services/${name}`])),
        enabled: units.filter((name) => name !== "spot-reboot.service"),
        workloads: ["sensor.service", "spot-interruption.service"],
        own: [],
      },
    };
  });
  after(() => cleanUp.run());

  let expectation: NodeExpectation;
  const login = (): Promise<NodeConnection> =>
    connectNode({
      instanceId: ID,
      address: node.ref.address,
      username: node.username,
      privateKey: node.privateKey,
      token: TOKEN,
      ...deps,
      deadlineMs: 20_000,
    });
  const verifyIt = async (only?: string): Promise<NodeVerification> => {
    const target: VerifyTarget = {
      ref: node.ref,
      expectation,
      cloud: {
        account: "123456789012",
        instance: {
          instanceId: ID,
          state: "running",
          instanceType: "t3.small",
          availabilityZone: "us-west-2a",
          market: "spot",
          publicAddress: node.ref.address,
          httpTokens: "required",
          tags: {
            ManagedBy: "spot-deployer",
            "spot-deployer:lineage": "lineage-1",
            "spot-deployer:node": "us-west-2-0",
          },
        },
        caller: { cidr: CALLER, isCertain: true },
        groups: {
          value: [
            { id: "sg-1", isOwn: true, ingress: [{ protocol: "tcp", fromPort: 22, toPort: 22, source: CALLER }] },
          ],
        },
        internetRoute: { value: "igw-1" },
        rootVolume: { value: { encrypted: true, tags: { "spot-deployer:lineage": "lineage-1" } } },
        spotRequest: { value: { id: "sir-1", state: "active", status: "fulfilled" } },
      },
      connect: (deadlineMs) =>
        connectNode({
          instanceId: ID,
          address: node.ref.address,
          username: node.username,
          privateKey: node.privateKey,
          token: TOKEN,
          ...deps,
          deadlineMs,
        }),
    };
    const { nodes } = await verify([target], { checks: selectChecks({ only }) });
    return nodes[0] ?? assert.fail("no result");
  };
  const notOk = ({ results }: NodeVerification): string[] =>
    results.flatMap(({ id, status, actual, because }) =>
      status === "ok" || status === "info" ? [] : [`${id} ${status}: ${actual ?? because}`],
    );

  it("is brought up: proven, uploaded, deployed, rebooted", async () => {
    assert.deepEqual(await bringUp(node, deps), { state: "rebooted" });
    assert.deepEqual(
      events.flatMap((event) => (event.type === "node" ? [event.phase] : [])),
      ["uploaded", "deploying", "rebooted"],
    );
  });

  it("is verified by the whole check list", async () => {
    const result = await verifyIt();
    assert.deepEqual(notOk(result), []);
    assert.equal(result.isVerified, true);
  });

  it("is not touched by a second run", async () => {
    const before = events.length;
    assert.deepEqual(await bringUp(node, deps), { state: "rebooted" });
    assert.deepEqual(
      events.slice(before).filter(({ type }) => type === "node"),
      [],
    );
  });

  it("must be replaced for another payload, and keeps the one that it has", async () => {
    const other = { ...node.payload, manifest: { ...node.payload.manifest, digest: "0".repeat(64) } };
    const result = await bringUp({ ...node, payload: other }, deps);
    assert.equal(result.state, "must-replace");
    assert.deepEqual(notOk(await verifyIt("D*")), []);
  });

  for (const [what, breakIt, repairIt, failing, words] of [
    [
      "a script was changed",
      "sed -i '$a # changed' /opt/uploaded_files/scripts/sensor.py",
      "sed -i '$d' /opt/uploaded_files/scripts/sensor.py",
      "D2",
      /scripts\/sensor.py/,
    ],
    [
      "a directory is missing",
      "mv /opt/sensor/exports /opt/sensor/gone",
      "mv /opt/sensor/gone /opt/sensor/exports",
      "D4",
      /\/opt\/sensor\/exports: missing/,
    ],
    [
      "a unit was disabled",
      "systemctl disable -q sensor.service",
      "systemctl enable -q sensor.service",
      "F3",
      /sensor.service: disabled/,
    ],
    [
      "a workload is dead",
      "systemctl stop sensor.service",
      "systemctl start sensor.service",
      "F7",
      /sensor.service: inactive/,
    ],
    [
      "the identity is another's",
      "sed -i s/i-0123456789abcdef0/i-test/ /opt/sensor/config/node_identity.json",
      "sed -i s/i-test/i-0123456789abcdef0/ /opt/sensor/config/node_identity.json",
      "G2",
      /i-test/,
    ],
    [
      "a unit file was changed",
      "sed -i '$a # changed' /etc/systemd/system/sensor.service",
      "sed -i '$d' /etc/systemd/system/sensor.service",
      "F1",
      /sensor.service: differs/,
    ],
  ] as const) {
    it(`is caught by ${failing} when ${what}, and nothing before it`, async () => {
      await using connection = await login();
      const sudo = async (command: string): Promise<void> =>
        assert.equal(
          (await connection.run(`sudo sh -c ${JSON.stringify(command)}`.replaceAll("$", "\\$"), { deadlineMs: 30_000 }))
            .code,
          0,
        );
      await sudo(breakIt);
      try {
        const { results } = await verifyIt();
        const first = results.find(({ status }) => status === "failed");
        assert.equal(first?.id, failing);
        assert.match(first.actual ?? "", words);
      } finally {
        await sudo(repairIt);
      }
    });
  }

  it("is refused at its address when another host key is pinned", async () => {
    await deps.knownHosts.forget(ID);
    await deps.knownHosts.pin(ID, makeKey().publicBase64);
    await assert.rejects(login(), (error: unknown) => isSpotError(error) && error.code === "E_HOST_KEY");
  });
});

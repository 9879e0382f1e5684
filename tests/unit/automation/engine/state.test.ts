import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { engineError } from "../../../../automation/engine/cli-errors";
import { fileBackendRoot, lockOwners, lockState } from "../../../../automation/engine/lock";
import { readStackSettings, writeStackSettings } from "../../../../automation/engine/stack-config";
import { fleetSecretOf, holdsNothing, recordUrn, stateOf, unseenOf } from "../../../../automation/engine/state";
import { stateFilesOf } from "../../../../automation/engine/state-files";
import { NO_PINS } from "../../../../fleet/plan/stack-config";
import { networkFits } from "../../../../fleet/plan/pins";
import { recordedPins } from "../../../../automation/operations/plan/recorded-pins";
import { AwsType } from "../../../../fleet/aws/resource-types";
import { SSH_RULE } from "../../../../fleet/aws/network";
import type { Pins } from "../../../../fleet/model";

const urn = (type: string, name: string) => `urn:pulumi:s::spot-deployer::x:y:Z$${type}::${name}`;
const resource = (type: string, name: string, id: string, inputs: object, outputs: object = {}) => ({
  urn: urn(type, name),
  custom: true,
  id,
  inputs: { region: "us-west-2", ...inputs },
  outputs,
});
const TAGS = { "spot-deployer:lineage": "abc", "spot-deployer:node": "us-west-2-0", "spot-deployer:generation": "g1" };

const EXPORTED = {
  deployment: {
    resources: [
      { urn: "urn:pulumi:s::spot-deployer::pulumi:pulumi:Stack::spot-deployer-s", custom: false },
      resource("aws:ec2/vpc:Vpc", "us-west-2", "vpc-1", { tags: TAGS }),
      resource("aws:ec2/subnet:Subnet", "us-west-2b", "subnet-2", { availabilityZone: "us-west-2b" }),
      resource("aws:ec2/subnet:Subnet", "us-west-2a", "subnet-1", { availabilityZone: "us-west-2a" }),
      resource("aws:ec2/securityGroup:SecurityGroup", "us-west-2", "sg-1", { vpcId: "vpc-1" }),
      resource(AwsType.ingressRule, "us-west-2-ssh-203.0.113.7/32", "sgr-1", {
        cidrIpv4: "203.0.113.7/32",
        description: SSH_RULE.caller,
      }),
      resource(AwsType.ingressRule, "us-west-2-ssh-198.51.100.0/24", "sgr-2", {
        cidrIpv4: "198.51.100.0/24",
        description: SSH_RULE.configured,
      }),
      resource(
        "aws:ec2/instance:Instance",
        "us-west-2-0-spot",
        "i-1",
        { ami: "ami-1", instanceType: "t3.medium", subnetId: "subnet-1", tags: TAGS },
        { availabilityZone: "us-west-2a", publicIp: "203.0.113.9" },
      ),
    ],
    pending_operations: [{}],
  },
};

/** A stack's state with a record of the fleet, its secret as `pulumi stack export` shows it, or in plain text. */
const withRecord = (shown: object, outputs: object = {}): object => ({
  deployment: {
    resources: [
      { urn: "urn:pulumi:s::spot-deployer::pulumi:pulumi:Stack::spot-deployer-s", custom: false, outputs },
      {
        urn: "urn:pulumi:s::spot-deployer::pulumi:index:Stash::fleet",
        custom: true,
        id: "1",
        inputs: {
          input: {
            lineage: "0123456789abcdef",
            configFile: "config.yaml",
            account: "123456789012",
            pins: NO_PINS,
            fleetSecret: shown,
          },
        },
      },
    ],
  },
});

describe("the fleet's record in the state", () => {
  it("tells whose a fleet is of which nothing stands, and is nothing that could stand", () => {
    const { record, lineage, account, regions, resources, pending } = stateOf(withRecord({ ciphertext: "x" }));
    assert.deepEqual([lineage, account, regions], ["0123456789abcdef", "123456789012", []]);
    assert.deepEqual(record, { lineage, account, configFile: "config.yaml", pins: NO_PINS });
    assert.ok(holdsNothing({ resources, pending }));
    assert.equal(recordUrn("org/project/s"), resources[1]!.urn);
  });

  it("has the fleet's secret, or the stack's outputs have it, as earlier versions wrote it", () => {
    const plain = { plaintext: '"abc"' };
    assert.equal(fleetSecretOf(withRecord(plain)), "abc");
    assert.equal(fleetSecretOf(EXPORTED), undefined);
    const [stack] = (withRecord({}, { fleetSecret: plain }) as typeof EXPORTED).deployment.resources;
    assert.equal(fleetSecretOf({ deployment: { resources: [stack] } }), "abc");
    assert.equal(fleetSecretOf(withRecord({ ciphertext: "x" })), undefined, "it is not to be read without its key");
  });
});

describe("the state as exported", () => {
  it("tells nodes, lineage, regions and what was left unfinished", () => {
    const state = stateOf(EXPORTED);
    assert.deepEqual(
      state.nodes.map(({ name, instanceId, generation, pin, address }) => ({
        name,
        instanceId,
        generation,
        pin,
        address,
      })),
      [
        {
          name: "us-west-2-0",
          instanceId: "i-1",
          generation: "g1",
          address: "203.0.113.9",
          pin: {
            ami: "ami-1",
            pool: { region: "us-west-2", availabilityZone: "us-west-2a", instanceType: "t3.medium", market: "spot" },
          },
        },
      ],
    );
    assert.equal(state.lineage, "abc");
    assert.deepEqual(state.regions, ["us-west-2"]);
    assert.equal(state.pending.length, 1);
  });

  it("does not take a node for one that was deleted to be made anew and is not made yet", () => {
    const resources = EXPORTED.deployment.resources.map((entry) =>
      entry.urn.includes("instance") ? { ...entry, pendingReplacement: true } : entry,
    );
    const state = stateOf({ deployment: { resources } });
    assert.deepEqual([state.nodes, state.resources.length], [[], resources.length]);
  });

  it("has the zone of an instance that was launched and never seen from what was asked for", () => {
    const resources = EXPORTED.deployment.resources.map((entry) =>
      "inputs" in entry && entry.urn.includes("instance")
        ? {
            ...entry,
            inputs: { ...entry.inputs, availabilityZone: "us-west-2b" },
            outputs: {},
            initErrors: ["expired"],
          }
        : entry,
    );
    const state = stateOf({ deployment: { resources } });
    assert.deepEqual(
      state.nodes.map(({ pin, address }) => [pin.pool.availabilityZone, address]),
      [["us-west-2b", undefined]],
    );
    assert.deepEqual(unseenOf(state), [state.nodes[0]!.urn]);
    assert.deepEqual(unseenOf(stateOf(EXPORTED)), []);
  });

  it("has nothing unseen of an instance that waits to be made anew, or stands still", () => {
    const changed = (more: object) => ({
      deployment: {
        resources: EXPORTED.deployment.resources.map((entry) =>
          entry.urn.includes("instance") ? { ...entry, ...more } : entry,
        ),
      },
    });
    assert.equal(unseenOf(stateOf(changed({ initErrors: ["denied"] }))).length, 1);
    assert.deepEqual(unseenOf(stateOf(changed({ initErrors: ["denied"], pendingReplacement: true }))), []);
    assert.equal(unseenOf(stateOf(changed({ outputs: { instanceState: "pending" } }))).length, 1);
    assert.deepEqual(unseenOf(stateOf(changed({ outputs: { instanceState: "stopped" } }))), []);
  });

  it("is enough to rebuild the pins, and only a caller's confirmed address counts as one", () => {
    const pins = recordedPins(stateOf(EXPORTED), "create");
    assert.deepEqual(pins.regions, {
      "us-west-2": { network: "create", availabilityZones: ["us-west-2a", "us-west-2b"], securityGroups: [] },
    });
    assert.deepEqual(Object.keys(pins.nodes), ["us-west-2-0"]);
    assert.deepEqual(pins.callers, ["203.0.113.7/32"]);
  });

  it("confirms no address that somebody wrote into a confirmed rule", () => {
    const resources = EXPORTED.deployment.resources.map(
      (entry) => JSON.parse(JSON.stringify(entry).replace('"203.0.113.7/32"', '"0.0.0.0/0"')) as typeof entry,
    );
    assert.match(JSON.stringify(resources), /"0\.0\.0\.0\/0"/);
    assert.deepEqual(recordedPins(stateOf({ deployment: { resources } }), "create").callers, ["203.0.113.7/32"]);
  });

  it("is read from its own file when that has the form that is known, and else left to the engine", () => {
    const backend = mkdtempSync(path.join(os.tmpdir(), "spot-state-"));
    try {
      const files = stateFilesOf(`file://${backend}`, "organization/spot-deployer/s") ?? assert.fail();
      assert.equal(files.read(), undefined, "there is none");
      mkdirSync(path.dirname(files.state), { recursive: true });
      const checkpoint = { stack: "s", latest: EXPORTED.deployment };
      writeFileSync(files.state, JSON.stringify({ version: 3, checkpoint }));
      assert.deepEqual(files.read(), stateOf(EXPORTED));
      for (const other of [
        JSON.stringify({ version: 4, checkpoint }),
        JSON.stringify({ checkpoint }),
        '{"version":3,"checkpoint":{"stack":"s"}}',
        "{}",
        "null",
        "[]",
        "",
        '{"version":3,"che',
      ]) {
        writeFileSync(files.state, other);
        assert.equal(files.read(), undefined, other);
      }
    } finally {
      rmSync(backend, { recursive: true, force: true });
    }
  });

  it("is restored from a backup whole or not at all, and what stood in its place is kept", () => {
    const backend = mkdtempSync(path.join(os.tmpdir(), "spot-state-"));
    try {
      const files = stateFilesOf(`file://${backend}`, "s") ?? assert.fail();
      const folder = path.dirname(files.state);
      mkdirSync(folder, { recursive: true });
      const whole = JSON.stringify({ version: 3, checkpoint: { stack: "s", latest: EXPORTED.deployment } });
      writeFileSync(`${files.state}.bak`, whole, { mode: 0o640 });
      for (const name of [files.state, `${files.state}.attrs`]) writeFileSync(name, "cut o");
      const backup = files.backup() ?? assert.fail();
      const before = readdirSync(folder);
      assert.throws(() => files.restore({ ...backup, file: path.join(folder, "gone") }), { code: "ENOENT" });
      assert.deepEqual(readdirSync(folder), before);
      const kept = files.restore(backup) ?? assert.fail();
      assert.equal(readFileSync(kept, "utf8"), "cut o");
      assert.equal(readFileSync(files.state, "utf8"), whole);
      assert.equal(statSync(files.state).mode & 0o777, 0o640);
      const names = [files.state, `${files.state}.bak`, kept].map((name) => path.basename(name));
      assert.deepEqual(readdirSync(folder).sort(), names.sort());
    } finally {
      rmSync(backend, { recursive: true, force: true });
    }
  });

  it("is known to be none, without the engine, where a backend's folder can be read and holds none of its files", () => {
    const backend = mkdtempSync(path.join(os.tmpdir(), "spot-state-"));
    const isUnused = (folder: string) => stateFilesOf(`file://${folder}`, "s")!.isUnused();
    try {
      assert.equal(isUnused(backend), true);
      mkdirSync(path.join(backend, ".pulumi"));
      writeFileSync(path.join(backend, "file"), "");
      assert.deepEqual([backend, path.join(backend, "file"), path.join(backend, "missing")].map(isUnused), [
        false,
        false,
        false,
      ]);
    } finally {
      rmSync(backend, { recursive: true, force: true });
    }
  });

  it("of nothing is empty", () => {
    assert.deepEqual(stateOf({}), {
      resources: [],
      nodes: [],
      record: undefined,
      lineage: undefined,
      account: undefined,
      endpoints: undefined,
      regions: [],
      pending: [],
    });
  });

  it("keeps an existing network unless another one is named", () => {
    const existing = { network: "existing" as const, vpcId: "vpc-1", subnets: {}, securityGroups: [] };
    assert.ok(networkFits(existing, "default") && networkFits(existing, "vpc-1"));
    assert.ok(!networkFits(existing, "vpc-2") && !networkFits(existing, "create"));
  });
});

describe("the engine's lock", () => {
  it("is looked for where the engine takes ~ for the user's own folder, whatever HOME says", () => {
    const home = process.env.HOME;
    process.env.HOME = "/elsewhere";
    try {
      assert.equal(fileBackendRoot("file://~/state"), path.join(os.userInfo().homedir, "state"));
      assert.equal(
        fileBackendRoot("file://~/my%20state?no_tmp_dir=true"),
        path.join(os.userInfo().homedir, "my state"),
      );
    } finally {
      process.env.HOME = home;
    }
  });

  const REFUSAL =
    "the stack is currently locked by 1 lock(s). … file:///x/y.json: created by ada@box (pid 4711) at 2026-11-22T10:00:00Z";
  const since = new Date("2026-11-22T10:00:00Z");

  it("names its owner", () => {
    assert.deepEqual(lockOwners(REFUSAL), [{ user: "ada", host: "box", pid: 4711, since }]);
    assert.deepEqual(lockOwners("no stack named x"), []);
  });

  it("is dead when the process is gone, or when its id belongs to a younger one; never by guess", () => {
    const owner = lockOwners(REFUSAL)[0]!;
    assert.equal(
      lockState(owner, "box", () => "none"),
      "dead",
    );
    assert.equal(
      lockState(owner, "box", () => new Date("2026-11-22T11:00:00Z")),
      "dead",
    );
    assert.equal(
      lockState(owner, "box", () => new Date("2026-11-22T09:59:59Z")),
      "alive",
    );
    assert.equal(
      lockState(owner, "box", () => "unknown"),
      "alive",
    );
    assert.equal(
      lockState(owner, "elsewhere", () => "none"),
      "unknown",
    );
  });
});

describe("what the CLI says when it cannot begin", () => {
  const code = (stderr: string) => engineError({ code: 1, signal: null, stdout: "", stderr }).code;
  for (const [text, expected] of [
    ["error: the stack is currently locked by 1 lock(s)", "E_LOCKED"],
    ["error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE", "E_PASSPHRASE"],
    ["error: failed to decrypt: incorrect passphrase", "E_PASSPHRASE"],
    [
      "error: could not deserialize deployment: constructing secrets manager: unable to read PULUMI_CONFIG_PASSPHRASE_FILE: open /x: no such file",
      "E_KEY_LOST",
    ],
    ["error: no resource plugin 'pulumi-resource-aws' found", "E_PROVIDER"],
    ["error: could not automatically download and install resource plugin: connection refused", "E_PROVIDER"],
    ["error: getting stack configuration: invalid YAML file: x", "E_CONFIG_SYNTAX"],
    ["error: snapshot integrity failure", "E_STATE"],
    ["error: PULUMI_ACCESS_TOKEN must be set for login", "E_BACKEND"],
    ["error: unable to open bucket azblob://b: azureblob: Options.AccountName is required", "E_BACKEND"],
    ["error: missing google credentials: unable to find gcp credentials", "E_BACKEND"],
    ["error: something new", "E_UNEXPECTED"],
    ["error: open /home/me/.pulumi/credentials.json: read-only file system", "E_UNEXPECTED"],
    ["error: the program says [403] of its bucket list", "E_UNEXPECTED"],
    ["error: rpc error: code = DeadlineExceeded desc = context deadline exceeded", "E_UNEXPECTED"],
    ["error: [409] Conflict: Another update is currently in progress.", "E_LOCKED"],
  ] as const) {
    it(`${expected}: ${text}`, () => assert.equal(code(text), expected));
  }

  for (const [text, message] of [
    [
      "error: could not list bucket: blob (code=NotFound): operation error S3: ListObjectsV2, api error NoSuchBucket",
      "the state backend is not there",
    ],
    [
      "error: 2 errors occurred:\n 1) operation error S3: PutObject, api error AccessDenied: Access Denied\n 2) PermissionDenied",
      "the state backend refuses these credentials",
    ],
    ["warning: failed to get capabilities: [403] no\nerror: [403] no", "the state backend refuses these credentials"],
    ["error: Unauthorized: No credentials provided or are invalid.", "there is no valid login at the state backend"],
    [
      "error: open /state/.pulumi/locks/organization/x/y/z.json: read-only file system",
      "this user may not write where the state is kept",
    ],
    [
      'error: performing HTTP request: Get "http://127.0.0.1:1/api/user": dial tcp 127.0.0.1:1: connect: connection refused',
      "the state backend cannot be reached",
    ],
    ["error: [502] <html>Bad Gateway</html> (Request ID: 1)", "the state backend cannot be used"],
  ] as const)
    it(`${message}: ${text}`, () => {
      const error = engineError({ code: 1, signal: null, stdout: "", stderr: text });
      assert.deepEqual([error.code, error.message], ["E_BACKEND", message]);
    });
});

describe("Pulumi.<stack>.yaml", () => {
  const pins: Pins = {
    version: 1,
    regions: {},
    nodes: {},
    launches: {},
    unplaced: {},
    ssh: { allow: [], callers: ["203.0.113.7/32"], publicKey: "ssh-ed25519 AAAA" },
  };
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-settings-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it("keeps what is not ours, and comes back as it was written", () => {
    const file = path.join(dir, "Pulumi.x.yaml");
    writeFileSync(
      file,
      "encryptionsalt: v1:abc\nconfig:\n  aws:region: us-east-1 # mine\n  spot-deployer:fleetSecret:\n    secure: v1:zzz\n  spot-deployer:endpoint: http://127.0.0.1:1\n",
    );
    const settings = {
      lineage: "0123456789abcdef",
      configFile: "config.yaml",
      kept: "/state/verified",
      endpoint: undefined,
      endpoints: { ec2: "http://127.0.0.1:4566" },
      account: "123456789012",
      providerRegion: "us-west-2",
      pins,
    };
    writeStackSettings(file, settings);
    const text = readFileSync(file, "utf8");
    assert.match(text, /encryptionsalt: v1:abc/);
    assert.match(text, /aws:region: us-east-1 # mine/);
    assert.match(text, /secure: v1:zzz/);
    assert.doesNotMatch(text, /endpoint:/);
    assert.deepEqual(readStackSettings(file), settings);
  });

  it("that is missing or of another version has no pins; broken YAML is refused with what to do", () => {
    assert.deepEqual(readStackSettings(path.join(dir, "none.yaml")), {});
    const file = path.join(dir, "Pulumi.y.yaml");
    writeFileSync(file, "config:\n  spot-deployer:pins:\n    version: 99\n");
    assert.equal(readStackSettings(file).pins, undefined);
    writeFileSync(file, "config: [\n");
    assert.throws(() => readStackSettings(file), { code: "E_CONFIG_SYNTAX", next: /derived: delete it/ });
    assert.ok(existsSync(file), "nothing of the user's is deleted");
  });
});

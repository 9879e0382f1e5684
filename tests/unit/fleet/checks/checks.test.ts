import assert from "node:assert/strict";
import {
  applicationDirectories,
  checks,
  phases,
  type CloudFacts,
  type CommandOutput,
  type GroupFacts,
  type InstanceFacts,
  type NodeExpectation,
  type Verdict,
} from "../../../../fleet/checks";
import { ofOutdated } from "../../../../fleet/checks/expectations";
import { NODE, outside, spot, type Step } from "../../../../fleet/steps";
import { layout, paths } from "../../../../fleet/layout";
import { hostKeyProof } from "../../../../fleet/identity/host-key-proof";
import { manifestOf, manifestText } from "../../../../fleet/node/payload";
import { renderedBacalhau } from "../../../../fleet/node/rendered";

const sha = (letter: string): string => letter.repeat(64);
const manifest = manifestOf([
  { path: "scripts", type: "directory", mode: "0755" },
  { path: "scripts/run.py", type: "file", mode: "0755", size: 5, sha256: sha("a") },
  { path: "files/a name.txt", type: "file", mode: "0644", size: 0, sha256: sha("b") },
  { path: "files/link", type: "link", target: "../scripts/run.py" },
  { path: "services/sensor.service", type: "file", mode: "0644", size: 9, sha256: sha("c") },
  { path: "config/sensor-config.json", type: "file", mode: "0644", size: 2, sha256: sha("1") },
  { path: "files/on-interruption.d/10-save", type: "file", mode: "0644", size: 3, sha256: sha("2") },
]);
/** What find prints of something on the node. */
const file = (path: string, mode = "644", owner = "root"): string => `f\t${owner}\t${mode}\t\t${path}\n`;
const folder = (path: string, mode = "755", owner = "root"): string => `d\t${owner}\t${mode}\t\t${path}\n`;
const node: NodeExpectation = {
  name: "us-west-2-0",
  region: "us-west-2",
  hasOwnNetwork: true,
  sshFrom: ["198.18.0.1/32"],
  mayAdmitCallers: true,
  isAsDesired: true,
  instanceId: "i-0123456789abcdef0",
  lineage: "lineage-1",
  awsCli: "ASK",
  instanceType: "t3.small",
  availabilityZone: "us-west-2a",
  market: "spot",
  username: "ubuntu",
  manifest,
  userDataSha256: sha("d"),
  userDataFiles: [{ path: paths.node, mode: "644", owner: "root", sha256: sha("3") }],
  hostKeyToken: "70ken",
  rendered: {
    sensor: { interval_seconds: 0.5 },
    bacalhau: renderedBacalhau({
      template: { API: { Port: 1234 }, Compute: { Enabled: true } },
      orchestrators: ["nats://one.example:4222"],
      allowedPaths: [],
      labels: { team: "a" },
      ownLabels: { node: "us-west-2-0" },
      token: "s3cret",
    }),
  },
  packages: ["curl", "jq"],
  directories: applicationDirectories,
  units: {
    installed: { "sensor.service": "services/sensor.service" },
    enabled: ["sensor.service", "bacalhau-startup.service"],
    workloads: ["sensor.service"],
    own: ["mine.service"],
  },
  bacalhau: {
    version: "1.6.0",
    orchestrators: ["nats://one.example:4222", "nats://two.example:4222"],
    api: "http://one.example:1234",
    sources: [sha("4")],
  },
};
const machineFacts = {
  account: "123456789012",
  instance: {
    instanceId: node.instanceId,
    state: "running",
    instanceType: "t3.small",
    availabilityZone: "us-west-2a",
    market: "spot" as const,
    publicAddress: "198.18.0.2",
    httpTokens: "required",
    tags: { ManagedBy: "spot-deployer", "spot-deployer:lineage": "lineage-1", "spot-deployer:node": "us-west-2-0" },
  },
};

const group = (port: number): GroupFacts => ({
  id: `sg-${port}`,
  isOwn: true,
  ingress: [{ protocol: "tcp", fromPort: port, toPort: port, source: "198.18.0.1/32" }],
});
const cloud: CloudFacts & { instance: InstanceFacts } = {
  ...machineFacts,
  caller: { cidr: "198.18.0.1/32", isCertain: true },
  groups: { value: [group(22)] },
  internetRoute: { value: "igw-1" },
  rootVolume: { value: { encrypted: true, tags: { "spot-deployer:lineage": "lineage-1" } } },
  spotRequest: { value: { id: "sir-1", state: "active", status: "fulfilled" } },
};

const checkOf = (id: string) => checks.find((check) => check.id === id) ?? assert.fail(`no check ${id}`);

function judge(id: string, output: string | Partial<CommandOutput>): Verdict {
  const check = checkOf(id);
  assert.equal(check.where, "node");
  return check.judge(
    {
      code: 0,
      stdout: "",
      stderr: "",
      at: 1_700_000_000_000,
      ...(typeof output === "string" ? { stdout: output } : output),
    },
    node,
  );
}

const step = (name: string, status: string, detail = ""): string => JSON.stringify({ name, status, detail });
const tree = (...without: string[]): string =>
  [
    "d\tubuntu\t0755\t60\t\tscripts",
    "f\tubuntu\t0755\t5\t\tscripts/run.py",
    "d\tubuntu\t0775\t60\t\tfiles",
    "f\tubuntu\t0644\t0\t\tfiles/a name.txt",
    "l\tubuntu\t0777\t17\t../scripts/run.py\tfiles/link",
    "d\tubuntu\t0755\t60\t\tfiles/on-interruption.d",
    "f\tubuntu\t0644\t3\t\tfiles/on-interruption.d/10-save",
    "d\tubuntu\t0755\t60\t\tservices",
    "f\tubuntu\t0644\t9\t\tservices/sensor.service",
    "d\tubuntu\t0755\t60\t\tconfig",
    "f\tubuntu\t0644\t2\t\tconfig/sensor-config.json",
    "f\tubuntu\t0644\t999\t\tmanifest.json",
  ]
    .filter((line) => !without.some((path) => line.endsWith(`\t${path}`)))
    .join("\n");
const sums = (first = sha("a")): string =>
  Object.entries({
    "scripts/run.py": first,
    "files/a name.txt": sha("b"),
    "files/on-interruption.d/10-save": sha("2"),
    "services/sensor.service": sha("c"),
    "config/sensor-config.json": sha("1"),
    "manifest.json": sha("9"),
  })
    .map(([path, sum]) => `${sum}  ${paths.upload}/${path}\n`)
    .join("");
const RUNNING = '{"status": "running"}\n';
const stages = (more: object): string =>
  JSON.stringify({ v1: { stage: null, "modules-final": { errors: [], finished: 1, ...more } } });
const unit = (properties: Record<string, string>): string =>
  Object.entries(properties)
    .map(([key, value]) => `${key}=${value}`)
    .join("\n");
const startup = (active: string, sub: string, status = "0"): string =>
  unit({
    ActiveState: active,
    SubState: sub,
    Result: status === "0" ? "success" : "exit-code",
    ExecMainStatus: status,
  });
/** `systemctl show` of units that are well but for what is given. */
const shown = (...units: Record<string, string>[]): string =>
  `1000.00\n${units.map((properties) => unit({ ActiveState: "active", SubState: "running", Result: "success", NRestarts: "0", Type: "simple", UnitFileState: "enabled", ActiveEnterTimestamp: "Tue 2023-11-14 22:13:20 UTC", ActiveEnterTimestampMonotonic: "100000000", ...properties })).join("\n\n")}\n`;
const orchestrator = (instanceId: string, status: string): string =>
  JSON.stringify({
    Nodes: [{ Info: { NodeID: "n-1", Labels: { instance_id: instanceId } }, ConnectionState: { Status: status } }],
  });
const journal = (entry: Record<string, string>): string => `${JSON.stringify(entry)}\n`;
const machine = ({ disk = 12, inodes = 3, available = 900, load = 0.5 } = {}): string =>
  ` ${disk}%   ${inodes}% /\nMemTotal:        1000 kB\nMemAvailable:     ${available} kB\n${load}\n2\n`;
const identity = {
  sensor_id: "SENSOR_AZ_PHO_5441",
  location: {},
  device_info: {},
  deployment: {},
  metadata: { instance_id: node.instanceId },
};
const ways = (opt = "755"): string => folder("/") + folder("/opt", opt);
const directories = applicationDirectories.map(({ path, owner, mode }) => folder(path, mode, owner));
const KEY = "/etc/ssh/ssh_host_ed25519_key";
const written = ({ node: mode = "644", sum = sha("3"), proof = hostKeyProof("70ken", node.instanceId, "AAAA") } = {}) =>
  `${file(paths.node, mode)}${file(paths.hostKeyProof)}${file(KEY, "600")}${file(`${KEY}.pub`)}${sum}  ${paths.node}\nAAAA\n${proof}\n`;
const marker = (more: object = {}): string =>
  JSON.stringify({
    digest: manifest.digest,
    units: { installed: ["sensor.service"], user: ["mine.service"] },
    ...more,
  });
const hook = `${paths.hooks}/10-save`;
/** All that E5 looks at. */
const put = (change: (text: string) => string = (text) => text, installed = sha("5")): string =>
  change(
    [
      ...layout.directories.filter(({ kind }) => kind === "own").map(({ path }) => folder(path)),
      ...[paths.deploymentSteps, paths.startupSteps, paths.ownUnitsSteps].map((path) => folder(path)),
      file(paths.sensorSettings),
      file(hook, "755"),
      file(paths.binaries),
      file(paths.bacalhau, "755"),
      file(paths.deploymentLog),
      file(`${paths.deploymentSteps}/units.json`),
      `${sha("1")}  ${paths.sensorSettings}\n${sha("2")}  ${hook}\n${sha("5")}  ${paths.bacalhau}\n`,
      JSON.stringify({ bacalhau: { source_sha256: sha("4"), sha256: installed } }, null, 2),
    ].join(""),
  );
const rendered = (change: (text: string) => string = (text) => text): string =>
  change(
    `boot-2\n${[
      [paths.identity, { sensor_id: "SENSOR_AZ_PHO_5441" }],
      [paths.sensorConfig, { sensor_id: "SENSOR_AZ_PHO_5441", interval_seconds: 0.5 }],
      [
        paths.bacalhauConfig,
        {
          API: { Port: 1234 },
          Compute: {
            Enabled: true,
            Orchestrators: ["nats://one.example:4222"],
            Auth: { Token: "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0" },
          },
          Labels: { team: "a", node: "us-west-2-0", sensor_id: "SENSOR_AZ_PHO_5441" },
        },
      ],
      [
        paths.instance,
        {
          instanceId: node.instanceId,
          region: "us-west-2",
          availabilityZone: "us-west-2a",
          instanceType: "t3.small",
          bootId: "boot-2",
        },
      ],
      [paths.startupComplete, { instanceId: node.instanceId, bootId: "boot-2", completedAt: "2026-01-01T00:00:00Z" }],
    ]
      .map((line) => JSON.stringify(line))
      .join("\n")}\n`,
  );
const configured = (change: (text: string) => string = (text) => text): string =>
  change(
    `${file(paths.sensorConfig)}${file(paths.instance)}${file(paths.startupComplete)}${file(paths.bacalhauConfig, "600")}looked\n`,
  );
/** The journals as they follow on the state of units. */
const WITH_JOURNAL =
  "== sensor.service\n| first \u001b[31mline\u0007\n| password=hunter22\n| == other.service\n== mine.service\n| mine\n";

/** For each check: outputs that hold, and outputs that do not with what must be named. */
const samples: Record<
  string,
  { good: Array<string | Partial<CommandOutput>>; bad: Array<[string | Partial<CommandOutput>, RegExp]> }
> = {
  B3: {
    good: ["ubuntu\n"],
    bad: [
      ["root\n", /root/],
      [{ code: 1, stderr: "sudo: a password is required" }, /password/],
    ],
  },
  B4: {
    good: [node.instanceId],
    bad: [
      ["i-0ffffffffffffffff", /i-0ff/],
      [{ code: 22 }, /curl ended with 22/],
      ["<html>401", /401/],
    ],
  },
  B5: {
    good: [`boot-2\n${JSON.stringify({ bootId: "boot-1" }, null, 2)}\n`],
    bad: [
      [`boot-1\n${JSON.stringify({ bootId: "boot-1" })}`, /still boot-1/],
      [{ code: 1, stdout: "boot-1\n", stderr: "cat: deployment-complete.json: No such file" }, /No such file/],
    ],
  },
  B6: {
    good: ["1700000001.500"],
    bad: [
      ["1700000009.000", /9.0 s off/],
      ["", /NaN/],
    ],
  },
  B7: {
    good: ["default via 198.18.0.1 dev eth0\nip-10-0-0-10 ok\n"],
    bad: [
      ["default via 198.18.0.1 dev eth0\nip-10-0-0-10\n", /^ip-10-0-0-10 is not resolved$/],
      ["ip-10-0-0-10 ok\norchestrator\n", /^no default route; orchestrator is not resolved$/],
    ],
  },
  C1: {
    good: ['{"status": "done", "errors": []}', '{"status": "error"}'],
    bad: [
      ['{"status": "running"}', /running/],
      ['{"status": "disabled"}', /disabled/],
      [{ code: 127, stderr: "cloud-init: not found" }, /not found/],
    ],
  },
  C2: {
    good: [stages({}), stages({ recoverable_errors: {} }), stages({ recoverable_errors: { DEPRECATED: ["old key"] } })],
    bad: [
      [stages({ errors: ["package nonsuch failed"] }), /nonsuch/],
      [stages({ recoverable_errors: { WARNING: ["no such package"] } }), /no such package/],
      [`${stages({})}\n2026-01-01 - util.py[WARNING]: Failed to install packages\n`, /Failed to install/],
      ["", /missing/],
    ],
  },
  C3: { good: [`${sha("d")}  /var/lib/cloud/instance/user-data.txt`], bad: [[`${sha("e")}  x`, /eee/]] },
  C4: {
    good: ["ii  curl\nii  jq\n"],
    bad: [
      ["ii  curl\n", /jq: not installed/],
      ["ii  curl\niU  jq\n", /jq/],
    ],
  },
  C5: { good: [""], bad: [["The following packages are only half configured", /half configured/]] },
  C6: {
    good: [
      JSON.stringify({ v1: { stage: null, init: { start: 1_700_000_000.5, finished: 1_700_000_002, errors: [] } } }),
    ],
    bad: [
      [JSON.stringify({ v1: { init: { start: 1_700_000_000, finished: null } } }), /init not finished/],
      [{ stderr: "cat: No such file" }, /No such file/],
    ],
  },
  C7: {
    good: [written()],
    bad: [
      [written({ node: "666" }), new RegExp(`^${paths.node}: mode 666, not 644$`)],
      [written({ sum: sha("f") }), /node\.json: differs from what the user data says/],
      [written({ proof: "x" }), /host-key-proof: not the proof of this host key/],
      [{ stderr: `find: ‘${paths.node}’: No such file or directory` }, /node\.json: missing/],
    ],
  },
  D1: {
    good: [`${ways()}${folder(paths.upload, "755", "ubuntu")}`],
    bad: [
      [`${ways()}${folder(paths.upload)}`, /^\/opt\/uploaded_files: owner root, not ubuntu$/],
      [
        `${ways("700")}${folder(paths.upload, "755", "ubuntu")}`,
        /^\/opt: mode 700 keeps all but root from what is in it$/,
      ],
      [
        { stdout: ways(), stderr: `find: ‘${paths.upload}’: No such file or directory` },
        /^\/opt\/uploaded_files: missing$/,
      ],
      [
        { stdout: ways(), stderr: `find: '${paths.upload}': Input/output error` },
        /^\/opt\/uploaded_files: cannot be looked at: Input\/output error$/,
      ],
      [{ stderr: "sudo: a password is required" }, /cannot be looked at: sudo: a password is required/],
    ],
  },
  D2: {
    good: [`${tree()}\n\n${sums()}`],
    bad: [
      [`${tree("scripts/run.py")}\n\n${sums()}`, /^scripts\/run.py: missing$/],
      [`${tree()}\n\n${sums(sha("f"))}`, /^scripts\/run.py: content differs$/],
      [`${tree().replace("0644\t0", "0600\t0")}\n\n${sums()}`, /files\/a name.txt: mode 0600, not 0644/],
      [
        `${tree().replace("ubuntu\t0755\t5", "nobody\t0755\t5")}\n\n${sums()}`,
        /^scripts\/run.py: owner nobody, not ubuntu$/,
      ],
      [`${tree().replace("0644\t999", "0666\t999")}\n\n${sums()}`, /^manifest.json: mode 0666, not 0644$/],
      [`${tree().replace("0775", "0777")}\n\n${sums()}`, /^files: mode 0777, so that anybody can write there$/],
      [`${tree().replace("../scripts/run.py", "/etc/passwd")}\n\n${sums()}`, /link: points to \/etc\/passwd/],
      [{ code: 1, stderr: "cd: No such file or directory" }, /missing/],
    ],
  },
  D3: {
    good: ["manifest.json\nscripts\nscripts/run.py\nfiles\n"],
    bad: [["manifest.json\nscripts/__pycache__\n.incoming\n", /scripts\/__pycache__; .incoming/]],
  },
  D4: {
    good: [ways() + directories.join("")],
    bad: [
      [
        {
          stdout: ways() + directories.slice(1).join(""),
          stderr: "find: ‘/opt/sensor’: No such file or directory",
        },
        /^\/opt\/sensor: missing$/,
      ],
      [
        ways() + directories.join("").replace("700\t\t/bacalhau_data", "755\t\t/bacalhau_data"),
        /^\/bacalhau_data: mode 755, not 700, so that others can read it$/,
      ],
      [ways("700") + directories.join(""), /^\/opt: mode 700 keeps all but root from what is in it$/],
    ],
  },
  D5: {
    good: [manifestText(manifest)],
    bad: [
      [JSON.stringify({ digest: "other" }), /other/],
      [manifestText({ ...manifest, entries: [] }), /but with other entries/],
      [{ stderr: "cat: No such file" }, /No such file/],
    ],
  },
  D6: { good: [""], bad: [[{ code: 1, stderr: "Traceback\nSyntaxError: invalid syntax" }, /SyntaxError/]] },
  E1: {
    good: ['{"SERVICE_RESULT": "success"}'],
    bad: [
      ['{"SERVICE_RESULT": "exit-code"}', /exit-code/],
      [{ stderr: "cat: No such file" }, /No such file/],
    ],
  },
  E2: {
    good: [`${step("verify-manifest", "ok")}\n${step("directories", "ok")}\n`],
    bad: [
      [
        `${step("verify-manifest", "ok")}\n${step("directories", "failed", "disk full")}`,
        /^directories: failed: disk full$/,
      ],
      ["", /no step/],
    ],
  },
  E3: {
    good: [marker()],
    bad: [
      [marker({ digest: "other" }), /digest other/],
      [marker({ units: { installed: [], user: ["mine.service"] } }), /^installed none$/],
      [marker({ units: { installed: ["sensor.service"] } }), /^your own not recorded$/],
      [{ stderr: "No such file" }, /No such file/],
    ],
  },
  E4: {
    good: ["[2026-01-01 00:00:00] STEP deployment-complete: ok: payload x"],
    bad: [["[2026-01-01 00:00:00] STEP units: failed: x", /units: failed/]],
  },
  E5: {
    good: [put(), put((text) => file(`${paths.state}/something-else`, "777") + text)],
    bad: [
      [
        put((text) => text.replace(sha("1"), sha("f"))),
        /^\/etc\/spot-deployer\/sensor-config\.json: differs from what was uploaded$/,
      ],
      [
        put((text) => text.replace(file(paths.sensorSettings), file(paths.sensorSettings, "666", "nobody"))),
        /sensor-config\.json: owner nobody, not root; mode 666, not 644$/,
      ],
      [put((text) => text.replace(file(hook, "755"), "")), /10-save: missing$/],
      [put((text) => file(`${paths.hooks}/.20-evil`, "755") + text), /\.20-evil: was not uploaded$/],
      [put((text) => text.replace(folder(paths.hooks), folder(paths.hooks, "777"))), /on-interruption\.d: mode 777/],
      [
        put((text) =>
          text.replace(file(`${paths.deploymentSteps}/units.json`), file(`${paths.deploymentSteps}/units.json`, "666")),
        ),
        /steps\/units\.json: mode 666, not 644/,
      ],
      [put(undefined, sha("6")), /\/usr\/local\/bin\/bacalhau: differs from what was installed/],
      [put((text) => text.replace(sha("4"), sha("6"))), /came from 6+, which is not configured/],
      [put((text) => text.slice(0, text.lastIndexOf("{\n"))), /binaries\.json: does not tell what/],
      [{ stderr: "sudo: a password is required" }, /cannot be looked at: sudo: a password is required/],
    ],
  },
  F1: {
    good: [`${file(`${paths.units}/sensor.service`)}${sha("c")}  ${paths.units}/sensor.service\n`],
    bad: [
      [
        `${file(`${paths.units}/sensor.service`)}${sha("f")}  ${paths.units}/sensor.service\n`,
        /sensor\.service: differs from services\/sensor.service$/,
      ],
      [
        `${file(`${paths.units}/sensor.service`, "666")}${sha("c")}  ${paths.units}/sensor.service\n`,
        /sensor\.service: mode 666, not 644$/,
      ],
      [
        `l\troot\t777\t/dev/null\t${paths.units}/sensor.service\n`,
        /sensor\.service: a link to \/dev\/null, not a file$/,
      ],
      ["", /sensor.service: missing/],
    ],
  },
  F2: {
    good: ["", "/lib/systemd/system/other.service:3: Unknown key"],
    bad: [["/etc/systemd/system/sensor.service:7: Unknown key name 'Exec'", /Unknown key name/]],
  },
  F3: {
    good: ["enabled\nenabled\n"],
    bad: [
      ["enabled\ndisabled\n", /bacalhau-startup.service: disabled/],
      ["", /unknown/],
    ],
  },
  F4: { good: [""], bad: [["sensor.service: Found ordering cycle on multi-user.target/start", /ordering cycle/]] },
  F5: {
    good: [startup("active", "exited")],
    bad: [
      [startup("failed", "failed", "1"), /failed \(failed\), exit-code, status 1/],
      [startup("inactive", "dead"), /inactive/],
    ],
  },
  F6: {
    good: [step("identity", "ok")],
    bad: [[step("metadata", "failed", "401 from the metadata service"), /metadata: failed: 401/]],
  },
  F7: {
    good: [shown({ Id: "sensor.service" })],
    bad: [
      [
        shown({ Id: "sensor.service", ActiveState: "failed", SubState: "failed", Result: "exit-code" }),
        /sensor.service: failed \(failed\), exit-code/,
      ],
      ["", /unknown/],
    ],
  },
  F8: {
    good: [
      shown({ Id: "sensor.service" }),
      shown(
        { Id: "bacalhau-startup.service", ActiveEnterTimestampMonotonic: "999000000" },
        { Id: "sensor.service", ActiveEnterTimestampMonotonic: "999500000" },
      ),
    ],
    bad: [
      [
        shown({ Id: "sensor.service", NRestarts: "3", ActiveEnterTimestampMonotonic: "958000000" }),
        /^sensor.service: 3 restarts in this boot, the last 42 s ago$/,
      ],
      [
        shown({ Id: "bacalhau-startup.service" }, { Id: "sensor.service", ActiveEnterTimestampMonotonic: "999000000" }),
        /active for 1.0 s only, long after the boot/,
      ],
    ],
  },
  F9: {
    good: ["", "sensor.service loaded failed failed x"],
    bad: [["networkd.service loaded failed failed x", /networkd/]],
  },
  F10: { good: [""], bad: [["database is locked", /database is locked/]] },
  G1: {
    good: [`root 644\n${JSON.stringify(identity)}`],
    bad: [
      [`root 0\n${JSON.stringify(identity)}`, /^mode 0$/],
      [`nobody 644\n${JSON.stringify(identity)}`, /^owner nobody$/],
      [`root 644\n${JSON.stringify({ ...identity, location: undefined })}`, /parts device_info/],
      [{ code: 1, stderr: "No such file" }, /No such file/],
    ],
  },
  G2: {
    good: [JSON.stringify(identity)],
    bad: [
      [JSON.stringify({ metadata: { instance_id: "i-test" } }), /i-test/],
      ["{}", /no instance id/],
    ],
  },
  G3: { good: ["identical\n"], bad: [["- /opt/x differ: byte 3, line 1", /differ/]] },
  G5: {
    good: [configured()],
    bad: [
      [
        configured((text) => text.replace("looked", "a placeholder in /bacalhau_node/config.yaml\nlooked")),
        /^a placeholder in \/bacalhau_node\/config.yaml$/,
      ],
      [
        configured((text) => text.replace("600", "644")),
        /^\/bacalhau_node\/config\.yaml: mode 644, not 600, so that others can read it$/,
      ],
      [configured((text) => text.replace("644", "666")), /^\/opt\/sensor\/config\/sensor-config\.json: mode 666/],
      [configured((text) => text.replace(file(paths.sensorConfig), "")), /sensor-config\.json: missing/],
      ["", /could not be looked at/],
    ],
  },
  G6: {
    good: [rendered()],
    bad: [
      [rendered((text) => text.replace("0.5", "9")), /sensor-config\.json: interval_seconds differs/],
      [rendered((text) => text.replace("1ec1", "0000")), /config\.yaml: Compute differs/],
      [rendered((text) => text.replace('"node":"us-west-2-0"', '"node":"x"')), /config\.yaml: Labels differs/],
      [rendered((text) => text.replace("boot-2", "boot-3")), /instance\.json: bootId differs.*startup-complete/],
      [{ stdout: "boot-2\n", stderr: "x\njson.JSONDecodeError: Expecting value" }, /JSONDecodeError/],
    ],
  },
  H2: { good: ['{"Status":"OK"}'], bad: [[{ code: 7 }, /curl ended with 7/]] },
  H1: {
    good: ['{"GitVersion":"v1.6.0"}'],
    bad: [
      ['{"GitVersion":"v1.5.0"}', /1.5.0/],
      [{ code: 7 }, /curl ended with 7/],
    ],
  },
  H3: {
    good: ["ok\nok\n"],
    bad: [
      ["ok\n[Errno 111] Connection refused\n", /^two.example:4222: \[Errno 111\] Connection refused$/],
      ["", /no answer/],
    ],
  },
  H4: {
    good: [orchestrator(node.instanceId, "CONNECTED")],
    bad: [
      [orchestrator(node.instanceId, "DISCONNECTED"), /DISCONNECTED/],
      [orchestrator("i-other", "CONNECTED"), /not among its 1 node$/],
      [{ code: 28 }, /curl ended with 28/],
    ],
  },
  H5: {
    good: ["2026-01-01T00:00:00.500Z 7\n2026-01-01T00:00:01.000Z\n"],
    bad: [
      ["2026-01-01T00:00:00.000Z 7\n2026-01-01T00:01:00.000Z\n", /60.0 s old/],
      ["none\n2026-01-01T00:01:00.000Z\n", /no reading/],
      [{ code: 1, stderr: "sqlite3.OperationalError: unable to open database file" }, /unable to open/],
    ],
  },
  H6: {
    good: [
      shown({ Id: "mine.service" }),
      shown({ Id: "mine.service", Type: "oneshot", ActiveState: "inactive" }),
      shown({ Id: "mine.service", UnitFileState: "static", ActiveState: "inactive" }),
    ],
    bad: [
      [shown({ Id: "mine.service", ActiveState: "inactive", SubState: "dead" }), /mine.service: inactive \(dead\)/],
      [shown({ Id: "mine.service", Type: "oneshot", ActiveState: "failed", Result: "exit-code" }), /exit-code/],
      [
        shown({ Id: "mine.service", NRestarts: "1", ActiveEnterTimestampMonotonic: "400000000" }),
        /1 restart in this boot, the last 10 minutes ago/,
      ],
    ],
  },
  H7: {
    good: [
      `${JSON.stringify({ checkedAt: "2026-01-01T00:00:00.000Z", metadata: "ok" }, null, 2)}\n2026-01-01T00:00:04.000Z\n`,
    ],
    bad: [
      [
        `${JSON.stringify({ checkedAt: "2026-01-01T00:00:00.000Z", metadata: "error", detail: "timed out" })}\n2026-01-01T00:00:04.000Z\n`,
        /metadata error: timed out/,
      ],
      [
        `${JSON.stringify({ checkedAt: "2026-01-01T00:00:00.000Z", metadata: "ok" })}\n2026-01-01T00:05:00.000Z\n`,
        /300 s ago/,
      ],
      [{ code: 1, stderr: "cat: /run/spot-deployer/interruption.json: No such file" }, /No such file/],
    ],
  },
  K1: {
    good: [machine()],
    bad: [
      [machine({ disk: 95 }), /\/ 95 % used/],
      [machine({ inodes: 91 }), /\/ 91 % of its inodes used/],
      [machine({ available: 20 }), /memory 98 % used/],
      [machine({ load: 17 }), /load 17 on 2/],
      ["", /nothing/],
    ],
  },
  K2: {
    good: [
      "",
      journal({ MESSAGE: "boom", _SYSTEMD_UNIT: "sensor.service" }),
      journal({ MESSAGE: "error: kex_exchange_identification: Connection closed", SYSLOG_IDENTIFIER: "sshd" }),
    ],
    bad: [
      [journal({ MESSAGE: "oom-kill: task_memcg=/system.slice/sensor.service", _TRANSPORT: "kernel" }), /oom-kill/],
      [journal({ MESSAGE: "disk error", _TRANSPORT: "kernel" }), /disk error/],
    ],
  },
  K3: {
    good: ["", JSON.stringify({ completedAt: "2023-11-14T22:00:00Z" })],
    bad: [
      [
        '*** System restart required ***\n{"completedAt": "2023-11-14T22:00:00Z"}',
        /restart required.*; deployed 13 minutes ago/,
      ],
    ],
  },
  K4: {
    good: [{ code: 22, stdout: "\n404\n" }],
    bad: [
      ['{"noticeTime": "2030-01-01T00:00:00Z"}\n200\n', /^recommended at 2030-01-01T00:00:00Z$/],
      [{ code: 28, stdout: "" }, /^no answer \(curl ended with 28\)$/],
      [{ code: 22, stdout: "\n401\n" }, /^an answer that is none \(401\)$/],
      ["<html>\nlog in here\n200\n", /^an answer that is none \(200\)$/],
    ],
  },
};

describe("the check list", () => {
  it("has a sample for every check on a node", () => {
    assert.deepEqual(
      Object.keys(samples).sort(),
      checks
        .filter(({ where }) => where === "node")
        .map(({ id }) => id)
        .sort(),
      "`samples` has a row for each check on a node",
    );
  });

  for (const [id, { good, bad }] of Object.entries(samples)) {
    it(`${id} (${checkOf(id).title}) tells good from bad, and names what is bad`, () => {
      for (const output of good)
        assert.equal(judge(id, output).ok, true, JSON.stringify({ output, verdict: judge(id, output) }));
      for (const [output, words] of bad) {
        const verdict = judge(id, output);
        assert.equal(verdict.ok, false, `should not hold: ${JSON.stringify(output)}`);
        assert.match(verdict.actual, words);
      }
    });
  }

  it("tells since when a workload runs, as every systemd writes it, and nothing of one that never ran", () => {
    // Ubuntu 22.04 has systemd 249, which knows no --timestamp=unix.
    assert.match(checkOf("F7").command(node), /; TZ=UTC systemctl show -p /);
    const spans = (ActiveEnterTimestamp: string) =>
      judge("F7", { stdout: shown({ Id: "sensor.service", ActiveEnterTimestamp }) }).spans;
    assert.deepEqual(spans("Tue 2023-11-14 22:13:20 UTC"), [
      { name: "sensor.service", start: "2023-11-14T22:13:20.000Z" },
    ]);
    assert.deepEqual(spans(""), []);
  });

  it("notes restarts that are long ago, and fails nobody for them", () => {
    for (const id of ["F8", "H6"]) {
      const name = id === "F8" ? "sensor.service" : "mine.service";
      const since = (seconds: number) =>
        judge(id, shown({ Id: name, NRestarts: "2", ActiveEnterTimestampMonotonic: `${(1000 - seconds) * 1e6}` }));
      assert.match(checkOf(id).title, /in the last 15 minutes$/);
      assert.deepEqual([since(899).ok, since(899).severity], [false, undefined]);
      assert.deepEqual([since(900).ok, since(900).severity], [false, "info"]);
      assert.match(since(900).actual, /: 2 restarts in this boot, the last 15 minutes ago$/);
      assert.match(since(900).cause ?? "", /crashed earlier/);
    }
  });

  it("takes the last change of a unit that has ended for the time of its restart", () => {
    const ended = (at: string) =>
      judge(
        "H6",
        shown({
          Id: "mine.service",
          Type: "oneshot",
          ActiveState: "inactive",
          NRestarts: "1",
          ActiveEnterTimestampMonotonic: "0",
          StateChangeTimestampMonotonic: at,
        }),
      );
    assert.equal(ended("990000000").severity, undefined);
    assert.equal(ended("90000000").severity, "info");
  });

  it("shows the journal of each unit that is not well, of no other, as data", () => {
    const down = { ActiveState: "failed", SubState: "failed", Result: "exit-code" };
    const sensor = { unit: "sensor.service", lines: ["first line", "password=***", "== other.service"] };
    const failed = judge("F7", shown({ Id: "sensor.service", ...down }) + WITH_JOURNAL);
    assert.deepEqual(failed.journals, [sensor]);
    const looping = { Id: "sensor.service", NRestarts: "3", ActiveEnterTimestampMonotonic: "990000000" };
    assert.deepEqual(judge("F8", shown(looping) + WITH_JOURNAL).journals, [sensor]);
    assert.deepEqual(judge("F7", shown({ Id: "sensor.service" }) + WITH_JOURNAL).journals, []);
    assert.deepEqual(judge("H6", shown({ Id: "mine.service", ...down }) + WITH_JOURNAL).journals, [
      { unit: "mine.service", lines: ["mine"] },
    ]);
    const other = judge(
      "F9",
      "other.service loaded failed failed x\n== other.service\n| why\n== sensor.service\n| no\n",
    );
    assert.deepEqual(other.journals, [{ unit: "other.service", lines: ["why"] }]);
    assert.doesNotMatch(other.actual, /why/);
    const start = judge("F5", `${startup("failed", "failed", "1")}\n== bacalhau-startup.service\n| Result=success\n`);
    assert.deepEqual(start.journals, [{ unit: "bacalhau-startup.service", lines: ["Result=success"] }]);
    assert.match(start.actual, /exit-code/);
  });

  it("looks again only at what may still come true", () => {
    assert.equal(judge("C1", '{"status": "running"}').pending, true);
    assert.equal(judge("C1", '{"status": "disabled"}').pending, false);
    assert.equal(
      judge("C1", `${RUNNING}93 multi-user.target start waiting\n105 sensor.service start running\n`).pending,
      true,
    );
    assert.equal(judge("F5", startup("activating", "start")).pending, true);
    assert.equal(judge("F6", step("a", "running")).pending, true);
    assert.equal(judge("F6", `${step("a", "failed")}\n${step("b", "pending")}`).pending, false);
  });

  it("goes on to the unit for which the boot waits, when one of the payload's hangs in its start", () => {
    const held = judge("C1", `${RUNNING} 93 multi-user.target   start waiting\n105 sensor.service start running\n`);
    assert.deepEqual([held.ok, held.severity], [false, "warn"]);
    assert.match(
      `${held.actual}, ${held.cause}`,
      /the boot waits for sensor\.service, sensor\.service hangs in its start/,
    );
    for (const jobs of [
      "105 sensor.service start running\n 97 cloud-config.service start running\n",
      "105 sensor.service start waiting\n",
      "105 sensor.service stop running\n",
      "",
    ]) {
      assert.equal(judge("C1", RUNNING + jobs).severity, undefined, jobs);
    }
    assert.match(
      judge("C1", `${RUNNING}97 cloud-config.service start running\n`).actual,
      /the boot waits for cloud-config\.service/,
    );
    const hanging = judge(
      "H6",
      shown({ Id: "mine.service", Type: "oneshot", ActiveState: "activating", SubState: "start" }),
    );
    assert.match(
      `${hanging.actual}, ${hanging.cause}`,
      /^mine\.service: activating \(start\), success, mine\.service hangs in its start/,
    );
  });

  for (const [what, change] of [
    ["state terminated", { state: "terminated" }],
    ["type t3.large", { instanceType: "t3.large" }],
    ["zone us-west-2b", { availabilityZone: "us-west-2b" }],
    ["market on-demand", { market: "on-demand" as const }],
    ["fleet ID none", { tags: {} }],
  ] as const) {
    it(`A2 names ${what} and nothing else`, () => {
      const check = checkOf("A2");
      assert.ok(check.where === "cloud");
      assert.equal(check.judge(cloud, node).ok, true);
      assert.equal(check.judge({ ...cloud, instance: { ...cloud.instance, ...change } }, node).actual, what);
    });
  }

  for (const [id, what, change, words] of [
    ["A3", "no route", { internetRoute: { value: null } }, /no route to the internet/],
    ["A3", "a route elsewhere", { internetRoute: { value: "nat-1" } }, /nat-1/],
    ["A3", "no address", { instance: { ...cloud.instance, publicAddress: undefined } }, /no address/],
    [
      "A4",
      "our address shut out",
      { caller: { cidr: "198.18.0.9/32", isCertain: true } },
      /^no group admits SSH from 198.18.0.9\/32$/,
    ],
    [
      "A4",
      "a port too many",
      { groups: { value: [group(22), group(80)] } },
      /^sg-80 admits tcp 80-80 from 198.18.0.1\/32$/,
    ],
    [
      "A4",
      "the whole world",
      {
        groups: {
          value: [{ ...group(22), ingress: [{ protocol: "-1", fromPort: 0, toPort: 65_535, source: "0.0.0.0/0" }] }],
        },
      },
      /admits everything from 0.0.0.0\/0/,
    ],
    ["A5", "IMDSv1", { instance: { ...cloud.instance, httpTokens: "optional" } }, /^tokens optional$/],
    [
      "A5",
      "a bare volume",
      { rootVolume: { value: { encrypted: false, tags: {} } } },
      /^encrypted no, the volume's fleet ID none$/,
    ],
    [
      "A6",
      "an interruption",
      { spotRequest: { value: { id: "sir-1", state: "active", status: "marked-for-termination" } } },
      /marked-for-termination/,
    ],
  ] as [string, string, Partial<CloudFacts>, RegExp][]) {
    it(`${id} holds, and names ${what}`, () => {
      const check = checkOf(id);
      assert.ok(check.where === "cloud");
      assert.deepEqual(check.judge(cloud, node).ok, true);
      const verdict = check.judge({ ...cloud, ...change }, node);
      assert.equal(verdict.ok, false);
      assert.match(verdict.actual, words);
    });
  }

  it("A4 warns only, when SSH may come from another address than the one that was seen; a port too many fails all the same", () => {
    const check = checkOf("A4");
    assert.ok(check.where === "cloud");
    const caller = { cidr: "198.18.0.9/32", isCertain: false };
    const seen = check.judge({ ...cloud, caller }, node);
    assert.deepEqual([seen.ok, seen.severity, seen.actual], [false, "warn", "no group admits SSH from 198.18.0.9/32"]);
    assert.match(seen.cause ?? "", /B1 tells/);
    assert.equal(check.judge({ ...cloud, caller, groups: { value: [group(80)] } }, node).severity, undefined);
    assert.equal(check.judge({ ...cloud, caller: { ...caller, cidr: "198.18.0.1/32" } }, node).ok, true);
  });

  it("A4 leaves groups of the user's alone, and lets them admit us", () => {
    const check = checkOf("A4");
    assert.ok(check.where === "cloud");
    const theirs = {
      id: "sg-theirs",
      isOwn: false,
      ingress: [{ protocol: "tcp", fromPort: 0, toPort: 1024, source: "198.18.0.0/15" }],
    };
    assert.equal(check.judge({ ...cloud, groups: { value: [{ ...group(22), ingress: [] }, theirs] } }, node).ok, true);
  });

  const judgeCloud = (id: string, facts: CloudFacts): Verdict => {
    const check = checkOf(id);
    assert.ok(check.where === "cloud");
    return check.judge(facts, node);
  };

  const shutOut = { caller: { cidr: "198.18.0.9/32", isCertain: true } };
  const noRoute = { internetRoute: { value: null } };
  const noAddress = { instance: { ...cloud.instance, publicAddress: undefined } };
  const open80 = { groups: { value: [group(22), group(80)] } };
  for (const [what, id, facts, own, step, words] of [
    ["ended", "A2", { instance: { ...cloud.instance, state: "terminated" } }, true, spot("up"), /`up`/],
    [
      "of another type",
      "A2",
      { instance: { ...cloud.instance, instanceType: "m5.large" } },
      true,
      spot("replace", NODE),
      /`replace NODE`/,
    ],
    ["without the route of the fleet's own network", "A3", noRoute, true, spot("up"), /`up` brings back/],
    [
      "without the route of a network of the user's",
      "A3",
      noRoute,
      false,
      outside("mend-network", spot("verify")),
      /^Give your subnet a route/,
    ],
    ["without an address", "A3", noAddress, true, spot("replace", NODE), /`replace NODE`/],
    [
      "without an address in a network of the user's",
      "A3",
      noAddress,
      false,
      outside("mend-network", spot("replace", NODE)),
      /^Let your subnet give public addresses/,
    ],
    ["out of reach from a new address", "A4", shutOut, true, spot("allow-me"), /^Run `allow-me`/],
    [
      "out of reach because a rule of the fleet's is gone",
      "A4",
      { groups: { value: [{ ...group(22), ingress: [] }] } },
      true,
      spot("up"),
      /brings back the rule/,
    ],
    [
      "open at a port too many",
      "A4",
      open80,
      true,
      outside("revoke-rule", spot("verify")),
      /`ASK ec2 revoke-security-group-ingress --group-id sg-80 --ip-permissions 'IpProtocol=tcp,FromPort=80,ToPort=80,IpRanges=\[\{CidrIp=198\.18\.0\.1\/32\}\]' --region us-west-2`/,
    ],
    [
      "open at a port too many, and out of reach",
      "A4",
      { ...open80, ...shutOut },
      true,
      outside("revoke-rule", spot("allow-me")),
      /revoke-security-group-ingress.*`allow-me`/,
    ],
  ] as [string, string, Partial<CloudFacts>, boolean, Step, RegExp][]) {
    it(`${id} has a step that ends it, of a node ${what}`, () => {
      const check = checkOf(id);
      assert.ok(check.where === "cloud");
      const verdict = check.judge({ ...cloud, ...facts }, { ...node, hasOwnNetwork: own });
      assert.equal(verdict.ok, false);
      const advice = verdict.next === undefined ? check : verdict;
      assert.deepEqual(advice.step, step);
      assert.match(advice.next, words);
    });
  }

  it("of a node that was made of other files, what compares with those here has `up` as its step", () => {
    const failed: Verdict = {
      ok: false,
      expected: "a",
      actual: "b",
      next: "Run `replace NODE`.",
      step: spot("replace", NODE),
    };
    const outdated = { isAsDesired: false };
    for (const id of ["C3", "C7", "D2", "D3", "D5", "E3", "E5", "F1", "F3", "G6"]) {
      const { cause, next, step: taken } = ofOutdated(checkOf(id), failed, outdated);
      assert.deepEqual(taken, spot("up"), id);
      assert.match(next, /^Run `up`: it replaces the node.*put the former files and configuration back\.$/, id);
      assert.match(cause ?? "", /not those that the node was made of/, id);
      assert.equal(ofOutdated(checkOf(id), failed, node), failed, id);
      const held: Verdict = { ...failed, ok: true };
      assert.equal(ofOutdated(checkOf(id), held, outdated), held, id);
    }
    for (const id of ["C1", "D1", "E2", "F7", "G1"])
      assert.equal(ofOutdated(checkOf(id), failed, outdated), failed, id);
  });

  it("A4 sends to the configuration where only that can let an address in", () => {
    const check = checkOf("A4");
    assert.ok(check.where === "cloud");
    const fixed = { ...node, mayAdmitCallers: false };
    const correct = outside("correct-configuration", spot("up"));
    const verdict = check.judge({ ...cloud, ...shutOut }, fixed);
    assert.deepEqual(verdict.step, correct);
    assert.match(verdict.next, /^`ssh\.allow` names fixed addresses only: .*then run `up`\.$/);
    const opened = check.judge({ ...cloud, ...open80, ...shutOut }, fixed);
    assert.deepEqual(opened.step, outside("revoke-rule", spot("up")));
    assert.match(opened.next, /revoke-security-group-ingress.*`ssh\.allow` names fixed addresses only/);
    assert.deepEqual(
      check.judge({ ...cloud, groups: { value: [{ ...group(22), ingress: [] }] } }, fixed).step,
      spot("up"),
    );
  });

  it("A4 names every kind of source in the command that takes its rule away", () => {
    const revoked = (source: string, protocol = "tcp"): string => {
      const ingress = [{ protocol, fromPort: 1, toPort: 2, source }];
      return (
        judgeCloud("A4", { ...cloud, groups: { value: [group(22), { id: "sg-1", isOwn: true, ingress }] } }).next ?? ""
      );
    };
    assert.match(revoked("::/0"), /Ipv6Ranges=\[\{CidrIpv6=::\/0\}\]/);
    assert.match(revoked("sg-2"), /UserIdGroupPairs=\[\{GroupId=sg-2\}\]/);
    assert.match(revoked("pl-3"), /PrefixListIds=\[\{PrefixListId=pl-3\}\]/);
    assert.match(revoked("0.0.0.0/0", "-1"), /'IpProtocol=-1,IpRanges=\[\{CidrIp=0\.0\.0\.0\/0\}\]'/);
  });

  it("B7 tells a wrong name of an orchestrator from a node that resolves nothing", () => {
    const route = "default via 10.0.0.1 dev eth0";
    assert.deepEqual(
      judge("B7", `${route}\nip-1 ok\none.example\n`).step,
      outside("correct-configuration", spot("up")),
    );
    assert.equal(judge("B7", `${route}\nip-1\none.example\n`).step, undefined);
    assert.equal(judge("B7", `ip-1 ok\none.example\n`).step, undefined);
  });

  for (const [how, failure, next] of [
    [
      "refused",
      "DescribeInstances in us-west-2 failed: UnauthorizedOperation: You are not authorized to perform: ec2:DescribeInstances",
      /^Allow the action named/,
    ],
    [
      "throttled",
      "DescribeInstances in us-west-2 failed: RequestLimitExceeded: Request limit exceeded.",
      /run the command again/,
    ],
    ["timed out", "DescribeInstances in us-west-2 failed: TimeoutError: connect ETIMEDOUT", /run the command again/],
  ] as const) {
    for (const id of ["A2", "A3", "A4", "A5", "A6"]) {
      it(`${id} is unknown, with AWS's words and a next step, where the region's answer was ${how}`, () => {
        const verdict = judgeCloud(id, { account: "123456789012", unanswered: failure });
        assert.deepEqual(
          [verdict.ok, verdict.severity, verdict.actual, verdict.cause],
          [false, "unknown", "not looked at", failure],
        );
        assert.match(verdict.next ?? "", next);
      });
    }
  }

  it("A6 says what the status of the request means", () => {
    const causeOf = (state: string, status: string) =>
      judgeCloud("A6", { ...cloud, spotRequest: { value: { id: "sir-1", state, status } } }).cause;
    assert.equal(causeOf("active", "marked-for-termination"), "AWS ends it within two minutes.");
    assert.match(
      causeOf("cancelled", "request-canceled-and-instance-running") ?? "",
      /^Its spot request was cancelled/,
    );
    assert.equal(causeOf("active", "a-code-of-tomorrow"), undefined);
  });

  it("K4 asks of spot instances only", () => {
    const { applies } = checkOf("K4");
    assert.deepEqual(
      (["spot", "on-demand"] as const).map((market) => applies?.({ ...node, market })),
      [true, false],
    );
  });

  for (const [id, fact] of [
    ["A3", "internetRoute"],
    ["A4", "groups"],
    ["A5", "rootVolume"],
    ["A6", "spotRequest"],
  ] as const) {
    it(`${id} is unknown where its own call was refused, and no other is`, () => {
      const facts: CloudFacts = { ...cloud, [fact]: { failure: "UnauthorizedOperation: not allowed" } };
      assert.deepEqual(
        [judgeCloud(id, facts).severity, judgeCloud(id, facts).cause],
        ["unknown", "UnauthorizedOperation: not allowed"],
      );
      for (const other of ["A1", "A2", "A3", "A4", "A5", "A6"].filter((candidate) => candidate !== id))
        assert.equal(judgeCloud(other, facts).ok, true, other);
    });
  }

  it("what AWS answers with nothing is a warning, not unknown", () => {
    const verdict = judgeCloud("A6", { ...cloud, spotRequest: undefined });
    assert.deepEqual([verdict.ok, verdict.severity, verdict.actual], [false, "warn", "AWS shows none"]);
  });

  it("credentials that are refused say nothing of the node", () => {
    for (const id of ["A1", "A2"])
      assert.deepEqual([judgeCloud(id, {}).ok, judgeCloud(id, {}).severity], [false, "unknown"], id);
  });

  it("G4 compares with the other nodes, and names those that are alike", () => {
    const check = checkOf("G4");
    assert.ok(check.where === "fleet");
    const output = { code: 0, stderr: "", at: 0, stdout: JSON.stringify({ metadata: { sensor_uid: "u-1" } }) };
    assert.equal(check.valueOf(output), "u-1");
    assert.equal(check.valueOf({ ...output, stdout: "{}" }), undefined);
    assert.equal(check.judge("u-1", new Map([["b", "u-2"]])).ok, true);
    assert.match(
      check.judge(
        "u-1",
        new Map([
          ["b", "u-2"],
          ["c", "u-1"],
        ]),
      ).actual,
      /as c$/,
    );
    assert.equal(check.judge(undefined, new Map()).ok, false);
  });

  it("K2 fails for ours alone", () => {
    const isOurs = (entry: Record<string, string>) => judge("K2", journal(entry)).severity;
    assert.equal(isOurs({ MESSAGE: "oom-kill: sensor.service", _TRANSPORT: "kernel" }), undefined);
    assert.equal(isOurs({ MESSAGE: "disk error", _TRANSPORT: "kernel" }), "info");
  });

  describe("stands in the way of others only with what concerns them", () => {
    const own = { protocol: "tcp", fromPort: 80, toPort: 80, source: "0.0.0.0/0" };
    const opened: GroupFacts = { ...group(22), ingress: [...group(22).ingress, own] };
    const stopped = (Id: string): string =>
      shown({ Id: "sensor.service" }, { Id: "bacalhau.service" }).replace(
        `ActiveState=active\nSubState=running\nResult=success\nNRestarts=0\nType=simple\nUnitFileState=enabled\nActiveEnterTimestamp=Tue 2023-11-14 22:13:20 UTC\nActiveEnterTimestampMonotonic=100000000\nId=${Id}`,
        `ActiveState=inactive\nSubState=dead\nResult=success\nNRestarts=0\nType=simple\nId=${Id}`,
      );
    for (const [id, what, verdict, blocks] of [
      [
        "A2",
        "an instance of another type",
        () => judgeCloud("A2", { ...cloud, instance: { ...cloud.instance, instanceType: "t3.large" } }),
        [],
      ],
      [
        "A2",
        "an instance that was stopped",
        () => judgeCloud("A2", { ...cloud, instance: { ...cloud.instance, state: "stopped" } }),
        undefined,
      ],
      ["A4", "a rule that somebody added", () => judgeCloud("A4", { ...cloud, groups: { value: [opened] } }), []],
      ["A4", "our address shut out", () => judgeCloud("A4", { ...cloud, groups: { value: [group(80)] } }), undefined],
      ["D1", "a folder of another owner", () => judge("D1", `${ways()}${folder(paths.upload)}`), []],
      ["D1", "no folder", () => judge("D1", { code: 1, stderr: "stat: No such file or directory" }), undefined],
      ["B5", "no reboot", () => judge("B5", 'b-1\n{"bootId": "b-1"}'), undefined],
      [
        "B5",
        "no record of the deployment",
        () => judge("B5", { code: 1, stdout: "b-1\n", stderr: "cat: No such file" }),
        [],
      ],
      ["F7", "one workload of several", () => checkOfNode("F7", stopped("sensor.service")), ["sensor.service"]],
      ["G1", "an identity of another mode", () => judge("G1", `600\n${JSON.stringify(identity)}`), []],
      ["G1", "an identity cut off", () => judge("G1", '644\n{"sensor_id": '), undefined],
    ] as [string, string, () => Verdict, string[] | undefined][]) {
      it(`${id}: ${what}`, () => {
        assert.equal(verdict().ok, false);
        assert.deepEqual(verdict().blocks, blocks);
      });
    }
  });

  /** Judged for a node that has Bacalhau among its workloads, too. */
  function checkOfNode(id: string, stdout: string): Verdict {
    const check = checkOf(id);
    assert.ok(check.where === "node");
    const units = { ...node.units, workloads: ["sensor.service", "bacalhau.service"] };
    return check.judge({ code: 0, stdout, stderr: "", at: 0 }, { ...node, units });
  }

  it("A2 names an instance that is gone", () => {
    const check = checkOf("A2");
    assert.ok(check.where === "cloud");
    assert.match(check.judge({ account: "1" }, node).actual, /no such instance/);
  });

  it("has unique ids, known phases, and every need comes before", () => {
    const seen = new Set<string>();
    for (const { id, needs, phase, cause, next } of checks) {
      assert.ok(!seen.has(id), `${id} is there twice`);
      for (const need of needs) assert.ok(seen.has(need), `${id} needs ${need}, which does not come before it`);
      assert.ok(phases.includes(phase));
      assert.ok(!needs.some((need) => checkOf(need).where === "fleet"), `${id} needs what is settled only at the end`);
      assert.ok(cause.endsWith(".") && next.length > 0, `${id} has no sentence for its cause, or no next step`);
      seen.add(id);
    }
  });

  it("asks where the node is: no command of the AWS CLI goes without what leads it there", () => {
    const asking = checks.filter(({ where }) => where === "cloud").map((check) => check.command(node));
    assert.ok(asking.length > 0);
    for (const command of asking) {
      assert.match(command, /^ASK (ec2|sts) /);
      assert.doesNotMatch(command, /\baws\b/);
    }
  });

  it("only reads: no command redirects into a file or changes something", () => {
    for (const check of checks) {
      if (check.where !== "node" && check.where !== "fleet") continue;
      const command = check.command(node);
      assert.doesNotMatch(
        command,
        /\b(rm|mv|cp|tee|touch|mkdir|chmod|chown|systemctl (re)?start|apt(-get)?|kill)\b/,
        check.id,
      );
      assert.doesNotMatch(command.replaceAll("2>&1", "").replaceAll(/[12]?>\/dev\/null/g, ""), />\s*\//, check.id);
    }
  });
});

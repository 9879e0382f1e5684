import type { Market } from "./model";
import type { Manifest, PayloadEntry } from "./payload";

/** What a node must be. Everything that a check compares with comes from here, nothing from the node itself. */
export interface NodeExpectation {
  name: string;
  instanceId: string;
  lineage: string;
  instanceType: string;
  availabilityZone: string;
  market: Market;
  username: string;
  manifest: Manifest;
  /** sha256 of the user data sent, hex. */
  userDataSha256: string;
  /** Debian packages asked for. */
  packages: readonly string[];
  directories: readonly DirectoryExpectation[];
  units: UnitExpectation;
}

export interface DirectoryExpectation {
  path: string;
  owner: string;
  /** As `stat -c %a` shows it: `755`. */
  mode: string;
}

/** Names of unit files. */
export interface UnitExpectation {
  /** By name, the payload path that each was copied from. */
  installed: Readonly<Record<string, string>>;
  enabled: readonly string[];
  /** Long-running ones: they must be active. */
  workloads: readonly string[];
}

/** What one look at the cloud tells about a node. */
export interface CloudFacts {
  /** The caller's account; undefined when the credentials were refused. */
  account?: string;
  /** Undefined when no such instance exists. */
  instance?: {
    instanceId: string;
    state: string;
    instanceType: string;
    availabilityZone: string;
    market: Market;
    publicAddress?: string;
    httpTokens: string;
    tags: Readonly<Record<string, string>>;
  };
}

/** What the connection told before any command ran. */
export interface ClientFacts {
  address: string;
  /** Why no SSH server answered; undefined when one did. */
  bannerFailure?: string;
  /** Why the host key is not trusted; undefined when it is proven or pinned. A refused login leaves a new key unproven. */
  hostKeyFailure?: string;
}

export interface CommandOutput {
  code: number;
  stdout: string;
  stderr: string;
  /** This machine's clock (ms since the epoch) halfway between asking and answer. */
  at: number;
}

/** A judgement in words that can be shown side by side. */
export interface Verdict {
  ok: boolean;
  expected: string;
  actual: string;
  /** Not so yet, but may come true by itself (a unit that is starting): worth another look. */
  pending?: boolean;
}

export type Severity = "fail" | "warn" | "info";

export const phases = ["cloud", "reach", "cloud-init", "files", "deployment", "units", "identity", "workload", "health"] as const;
export type Phase = (typeof phases)[number];

interface CheckBase {
  /** Letter of the phase and a number; a promise to scripts, never reused. */
  id: string;
  title: string;
  phase: Phase;
  /** Ids of checks that must be ok first; otherwise this one is skipped because of them. */
  needs: readonly string[];
  /** What it means when the check does not hold. */
  severity: Severity;
  /** For one attempt. */
  deadlineMs: number;
  /** For how long a pending verdict is looked at again, ms. Absent: one look. */
  patienceMs?: number;
  /** The likely cause when it does not hold, and what to do. */
  cause: string;
  next: string;
  /** Absent: always. */
  applies?: (node: NodeExpectation) => boolean;
}

export interface CloudCheck extends CheckBase {
  where: "cloud";
  judge(facts: CloudFacts, node: NodeExpectation): Verdict;
}

export interface ClientCheck extends CheckBase {
  where: "client";
  judge(facts: ClientFacts, node: NodeExpectation): Verdict;
}

export interface NodeCheck extends CheckBase {
  where: "node";
  /** Reads only, and can be pasted into a shell on the node as it is. */
  command(node: NodeExpectation): string;
  judge(output: CommandOutput, node: NodeExpectation): Verdict;
}

export type Check = CloudCheck | ClientCheck | NodeCheck;

const UPLOAD_ROOT = "/opt/uploaded_files";
const RECORDS = "/var/lib/spot-deployer";
const IDENTITY = "/opt/sensor/config/node_identity.json";
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const METADATA = "http://169.254.169.254/latest";
export const STARTUP_UNIT = "bacalhau-startup.service";
const BACALHAU_UNIT = "bacalhau.service";

/** What the deployment makes (instance/scripts/deploy_services.py). */
export const applicationDirectories: readonly DirectoryExpectation[] = [
  ...["/opt/sensor", "/opt/sensor/config", "/opt/sensor/data", "/opt/sensor/logs", "/opt/sensor/exports", "/bacalhau_node"].map(
    (path) => ({ path, owner: "root", mode: "755" }),
  ),
  { path: "/bacalhau_data", owner: "root", mode: "700" },
];

const QUICK = 10_000;
const SLOW = 60_000;
const STARTING = 30_000;
const NEWEST_READING_MS = 10_000;

const REPLACE = "Correct the cause, then `up` replaces the node.";
const LOOK_AT_LOG = "Read /opt/deployment.log on the node (`spot logs`); correct the cause, then `up` replaces the node.";

/** The check list, in the order in which it is shown. What a node runs and in which order follows from `needs`. */
export const checks: readonly Check[] = [
  {
    id: "A1", title: "credentials valid", phase: "cloud", where: "cloud", needs: [], severity: "fail", deadlineMs: QUICK,
    judge: ({ account }) => ({ ok: account !== undefined, expected: "an account", actual: account ?? "credentials refused" }),
    cause: "The credentials are missing, expired or of another account.", next: "Log in, then run `verify` again.",
  },
  {
    id: "A2", title: "instance running, of this fleet, as ordered", phase: "cloud", where: "cloud", needs: ["A1"], severity: "fail", deadlineMs: QUICK,
    judge: ({ instance }, node) =>
      same(
        { state: "running", lineage: node.lineage, type: node.instanceType, zone: node.availabilityZone, market: node.market },
        {
          state: instance?.state ?? "no such instance",
          lineage: instance?.tags["spot-deployer:lineage"] ?? "none",
          type: instance?.instanceType ?? "none",
          zone: instance?.availabilityZone ?? "none",
          market: instance?.market ?? "none",
        },
      ),
    cause: "The instance was interrupted, ended or changed outside this tool.", next: "`up` makes the node again.",
  },
  {
    id: "A3", title: "public address present", phase: "cloud", where: "cloud", needs: ["A2"], severity: "fail", deadlineMs: QUICK,
    judge: ({ instance }) => ({ ok: instance?.publicAddress !== undefined, expected: "an address", actual: instance?.publicAddress ?? "none" }),
    cause: "The subnet gives no public addresses.", next: "Use `network: create`, or a subnet that assigns public addresses.",
  },
  {
    id: "A5", title: "IMDSv2 required, tags complete", phase: "cloud", where: "cloud", needs: ["A2"], severity: "fail", deadlineMs: QUICK,
    judge: ({ instance }, node) =>
      same(
        { tokens: "required", ManagedBy: "spot-deployer", node: node.name },
        {
          tokens: instance?.httpTokens ?? "none",
          ManagedBy: instance?.tags.ManagedBy ?? "none",
          node: instance?.tags["spot-deployer:node"] ?? "none",
        },
      ),
    cause: "The instance was changed outside this tool.", next: REPLACE,
  },
  {
    id: "B1", title: "SSH answers", phase: "reach", where: "client", needs: ["A3"], severity: "fail", deadlineMs: SLOW,
    judge: ({ address, bannerFailure }) => ({ ok: bannerFailure === undefined, expected: `an SSH banner from ${address}`, actual: bannerFailure ?? "it answers" }),
    cause: "The security group does not admit your present address, or the node does not run.", next: "Run `spot allow-me` when your address changed; else see A2.",
  },
  {
    id: "B2", title: "host key proven and pinned", phase: "reach", where: "client", needs: ["B1"], severity: "fail", deadlineMs: QUICK,
    judge: ({ hostKeyFailure }) => ({ ok: hostKeyFailure === undefined, expected: "the key that the node made", actual: hostKeyFailure ?? "proven" }),
    cause: "Something stands between, the node's first boot failed, or its key was made anew.", next: "Replace the node; nothing was sent to it.",
  },
  {
    id: "B3", title: "login and sudo", phase: "reach", where: "node", needs: ["B2"], severity: "fail", deadlineMs: QUICK,
    command: () => "sudo -n true && id -un",
    judge: ({ stdout, stderr, code }, { username }) => ({ ok: code === 0 && stdout.trim() === username, expected: username, actual: firstLine(stdout, stderr) }),
    cause: "cloud-init did not make the user, or its key is another one.", next: REPLACE,
  },
  {
    id: "B4", title: "instance id from IMDSv2", phase: "reach", where: "node", needs: ["B3"], severity: "fail", deadlineMs: QUICK,
    command: () =>
      `TOKEN=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' ${METADATA}/api/token) && curl -sf -m 5 -H "X-aws-ec2-metadata-token: $TOKEN" ${METADATA}/meta-data/instance-id`,
    judge: ({ code, stdout }, { instanceId }) => ({ ok: code === 0 && stdout.trim() === instanceId, expected: instanceId, actual: stdout.trim() || `no answer (curl ended with ${code})` }),
    cause: "The metadata service is switched off, or another machine answers.", next: REPLACE,
  },
  {
    id: "B5", title: "booted again since its deployment", phase: "reach", where: "node", needs: ["B3"], severity: "fail", deadlineMs: QUICK,
    command: () => `cat ${BOOT_ID} && cat ${RECORDS}/deployment-complete.json`,
    judge: ({ stdout, stderr, code }) => {
      const now = stdout.split("\n", 1)[0] ?? "";
      const then = parsed(stdout.slice(now.length))?.bootId;
      return {
        ok: code === 0 && typeof then === "string" && then !== now,
        expected: "another boot id than during the deployment",
        actual: code !== 0 ? firstLine(stderr) : then === now ? `still ${now}` : `${now}, then ${String(then)}`,
      };
    },
    cause: "The deployment did not come to its end, so nothing asked for the reboot.", next: LOOK_AT_LOG,
  },
  {
    id: "B6", title: "clock within 2 s", phase: "reach", where: "node", needs: ["B3"], severity: "warn", deadlineMs: QUICK,
    command: () => "date +%s.%3N",
    judge: ({ stdout, at }) => {
      const off = Number.parseFloat(stdout) - at / 1000;
      return { ok: Math.abs(off) <= 2, expected: "at most 2 s off this machine's clock", actual: `${off.toFixed(1)} s off` };
    },
    cause: "One of both clocks is not synchronised.", next: "Check the time on this machine, then chrony or timesyncd on the node.",
  },
  {
    id: "C1", title: "cloud-init finished", phase: "cloud-init", where: "node", needs: ["B3"], severity: "fail", deadlineMs: QUICK, patienceMs: SLOW,
    command: () => "cloud-init status --format json",
    judge: ({ stdout, stderr }) => {
      const status = parsed(stdout)?.status;
      return { ok: status === "done", expected: "done", actual: typeof status === "string" ? status : firstLine(stderr, stdout), pending: status === "running" };
    },
    cause: "A stage of cloud-init hangs or failed.", next: "Read /var/log/cloud-init-output.log on the node.",
  },
  {
    id: "C2", title: "cloud-init without errors", phase: "cloud-init", where: "node", needs: ["C1"], severity: "fail", deadlineMs: QUICK,
    command: () => "cat /run/cloud-init/status.json; sudo -n grep -E ' - [^ ]+\\[(WARNING|ERROR|CRITICAL)\\]: ' /var/log/cloud-init.log | tail -n 5",
    judge: judgeCloudInitErrors,
    cause: "A package, a user or a command of the user data failed.", next: "Correct `packages` or the user data; then `up` replaces the node.",
  },
  {
    id: "C3", title: "user data received as sent", phase: "cloud-init", where: "node", needs: ["C1"], severity: "fail", deadlineMs: QUICK,
    command: () => "sudo -n sha256sum /var/lib/cloud/instance/user-data.txt",
    judge: ({ stdout, stderr }, { userDataSha256 }) => ({ ok: stdout.startsWith(userDataSha256), expected: userDataSha256, actual: stdout.split(" ")[0] || firstLine(stderr) }),
    cause: "The instance was launched with other user data.", next: REPLACE,
  },
  {
    id: "C4", title: "packages installed", phase: "cloud-init", where: "node", needs: ["C1"], severity: "fail", deadlineMs: QUICK,
    applies: ({ packages }) => packages.length > 0,
    command: ({ packages }) => `dpkg-query -W -f '\${db:Status-Abbrev} \${Package}\\n' ${packages.join(" ")}`,
    judge: ({ stdout }, { packages }) => {
      const installed = new Set(stdout.split("\n").flatMap((line) => (line.startsWith("ii ") ? [line.slice(2).trim()] : [])));
      return allOf(packages, (name) => (installed.has(name) ? undefined : `${name}: not installed`));
    },
    cause: "The package does not exist in the image's archives, or they could not be reached.", next: "Correct `packages`; then `up` replaces the node.",
  },
  {
    id: "C5", title: "dpkg healthy, not locked", phase: "cloud-init", where: "node", needs: ["C1"], severity: "warn", deadlineMs: QUICK,
    command: () => 'dpkg --audit; grep ":$(stat -c %i /var/lib/dpkg/lock-frontend) " /proc/locks; true',
    judge: ({ stdout }) => nothingIn(stdout),
    cause: "An installation was broken off, or is running.", next: "Run `sudo dpkg --configure -a` on a node to see what is wrong.",
  },
  {
    id: "D1", title: "upload root: owner and mode", phase: "files", where: "node", needs: ["C1"], severity: "fail", deadlineMs: QUICK,
    command: () => `stat -c '%U %a %F' ${UPLOAD_ROOT}`,
    judge: ({ stdout, stderr }, { username }) => equal(`${username} 755 directory`, stdout.trim() || firstLine(stderr)),
    cause: "cloud-init did not come to the end of the user data.", next: "See C2.",
  },
  {
    id: "D2", title: "every file of the payload", phase: "files", where: "node", needs: ["D1"], severity: "fail", deadlineMs: SLOW,
    command: () =>
      `cd ${UPLOAD_ROOT} && find . -mindepth 1 -printf '%y\\t%04m\\t%s\\t%l\\t%P\\n' && echo && find . -type f -print0 | xargs -0 sha256sum -z | tr '\\0' '\\n'`,
    judge: ({ stdout }, { manifest }) => {
      const found = treeOf(stdout);
      return allOf(manifest.entries, (entry) => differenceOf(entry, found));
    },
    cause: "The upload was changed on the node after it was verified, or never came.", next: REPLACE,
  },
  {
    id: "D3", title: "nothing foreign among the payload", phase: "files", where: "node", needs: ["D1"], severity: "fail", deadlineMs: QUICK,
    command: () => `cd ${UPLOAD_ROOT} && find . -mindepth 1 -printf '%P\\n'`,
    judge: ({ stdout }, { manifest }) => {
      const ours = new Set(["manifest.json", ...manifest.entries.flatMap(({ path }) => [path, ...parentsOf(path)])]);
      const foreign = stdout.split("\n").filter((path) => path !== "" && !ours.has(path));
      return { ok: foreign.length === 0, expected: "only what was uploaded", actual: listed(foreign) || "only what was uploaded" };
    },
    cause: "Something on the node writes into the upload root.", next: "Let it write elsewhere; then `up` replaces the node.",
  },
  {
    id: "D4", title: "application directories", phase: "files", where: "node", needs: ["C1"], severity: "fail", deadlineMs: QUICK,
    command: ({ directories }) => `stat -c '%n %U %a %F' ${directories.map(({ path }) => path).join(" ")}`,
    judge: ({ stdout }, { directories }) => {
      const found = new Map(stdout.split("\n").map((line) => [line.split(" ")[0], line]));
      return allOf(directories, ({ path, owner, mode }) => {
        const line = found.get(path);
        if (line === undefined) return `${path}: missing`;
        return line === `${path} ${owner} ${mode} directory` ? undefined : `${line}, not ${owner} ${mode}`;
      });
    },
    cause: "The deployment's step `directories` did not run, or something removed them.", next: LOOK_AT_LOG,
  },
  {
    id: "D5", title: "payload is the desired one", phase: "files", where: "node", needs: ["D1"], severity: "fail", deadlineMs: QUICK,
    command: () => `cat ${UPLOAD_ROOT}/manifest.json`,
    judge: ({ stdout, stderr }, { manifest }) => equal(manifest.digest, String(parsed(stdout)?.digest ?? firstLine(stderr))),
    cause: "Files changed since the node was deployed.", next: "`up` replaces the node.",
  },
  {
    id: "D6", title: "scripts compile under the node's Python", phase: "files", where: "node", needs: ["D2"], severity: "fail", deadlineMs: SLOW,
    command: () => `python3 -c 'import glob; [compile(open(p, "rb").read(), p, "exec") for p in glob.glob("${UPLOAD_ROOT}/scripts/*.py")]'`,
    judge: ({ code, stderr }) => ({ ok: code === 0, expected: "no error", actual: code === 0 ? "no error" : lastLine(stderr) }),
    cause: "A script needs a newer Python than the image has.", next: "Choose another `image`, or correct the script.",
  },
  {
    id: "E1", title: "deployment ran", phase: "deployment", where: "node", needs: ["D2"], severity: "fail", deadlineMs: QUICK,
    command: () => `cat ${RECORDS}/spot-deploy.result.json`,
    judge: ({ stdout, stderr }) => equal("success", String(parsed(stdout)?.SERVICE_RESULT ?? firstLine(stderr))),
    cause: "spot-deploy.service was never started, or ended with an error.", next: LOOK_AT_LOG,
  },
  {
    // Needs D2 alone: when the deployment failed (E1), this is the check that names the step.
    id: "E2", title: "every deployment step", phase: "deployment", where: "node", needs: ["D2"], severity: "fail", deadlineMs: QUICK,
    command: () => stepsCommand("steps"),
    judge: judgeSteps,
    cause: "The step named failed for the reason given.", next: LOOK_AT_LOG,
  },
  {
    id: "E3", title: "deployment complete, for this payload", phase: "deployment", where: "node", needs: ["E2"], severity: "fail", deadlineMs: QUICK,
    command: () => `cat ${RECORDS}/deployment-complete.json`,
    judge: ({ stdout, stderr }, { manifest }) => equal(manifest.digest, String(parsed(stdout)?.digest ?? firstLine(stderr))),
    cause: "The node was deployed with another payload, or its deployment did not end.", next: "`up` replaces the node.",
  },
  {
    id: "E4", title: "deployment log ends with completion", phase: "deployment", where: "node", needs: ["E1"], severity: "warn", deadlineMs: QUICK,
    command: () => "tail -n 1 /opt/deployment.log",
    judge: ({ stdout, stderr }) => ({ ok: stdout.includes("STEP deployment-complete: ok"), expected: "STEP deployment-complete: ok", actual: firstLine(stdout, stderr) }),
    cause: "The deployment did not end, or was started again.", next: LOOK_AT_LOG,
  },
  {
    id: "F1", title: "unit files as in the payload", phase: "units", where: "node", needs: ["E2"], severity: "fail", deadlineMs: QUICK,
    command: ({ units }) => `cd /etc/systemd/system && sha256sum ${Object.keys(units.installed).join(" ")}`,
    judge: ({ stdout }, { units, manifest }) => {
      const found = sumsOf(stdout);
      return allOf(Object.entries(units.installed), ([name, source]) => {
        const entry = manifest.entries.find(({ path }) => path === source);
        if (!found.has(name)) return `${name}: missing`;
        return entry?.type === "file" && entry.sha256 === found.get(name) ? undefined : `${name}: differs from ${source}`;
      });
    },
    cause: "The deployment's step `units` failed, or a unit was changed on the node.", next: LOOK_AT_LOG,
  },
  {
    id: "F2", title: "unit files are sound", phase: "units", where: "node", needs: ["F1"], severity: "fail", deadlineMs: SLOW,
    command: ({ units }) => `cd /etc/systemd/system && systemd-analyze verify --man=no ${Object.keys(units.installed).join(" ")} 2>&1`,
    judge: ({ stdout }, { units }) => {
      const names = Object.keys(units.installed);
      return nothingIn(stdout.split("\n").filter((line) => names.some((name) => line.includes(name))).join("\n"));
    },
    cause: "A unit file has a fault that systemd names.", next: "Correct it; then `up` replaces the node.",
  },
  {
    id: "F3", title: "every unit enabled", phase: "units", where: "node", needs: ["F1"], severity: "fail", deadlineMs: QUICK,
    command: ({ units }) => `systemctl is-enabled ${units.enabled.join(" ")} 2>&1`,
    judge: ({ stdout }, { units }) => {
      const states = stdout.split("\n");
      return allOf(units.enabled, (name, n) => (states[n] === "enabled" ? undefined : `${name}: ${states[n] || "unknown"}`));
    },
    cause: "The deployment's step `units` failed, or a unit was disabled on the node.", next: LOOK_AT_LOG,
  },
  {
    id: "F4", title: "no ordering cycle in this boot", phase: "units", where: "node", needs: ["B5"], severity: "fail", deadlineMs: SLOW,
    command: () => "sudo -n journalctl -b -o cat --no-pager _PID=1 | grep -i 'ordering cycle'; true",
    judge: ({ stdout }) => nothingIn(stdout),
    cause: "Units order themselves in a circle, so systemd dropped one of them.", next: "Correct the unit's After= and WantedBy=; then `up` replaces the node.",
  },
  {
    id: "F5", title: "startup ran in this boot", phase: "units", where: "node", needs: ["F3", "B5"], severity: "fail", deadlineMs: QUICK, patienceMs: STARTING,
    command: () => `systemctl show -p ActiveState,SubState,Result,ExecMainStatus ${STARTUP_UNIT}`,
    judge: ({ stdout }) => {
      const { ActiveState: active = "unknown", SubState: sub = "unknown", Result: result = "unknown", ExecMainStatus: status = "?" } = propertiesOf(stdout);
      return {
        ok: active === "active" && sub === "exited" && result === "success" && status === "0",
        expected: "active (exited), success, status 0",
        actual: `${active} (${sub}), ${result}, status ${status}`,
        pending: active === "activating",
      };
    },
    cause: "The startup script failed, or systemd did not start it.", next: "See F6 for the step; read /opt/startup.log on the node.",
  },
  {
    // Needs F3 alone: when the startup failed (F5), this is the check that names the step.
    id: "F6", title: "every startup step", phase: "units", where: "node", needs: ["F3", "B5"], severity: "fail", deadlineMs: QUICK, patienceMs: STARTING,
    command: () => stepsCommand("steps-startup"),
    judge: judgeSteps,
    cause: "The step named failed for the reason given.", next: "Read /opt/startup.log on the node; correct the cause, then `up` replaces the node.",
  },
  {
    id: "F7", title: "every workload active", phase: "units", where: "node", needs: ["F5", "D4"], severity: "fail", deadlineMs: QUICK, patienceMs: STARTING,
    applies: ({ units }) => units.workloads.length > 0,
    command: ({ units }) => `systemctl show -p Id,ActiveState,SubState,Result ${units.workloads.join(" ")}`,
    judge: ({ stdout }, { units }) => {
      const states = new Map(stdout.split("\n\n").map(propertiesOf).map((unit) => [unit.Id, unit]));
      const verdict = allOf(units.workloads, (name) => {
        const unit = states.get(name);
        if (unit?.ActiveState === "active") return undefined;
        return `${name}: ${unit ? `${unit.ActiveState} (${unit.SubState}), ${unit.Result}` : "unknown"}`;
      });
      return { ...verdict, pending: [...states.values()].some(({ ActiveState }) => ActiveState === "activating") };
    },
    cause: "A workload does not start, or ends again.", next: "Read its journal (`journalctl -u UNIT`) on the node.",
  },
  {
    id: "F8", title: "no workload was restarted", phase: "units", where: "node", needs: ["F7"], severity: "fail", deadlineMs: QUICK,
    applies: ({ units }) => units.workloads.length > 0,
    command: ({ units }) => `systemctl show -p Id,NRestarts ${units.workloads.join(" ")}`,
    judge: ({ stdout }) =>
      allOf(stdout.split("\n\n").map(propertiesOf), ({ Id, NRestarts }) => (NRestarts === "0" ? undefined : `${Id}: ${NRestarts} restarts`)),
    cause: "A workload crashes and is started again.", next: "Read its journal (`journalctl -u UNIT`) on the node.",
  },
  {
    id: "F9", title: "no other failed unit", phase: "units", where: "node", needs: ["F7"], severity: "warn", deadlineMs: QUICK,
    command: () => "systemctl list-units --state=failed --no-legend --plain --no-pager",
    judge: ({ stdout }) => nothingIn(stdout),
    cause: "A unit of the image failed.", next: "Read its journal on the node.",
  },
  {
    id: "F10", title: "no errors in our units' journals", phase: "units", where: "node", needs: ["F7"], severity: "warn", deadlineMs: SLOW,
    command: ({ units }) => `sudo -n journalctl -b -q -p err -o cat --no-pager -n 5 ${Object.keys(units.installed).map((name) => `-u ${name}`).join(" ")}`,
    judge: ({ stdout }) => nothingIn(stdout),
    cause: "A unit reported an error.", next: "Read its journal on the node.",
  },
  {
    id: "G1", title: "identity present and whole", phase: "identity", where: "node", needs: ["F6"], severity: "fail", deadlineMs: QUICK,
    command: () => `stat -c %a ${IDENTITY} && cat ${IDENTITY}`,
    judge: ({ stdout, stderr, code }) => {
      if (code !== 0) return { ok: false, expected: IDENTITY, actual: firstLine(stderr) };
      const mode = stdout.split("\n", 1)[0] ?? "";
      const identity = parsed(stdout.slice(mode.length));
      return same(
        { mode: "644", sensor_id: "SENSOR_<state>_<city>_<number>", parts: "location, device_info, deployment, metadata" },
        {
          mode,
          sensor_id: /^SENSOR_[A-Z]{2}_[A-Z]{3}_\d{4}$/.test(String(identity?.sensor_id)) ? "SENSOR_<state>_<city>_<number>" : String(identity?.sensor_id),
          parts: ["location", "device_info", "deployment", "metadata"].filter((part) => isRecord(identity?.[part])).join(", "),
        },
      );
    },
    cause: "The startup did not write the identity.", next: "Read /opt/startup.log on the node.",
  },
  {
    id: "G2", title: "identity is of this instance", phase: "identity", where: "node", needs: ["G1"], severity: "fail", deadlineMs: QUICK,
    command: () => `cat ${IDENTITY}`,
    judge: ({ stdout }, { instanceId }) => {
      const metadata = parsed(stdout)?.metadata;
      return equal(instanceId, isRecord(metadata) ? String(metadata.instance_id) : "no instance id");
    },
    cause: "The identity was made for another instance.", next: REPLACE,
  },
  {
    id: "G3", title: "identity equals a regeneration", phase: "identity", where: "node", needs: ["G2"], severity: "fail", deadlineMs: QUICK,
    command: ({ instanceId }) => `INSTANCE_ID=${instanceId} python3 -B ${UPLOAD_ROOT}/scripts/generate_node_identity.py --output - | cmp - ${IDENTITY} && echo identical`,
    judge: ({ stdout, stderr }) => equal("identical", firstLine(stdout, stderr)),
    cause: "The identity was edited, or made by another version of the generator.", next: REPLACE,
  },
  {
    id: "G5", title: "rendered configuration without placeholders", phase: "identity", where: "node", needs: ["F6"], severity: "fail", deadlineMs: QUICK,
    // The file with the token is looked at with sudo, and only names of files come back.
    command: () =>
      "sudo -n sh -c 'ls -1 /opt/sensor/config/sensor-config.json; grep -lE \"\\$\\{[^}]*\\}|\\{\\{[^}]*\\}\\}|<[A-Z][A-Z_]+>|(CHANGE|REPLACE)_?ME\" /opt/sensor/config/sensor-config.json /bacalhau_node/config.yaml; find /bacalhau_node/config.yaml -perm /077' 2>/dev/null; true",
    judge: ({ stdout }) => equal("/opt/sensor/config/sensor-config.json", stdout.trim().split("\n").join(", ") || "none"),
    cause: "A file named is missing, still holds a placeholder, or can be read by others (a file is named once for each).", next: "Read /opt/startup.log on the node.",
  },
  {
    id: "H2", title: "Bacalhau's agent alive", phase: "workload", where: "node", needs: ["F7"], severity: "fail", deadlineMs: QUICK,
    applies: ({ units }) => units.workloads.includes(BACALHAU_UNIT),
    command: () => "curl -s -m 5 http://127.0.0.1:1234/api/v1/agent/alive",
    judge: ({ stdout, code }) => equal("OK", String(parsed(stdout)?.Status ?? `no answer (curl ended with ${code})`)),
    cause: "Bacalhau does not start.", next: "Read its journal (`journalctl -u bacalhau`) on the node.",
  },
  {
    id: "H5", title: "sensor writes readings", phase: "workload", where: "node", needs: ["F7"], severity: "fail", deadlineMs: QUICK, patienceMs: STARTING,
    applies: ({ units }) => units.workloads.includes("sensor.service"),
    command: () =>
      `sudo -n python3 -c 'import sqlite3; print(*sqlite3.connect("file:/opt/sensor/data/sensor_data.db?mode=ro", uri=True).execute("SELECT timestamp, id FROM sensor_readings ORDER BY id DESC LIMIT 1").fetchone() or ["none"])' && date -u +%FT%T.%3NZ`,
    judge: ({ stdout, stderr }) => {
      const [reading = "", now = ""] = stdout.split("\n");
      const age = Date.parse(now) - Date.parse(reading.split(" ")[0] ?? "");
      const ok = age <= NEWEST_READING_MS;
      return {
        ok,
        expected: `a reading of the last ${NEWEST_READING_MS / 1000} s`,
        actual: Number.isNaN(age) ? (stdout === "" ? lastLine(stderr) : "no reading") : `the newest is ${(age / 1000).toFixed(1)} s old`,
        pending: !ok,
      };
    },
    cause: "The sensor runs but does not write.", next: "Read its journal (`journalctl -u sensor`) on the node.",
  },
  {
    id: "K1", title: "disk and inodes", phase: "health", where: "node", needs: ["B3"], severity: "warn", deadlineMs: QUICK,
    command: () => "df --output=pcent,ipcent / | tail -n 1",
    judge: ({ stdout }) => {
      const [disk = NaN, inodes = 0] = (stdout.match(/\d+/g) ?? []).map(Number);
      return { ok: disk < 90 && inodes < 90, expected: "below 90 % used", actual: `disk ${disk} %, inodes ${inodes} %` };
    },
    cause: "The root volume is nearly full.", next: "Raise the storage size, or let the workload clean up.",
  },
  {
    id: "K3", title: "no reboot pending", phase: "health", where: "node", needs: ["B3"], severity: "info", deadlineMs: QUICK,
    command: () => "cat /var/run/reboot-required 2>/dev/null; true",
    judge: ({ stdout }) => nothingIn(stdout),
    cause: "Packages were upgraded that need a reboot.", next: "Replace the node when it suits.",
  },
];

function stepsCommand(folder: string): string {
  return `python3 -c 'import glob, json; [print(json.dumps(json.load(open(p)))) for p in sorted(glob.glob("${RECORDS}/${folder}/*.json"))]'`;
}

function judgeSteps({ stdout, stderr }: CommandOutput): Verdict {
  const steps = stdout.split("\n").map(parsed).filter((step) => step !== undefined);
  if (steps.length === 0) return { ok: false, expected: "every step ok", actual: firstLine(stderr, "no step was recorded"), pending: true };
  const verdict = allOf(steps, ({ name, status, detail }) => (status === "ok" ? undefined : `${String(name)}: ${String(status)}${detail ? `: ${String(detail)}` : ""}`));
  const isFailed = steps.some(({ status }) => status === "failed");
  return { ...verdict, expected: `${steps.length} steps ok`, pending: !isFailed };
}

/** status.json has the errors of each stage; since cloud-init 23.4 also the recoverable ones. Before, the log has them. */
function judgeCloudInitErrors({ stdout }: CommandOutput): Verdict {
  const end = stdout.lastIndexOf("}") + 1;
  const status = parsed(stdout.slice(0, end))?.v1;
  const stages = isRecord(status) ? Object.values(status).filter(isRecord) : [];
  const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
  const errors = stages.flatMap((stage) => textsOf(stage.errors));
  const newer = stages.filter((stage) => "recoverable_errors" in stage);
  const recoverable =
    newer.length > 0
      ? newer.flatMap(({ recoverable_errors: byLevel }) =>
          isRecord(byLevel) ? ["CRITICAL", "ERROR", "WARNING"].flatMap((level) => textsOf(byLevel[level])) : [],
        )
      : stdout.slice(end).split("\n").filter((line) => line.trim() !== "");
  const found = [...errors, ...recoverable];
  if (stages.length === 0) return { ok: false, expected: "none", actual: "/run/cloud-init/status.json is missing" };
  return { ok: found.length === 0, expected: "none", actual: listed(found) || "none" };
}

interface Found {
  kind: string;
  mode: string;
  size: number;
  target: string;
  sha256?: string;
}

/** The output of D2: one line per path, an empty line, then the sums. No name holds a line break or a tab (payload.ts). */
function treeOf(output: string): Map<string, Found> {
  const [paths = "", sums = ""] = output.split("\n\n");
  const sha256 = sumsOf(sums);
  return new Map(
    paths.split("\n").map((line) => {
      const [kind = "", mode = "", size = "", target = "", path = ""] = line.split("\t");
      return [path, { kind, mode, size: Number(size), target, sha256: sha256.get(`./${path}`) }];
    }),
  );
}

/** Lines of sha256sum: path -> sum. */
function sumsOf(output: string): Map<string, string> {
  return new Map(output.split("\n").map((line) => [line.slice(66), line.slice(0, 64)]));
}

function differenceOf(entry: PayloadEntry, tree: Map<string, Found>): string | undefined {
  const found = tree.get(entry.path);
  if (found === undefined) return `${entry.path}: missing`;
  if (found.kind !== { file: "f", directory: "d", link: "l" }[entry.type]) return `${entry.path}: is no ${entry.type}`;
  if (entry.type === "link") return found.target === entry.target ? undefined : `${entry.path}: points to ${found.target}, not ${entry.target}`;
  if (found.mode !== entry.mode) return `${entry.path}: mode ${found.mode}, not ${entry.mode}`;
  if (entry.type === "directory") return undefined;
  if (found.size !== entry.size) return `${entry.path}: ${found.size} bytes, not ${entry.size}`;
  return found.sha256 === entry.sha256 ? undefined : `${entry.path}: content differs`;
}

function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, n) => parts.slice(0, n + 1).join("/"));
}

/** Each thing judged on its own; what does not hold is named. */
function allOf<T>(things: readonly T[], problemOf: (thing: T, index: number) => string | undefined): Verdict {
  const problems = things.flatMap((thing, index) => problemOf(thing, index) ?? []);
  return { ok: problems.length === 0, expected: `all ${things.length} in order`, actual: listed(problems) || `all ${things.length} in order` };
}

function equal(expected: string, actual: string): Verdict {
  return { ok: expected === actual, expected, actual };
}

/** Compares by key; shows only the keys that differ, or all when none does. */
function same<K extends string>(expected: Record<K, string>, actual: Record<K, string>): Verdict {
  const keys = Object.keys(expected) as K[];
  const different = keys.filter((key) => expected[key] !== actual[key]);
  const show = (values: Record<K, string>): string => (different.length > 0 ? different : keys).map((key) => `${key} ${values[key]}`).join(", ");
  return { ok: different.length === 0, expected: show(expected), actual: show(actual) };
}

function nothingIn(output: string): Verdict {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  return { ok: lines.length === 0, expected: "none", actual: listed(lines) || "none" };
}

const SHOWN = 10;

function listed(items: readonly string[]): string {
  const more = items.length - SHOWN;
  return [...items.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

function propertiesOf(output: string): Record<string, string> {
  return Object.fromEntries(output.split("\n").flatMap((line) => (line.includes("=") ? [[line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]] : [])));
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The first line with something in it, of the first text that has one. */
function firstLine(...texts: string[]): string {
  return texts.flatMap((text) => text.split("\n")).find((line) => line.trim() !== "")?.trim() ?? "nothing";
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) || "nothing";
}

import type { OptionName } from "../../cli/runtime/options";
import type { configKeys } from "../../fleet/config";

/** Where a test shows an effect: its file, and words that begin the test (or the scenario) in which the name stands. */
export type Sight = readonly [file: string, words: string];

type Section = keyof typeof configKeys;

const own = (words: string): Sight => ["tests/e2e/own-checks.test.ts", words];
const line: Sight = [
  "tests/integration/command-line.test.ts",
  "lists by column, order and region, and from what was kept",
];
const verify = (words: string): Sight => ["tests/e2e/verify.test.ts", words];
const formats = verify("writes JUnit, TAP, JSON and a page");
const twoConfigs = (words: string): Sight => ["tests/integration/two-configurations.test.ts", words];
const quietParts: Sight = ["tests/integration/parts.test.ts", "says nothing with --quiet but the result"];

/**
 * Where the effect of each option is seen that is not the same wherever it stands (those: option-probes.ts), by command.
 * A test (tests/unit/tests/effects.test.ts) fails when an option of a command is in neither.
 */
export const optionSights: Partial<Record<OptionName, Record<string, Sight>>> = {
  create: { env: ["tests/integration/plain-stack.test.ts", "is made by `env --create`"] },
  "no-wait": { up: ["tests/e2e/fleet.test.ts", "is left to itself by --no-wait once its deployment runs"] },
  "rollback-on-failure": { up: ["tests/faults/scenarios.ts", "all or nothing: nothing"] },
  yes: {
    up: ["tests/unit/cli/runtime/answers.test.ts", "is taken for the answer by every command that asks"],
    down: ["tests/unit/cli/runtime/answers.test.ts", "is taken for the answer by every command that asks"],
    replace: ["tests/unit/cli/runtime/answers.test.ts", "is taken for the answer by every command that asks"],
    repair: ["tests/unit/cli/runtime/answers.test.ts", "is taken for the answer by every command that asks"],
    "allow-me": ["tests/unit/cli/runtime/answers.test.ts", "is taken for the answer by every command that asks"],
    env: ["tests/unit/cli/runtime/answers.test.ts", "is taken for the answer by every command that asks"],
    "cleanup-vpcs": ["tests/unit/cli/runtime/answers.test.ts", "is taken for the answer by every command that asks"],
    recover: ["tests/integration/recovery.test.ts", "L40: says that the state is cut off"],
    import: ["tests/integration/command-line.test.ts", "`import` shows what a predecessor's file names"],
    setup: ["tests/integration/command-line.test.ts", "setup --defaults writes a file that is valid"],
  },
  "take-over": {
    up: twoConfigs("are asked about by every command that changes"),
    down: twoConfigs("are asked about by every command that changes"),
    replace: twoConfigs("are asked about by every command that changes"),
    repair: twoConfigs("are asked about by every command that changes"),
    recover: twoConfigs("are asked about by every command that changes"),
    "allow-me": twoConfigs("are asked about by every command that changes"),
    "cleanup-vpcs": twoConfigs("are asked about by every command that changes"),
  },
  quiet: {
    up: ["tests/integration/command-line.test.ts", "--quiet leaves the result"],
    verify: verify("--quiet says nothing but the result"),
    down: quietParts,
    replace: quietParts,
    repair: quietParts,
    recover: ["tests/integration/recovery.test.ts", "L44: lists fleets whose record is elsewhere"],
  },
  cached: { list: line },
  columns: { list: line },
  sort: { list: line },
  region: { list: line, down: ["tests/integration/parts.test.ts", "ends a node, then a region, then the rest"] },
  watch: {
    list: ["tests/integration/command-line.test.ts", "`list --watch` looks again"],
    verify: verify("--watch looks again"),
  },
  only: { verify: verify("--only, --phase and --node choose") },
  phase: { verify: verify("--only, --phase and --node choose") },
  deadline: { verify: verify("--deadline ends the wait") },
  "min-healthy": { verify: verify("--min-healthy says how many") },
  node: {
    verify: verify("--only, --phase and --node choose"),
    exec: ["tests/e2e/login.test.ts", "`logs` shows the node's own files"],
  },
  list: { verify: ["tests/unit/cli/command-line.test.ts", "`verify --list` prints the checks"] },
  "one-at-a-time": { verify: verify("--one-at-a-time") },
  "until-first-failure": { verify: verify("--until-first-failure stops at the cause") },
  junit: { verify: formats },
  tap: { verify: formats },
  report: { verify: formats },
  "all-regions": {
    down: ["tests/integration/parts.test.ts", "looks in every region of the account with --all-regions"],
  },
  "dry-run": {
    down: ["tests/integration/parts.test.ts", "shows what `down` would end and ends nothing"],
    "cleanup-vpcs": ["tests/integration/cleanup-vpcs.test.ts", "shows the plan, then deletes what is ours"],
  },
  legacy: {
    "cleanup-vpcs": [
      "tests/integration/cleanup-vpcs.test.ts",
      "asks, in a terminal, about each VPC with what is in it",
    ],
  },
  vpc: { "cleanup-vpcs": ["tests/integration/cleanup-vpcs.test.ts", "removes whole VPCs that are named"] },
  end: { recover: ["tests/integration/orphans.test.ts", "ends what the user names, by its ID"] },
  release: { recover: ["tests/integration/orphans.test.ts", "takes the tags off what the user names"] },
  "fleet-id": { recover: ["tests/integration/recovery.test.ts", "L40: does not take a lost state for an empty fleet"] },
  seconds: { sandbox: ["tests/e2e/node.test.ts", "runs the hooks and stops the workloads on the interruption notice"] },
  follow: { logs: ["tests/e2e/login.test.ts", "`logs -f` goes on with what is added"] },
  defaults: { setup: ["tests/integration/command-line.test.ts", "setup --defaults writes a file that is valid"] },
};

const spot: Sight = ["tests/integration/config-keys.test.ts", "of a spot fleet in networks of its own reach AWS"];
const onDemand: Sight = [
  "tests/integration/config-keys.test.ts",
  "of an on-demand fleet in a network that is there reach AWS",
];
const sent = (words: string): Sight => ["tests/unit/project/config-effects.test.ts", words];
const settings = sent("Bacalhau's version, download by architecture");
const program = sent("the program that binary names");
const folders = sent("the files of files_directory");
const DOWNLOAD = sent("const DOWNLOAD");
const ownKind = (kind: string): Sight => own(`kind: "${kind}"`);

/** Where the effect of each key of config.yaml is seen. The same test fails when a key has no row. */
export const keySights: Record<Section, Record<string, Sight>> = {
  "": {
    stack: spot,
    backend: ["tests/integration/config-keys.test.ts", "backend is where the engine keeps the state"],
    network: spot,
    ssh: spot,
    packages: spot,
    max_unavailable: ["tests/integration/config-keys.test.ts", "max_unavailable is how many nodes"],
    market: onDemand,
    max_price: spot,
    allow_other_regions: ["tests/faults/scenarios.ts", "no capacity in one region, others allowed"],
    min_healthy: ["tests/faults/scenarios.ts", "no capacity, yet enough of the fleet is well"],
    bacalhau: sent("const bacalhauOf"),
    checks: own("const configure"),
    aws: spot,
    regions: spot,
  },
  aws: {
    total_instances: spot,
    username: spot,
    ssh_key_name: onDemand,
    private_ssh_key_path: spot,
    public_ssh_key_path: spot,
    files_directory: folders,
    scripts_directory: folders,
    spot_price_limit: ["tests/integration/config-keys.test.ts", "spot_price_limit is max_price by its older name"],
    instance_storage_gb: spot,
    cpu_credits: onDemand,
    security_groups: onDemand,
    iam_instance_profile: onDemand,
    tags: spot,
  },
  ssh: { allow: spot },
  bacalhau: {
    enabled: sent("nothing of Bacalhau's with"),
    version: settings,
    download: settings,
    binary: program,
    orchestrators: settings,
    token_file: program,
    labels: settings,
    allowed_paths: settings,
    api: ["tests/e2e/node.test.ts", "what runs on a node"],
  },
  download: { amd64: DOWNLOAD, arm64: DOWNLOAD },
  program: { url: DOWNLOAD, sha256: DOWNLOAD },
  checks: {
    name: own("is tried again for as long as"),
    command: ownKind("command"),
    http: ownKind("http"),
    tcp: ownKind("tcp"),
    file: ownKind("file"),
    service: ownKind("service"),
    contains: ownKind("output"),
    status: ownKind("status"),
    deadline: own("gives up at `deadline`"),
    retry: own("is tried again for as long as"),
    severity: own("fails nothing when its severity"),
  },
  region: { machine_type: spot, image: spot, instances_per_region: spot },
};

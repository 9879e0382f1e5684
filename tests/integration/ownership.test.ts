import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CreateSecurityGroupCommand, DescribeInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { DEFAULT_ACCOUNT } from "../../sandbox/gateway/protocol/accounts";
import { recordUrn } from "../../automation/engine/state";
import { administratorOf, clientOf, FIRST_RUN_MS } from "../support/sandbox";
import { REGIONS, Workbench, type Outcome } from "../support/workbench";

const OTHER_ACCOUNT = "210987654321";
const AS_OTHER = { SPOT_SANDBOX_ACCOUNT: OTHER_ACCOUNT };

/** Every command that asks AWS about a fleet, or changes it. */
const COMMANDS = [
  ["list"],
  ["verify"],
  ["check"],
  ["preview"],
  ["up", "--yes"],
  ["down", "--yes"],
  ["repair", "--yes"],
  ["recover", "--yes"],
  ["recover", "--fleet-id", "0123456789abcdef", "--yes"],
  ["cleanup-vpcs", "--yes"],
  ["cost"],
  ["allow-me", "--yes"],
];

interface State {
  checkpoint: { latest: { resources: { urn: string; type: string; outputs?: Record<string, unknown> }[] } };
}

describe("a fleet belongs to an account, a stack and a fleet ID", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  let copies: string[];
  beforeEach(async () => {
    bench = new Workbench();
    copies = [];
    bench.config({ "us-west-2": 1, "eu-west-1": 1 });
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
  });
  afterEach(async () => {
    for (const stack of copies) rmSync(fileOf(stack), { force: true });
    await bench[Symbol.asyncDispose]();
  });

  const fileOf = (stack: string) => path.join(bench.root, `Pulumi.${stack}.yaml`);
  const stateOf = (stack: string) => path.join(bench.home, "backend/.pulumi/stacks/spot-deployer", `${stack}.json`);
  const live = async () => (await bench.live()).instances.map(({ InstanceId }) => InstanceId!).sort();
  const fleetId = async () =>
    (JSON.parse((await bench.spot(["list", "--json"])).stdout) as { lineage: string }).lineage;
  const changeState = (change: (state: State["checkpoint"]["latest"]) => void, stack = bench.stack) => {
    const document = JSON.parse(readFileSync(stateOf(stack), "utf8")) as State;
    change(document.checkpoint.latest);
    writeFileSync(stateOf(stack), JSON.stringify(document));
  };
  const changeSettings = (from: RegExp, to: string, file = bench.stackFile) => {
    const before = readFileSync(file, "utf8");
    const after = before.replace(from, to);
    assert.notEqual(after, before);
    writeFileSync(file, after);
  };
  /** The same machine, another stack. */
  const onStack = (stack: string, args: string[]) =>
    bench.spot(
      [...args.slice(0, 1), "--sandbox=api", "--stack", stack, "--config", bench.configFile, ...args.slice(1)],
      { plain: true },
    );
  const copy = (what: string) => {
    const stack = `${bench.stack}-${what}`;
    copies.push(stack);
    return stack;
  };
  /** Runs every command, and demands that none of them changed a file or a thing. */
  async function eachRefuses(
    run: (args: string[]) => Promise<Outcome>,
    exit: number,
    says: RegExp,
    commands = COMMANDS,
  ): Promise<void> {
    const files = () => [bench.stackFile, stateOf(bench.stack)].map((file) => readFileSync(file, "utf8"));
    const before = { live: await live(), files: files() };
    for (const args of commands) {
      const { code, stdout, stderr } = await run(args);
      assert.match(stdout + stderr, says, args.join(" "));
      assert.equal(code, exit, `${args.join(" ")}: ${stdout}${stderr}`);
    }
    assert.deepEqual({ live: await live(), files: files() }, before);
  }

  it("credentials of another account: every command names both accounts, takes nothing for gone and starts nothing", async () => {
    await eachRefuses(
      (args) => bench.spot(args, { env: AS_OTHER }),
      3,
      new RegExp(`E_ACCOUNT[^]*in account ${DEFAULT_ACCOUNT}, these credentials are of account ${OTHER_ACCOUNT}`),
    );
    const sandbox = await bench.sandbox();
    for (const region of REGIONS) {
      const ec2 = new EC2Client({
        ...clientOf(sandbox, region),
        credentials: administratorOf(OTHER_ACCOUNT),
      });
      assert.deepEqual((await ec2.send(new DescribeInstancesCommand({}))).Reservations, [], region);
      ec2.destroy();
    }
    const { code, stdout, stderr } = await bench.spot(["up"]);
    assert.equal(code, 9, stderr);
    assert.match(stdout, /Nothing to change: 2 nodes/);
  });

  it("plain Pulumi with credentials of another account is refused: by the program, and by the provider where that is not run", async () => {
    const before = await live();
    const { stdout: exports } = await bench.spot(["env"], { env: AS_OTHER });
    bench.config({ "us-west-2": 1 });
    for (const [command, says] of [
      [
        "up --yes --skip-preview",
        `account ${DEFAULT_ACCOUNT}, the credentials are of ${OTHER_ACCOUNT} \\(E_ACCOUNT\\)`,
      ],
      ["destroy --yes --skip-preview", `AWS account ID not allowed: ${OTHER_ACCOUNT}`],
    ] as const) {
      const { status, stdout, stderr } = spawnSync(
        "sh",
        ["-c", `${exports}\npulumi ${command} --non-interactive --color never`],
        { cwd: bench.root, env: { ...bench.env }, encoding: "utf8" },
      );
      assert.notEqual(status, 0, command);
      assert.match(stdout + stderr, new RegExp(says));
    }
    assert.deepEqual(await live(), before);
  });

  it("a fleet of an earlier version, which recorded no account: its resources' ARNs tell, else an object with an ID of the state and its tags", async () => {
    const forget = (): void => {
      changeSettings(/ +spot-deployer:account: .*\n +spot-deployer:providerRegion: .*\n/, "");
      changeState((latest) => {
        latest.resources = latest.resources.filter(({ urn }) => urn !== recordUrn(bench.stack));
        for (const { outputs } of latest.resources) if (outputs) delete outputs.account;
      });
    };
    forget();
    await eachRefuses(
      (args) => bench.spot(args, { env: AS_OTHER }),
      3,
      new RegExp(`E_ACCOUNT[^]*in account ${DEFAULT_ACCOUNT}, these credentials are of account ${OTHER_ACCOUNT}`),
      [["list"], ["up"], ["down"]],
    );
    changeState(({ resources }) => {
      for (const { outputs } of resources) if (outputs) delete outputs.arn;
    });
    await eachRefuses(
      (args) => bench.spot(args, { env: AS_OTHER }),
      3,
      new RegExp(`E_ACCOUNT: nothing tells in which account[^]*none of them can be seen in account ${OTHER_ACCOUNT}`),
      [["list"], ["up"], ["down"]],
    );
    const before = await live();
    const { code, stderr } = await bench.spot(["up"]);
    assert.equal(code, 9, stderr);
    assert.deepEqual(await live(), before);
    assert.match(readFileSync(bench.stackFile, "utf8"), new RegExp(`account: "${DEFAULT_ACCOUNT}"`));
  });

  it("settings and state that contradict each other are told, and nothing is done", async () => {
    changeSettings(/account: "\d+"/, `account: "${OTHER_ACCOUNT}"`);
    await eachRefuses(
      (args) => bench.spot(args),
      1,
      new RegExp(`E_STATE[^]*speaks of account ${OTHER_ACCOUNT}, the state of account ${DEFAULT_ACCOUNT}`),
      [["list"], ["up"], ["down"]],
    );
  });

  it("what is no fleet ID is refused wherever it comes from: it never reaches AWS as a pattern", async () => {
    for (const id of ["*", "?".repeat(16), "0123456789abcde", "0123456789abcdef0", " ", "0123456789ABCDEF"]) {
      const { code, stderr } = await bench.spot(["recover", "--fleet-id", id, "--yes"]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /E_USAGE: --fleet-id: .* is no fleet ID; one is 16 digits/);
    }
    changeSettings(/lineage: .*/, 'lineage: "*"');
    await eachRefuses((args) => bench.spot(args), 1, /E_STATE[^]*"\*" is no fleet ID/, [
      ["list"],
      ["up"],
      ["down"],
      ["recover", "--yes"],
    ]);
  });

  it("a place without a record looks for the stack's name in every region, ends nothing, and says what it found", async () => {
    const id = await fleetId();
    const before = await live();
    const aside = path.join(bench.dir, "aside");
    cpSync(path.dirname(stateOf(bench.stack)), aside, { recursive: true });
    const settings = readFileSync(bench.stackFile, "utf8");
    rmSync(path.dirname(stateOf(bench.stack)), { recursive: true });
    rmSync(bench.stackFile);
    for (const args of [
      ["down", "--yes"],
      ["down", "--dry-run"],
    ]) {
      const { code, stdout, stderr } = await bench.spot(args);
      assert.equal(code, 8, stdout + stderr);
      assert.match(
        stdout,
        new RegExp(`possibly somebody else's[^]*${id} +2 +\\d+ +eu-west-1, us-west-2[^]*recover --fleet-id ${id}`),
      );
      assert.doesNotMatch(stdout, /Proven|Nothing to end/);
    }
    assert.deepEqual(await live(), before);

    cpSync(aside, path.dirname(stateOf(bench.stack)), { recursive: true });
    writeFileSync(bench.stackFile, settings);
    assert.equal((await bench.spot(["down"])).code, 0);
  });

  it("a place without a record says which regions it listed, and proves nothing where one that it is to use did not answer", async () => {
    const stack = copy("none");
    const everywhere = await onStack(stack, ["down"]);
    assert.equal(everywhere.code, 0, everywhere.stderr);
    assert.match(
      everywhere.stdout,
      /Nothing to end: listing every region of the account showed nothing of the fleet\./,
    );
    const denied = { error: { code: "UnauthorizedOperation", status: 403 } };
    await bench.control("POST", "faults", [
      { action: "DescribeVolumes", region: "sa-east-1", times: 99, effect: denied },
    ]);
    const elsewhere = await onStack(stack, ["down"]);
    assert.equal(elsewhere.code, 0, elsewhere.stderr);
    assert.match(
      elsewhere.stdout,
      /Not looked at: sa-east-1[^]*Nothing to end: listing [^]*us-west-2[^]* showed nothing/,
    );
    assert.doesNotMatch(elsewhere.stdout, /every region/);
    await bench.control("POST", "faults", [
      { action: "DescribeVolumes", region: "us-west-2", times: 99, effect: denied },
    ]);
    const asked = await onStack(stack, ["down"]);
    assert.equal(asked.code, 8, asked.stdout);
    assert.match(asked.stdout, /Not looked at: us-west-2[^]*Not proven/);
  });

  it("a stack whose settings were copied from another: ends nothing of the other, says what to do, and has a fleet of its own then", async () => {
    const second = copy("second");
    cpSync(bench.stackFile, fileOf(second));
    const before = await live();
    const up = await onStack(second, ["up", "--yes"]);
    assert.equal(up.code, 1, up.stderr);
    assert.match(
      up.stderr,
      new RegExp(
        `E_STATE: Pulumi.${second}.yaml has the fleet ID \\w{16} of 2 instances of stack ${bench.stack}, and stack ${second} has nothing: one of them has a copy of the other's settings[^]*Run .down. for stack ${second}`,
      ),
    );
    const down = await onStack(second, ["down", "--yes"]);
    assert.equal(down.code, 0, down.stderr);
    assert.match(
      down.stdout,
      new RegExp(`Left alone: \\d+ objects that carry the fleet's ID and belong to stack ${bench.stack}\\.`),
    );
    assert.deepEqual(await live(), before);

    const own = await onStack(second, ["up", "--yes"]);
    assert.equal(own.code, 9, own.stdout + own.stderr);
    assert.equal((await live()).length, 4);
    assert.equal((await onStack(second, ["down", "--yes"])).code, 0);
    assert.deepEqual(await live(), before);
    // Its keys, which the two shared for a while, are still there.
    bench.config({ "us-west-2": 2, "eu-west-1": 1 });
    assert.equal((await bench.spot(["up"])).code, 9);
    assert.equal((await live()).length, 3);
  });

  it("a state file that was copied to another stack is refused", async () => {
    const second = copy("third");
    cpSync(bench.stackFile, fileOf(second));
    cpSync(stateOf(bench.stack), stateOf(second));
    await eachRefuses(
      (args) => onStack(second, args),
      1,
      new RegExp(`E_STATE[^]*the state of stack ${second} is that of another stack`),
      [["list"], ["preview"], ["up", "--yes"], ["down", "--yes"], ["recover", "--yes"]],
    );
  });

  it("what carries the fleet ID and the tag of another stack is left alone, and shown", async () => {
    const ec2 = new EC2Client(clientOf(await bench.sandbox(), "us-west-2"));
    const Tags = [
      { Key: "spot-deployer:lineage", Value: await fleetId() },
      { Key: "spot-deployer:stack", Value: "elsewhere" },
    ];
    const { GroupId } = await ec2.send(
      new CreateSecurityGroupCommand({
        GroupName: "theirs",
        Description: "theirs",
        TagSpecifications: [{ ResourceType: "security-group", Tags }],
      }),
    );
    ec2.destroy();
    assert.equal((await bench.spot(["up"])).code, 9);
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 0, down.stderr);
    assert.doesNotMatch(down.stdout + down.stderr, new RegExp(GroupId!));
  });

  it("one region's STS that is out stops no other region", async () => {
    await bench.control("POST", "faults", [
      {
        action: "GetCallerIdentity",
        region: "us-east-1",
        times: 99,
        effect: { error: { code: "ServiceUnavailable", status: 503 } },
      },
    ]);
    const part = await bench.spot(["down", "--region", "us-west-2"]);
    assert.equal(part.code, 0, part.stderr);
    await bench.control("POST", "faults", [
      {
        action: "GetCallerIdentity",
        region: "eu-west-1",
        times: 99,
        effect: { error: { code: "ServiceUnavailable", status: 503 } },
      },
    ]);
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
  });
});

describe("an endpoint that is not AWS's belongs to the stack that was made with it", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  before(async () => {
    bench = new Workbench();
    bench.config({ "us-west-2": 1 }, { top: ["ssh: {allow: [203.0.113.0/24]}"] });
    await bench.begin();
  });
  after(() => bench[Symbol.asyncDispose]());

  /** A command for AWS, whose services are asked at the gateway. No provider is there for it, so nothing is ever made. */
  async function onAws(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const [name, ...rest] = args;
    const { endpoint } = await bench.sandbox();
    const settings = {
      AWS_ACCESS_KEY_ID: "sandbox",
      AWS_SECRET_ACCESS_KEY: "sandbox",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      AWS_ENDPOINT_URL: endpoint,
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    };
    return bench.spot([name!, "--stack", bench.stack, "--config", bench.configFile, ...rest], {
      plain: true,
      env: { ...settings, ...env },
    });
  }

  it("is asked about by the first `up` alone, and from then on nothing else will do", async () => {
    const { endpoint } = await bench.sandbox();
    const list = await onAws(["list"]);
    assert.equal(list.code, 0, list.stderr);
    assert.match(list.stderr, /WARNING: .* is asked instead of AWS \(AWS_ENDPOINT_URL\*/);

    const unanswered = await onAws(["up"]);
    assert.equal(unanswered.code, 130, unanswered.stderr);
    assert.match(unanswered.stderr, /E_DECLINED[^]*was not bound to another place than AWS; nothing was changed/);

    await onAws(["up", "--yes"]);
    const settings = readFileSync(bench.stackFile, "utf8");
    assert.match(settings, new RegExp(`endpoints:\\s+ec2: ${endpoint}`));

    for (const env of [
      { AWS_ENDPOINT_URL: undefined },
      { AWS_ENDPOINT_URL: "http://127.0.0.1:1" },
      { AWS_ENDPOINT_URL_EC2: "http://127.0.0.1:1" },
      { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" },
    ]) {
      for (const args of [["list"], ["up", "--yes"], ["down", "--yes"]]) {
        const { code, stdout, stderr } = await onAws(args, env);
        assert.match(stdout + stderr, /E_ACCOUNT[^]*belongs to .*, the settings of this shell lead to/);
        assert.equal(code, 3);
      }
    }
    const again = await onAws(["list"]);
    assert.equal(again.code, 0, again.stderr);
    assert.doesNotMatch(again.stderr, /is asked instead of AWS/);
  });

  it("a sandbox is led nowhere by such settings", async () => {
    const { code, stderr } = await bench.spot(["check"], {
      env: {
        AWS_ENDPOINT_URL_EC2: "http://127.0.0.1:1",
        AWS_ENDPOINT_URL_STS: "http://127.0.0.1:1",
        AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true",
        AWS_USE_FIPS_ENDPOINT: "true",
        AWS_PROFILE: "nope",
      },
    });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /E_STACK_MISMATCH/);
  });
});

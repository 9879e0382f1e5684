import {
  DescribeInstancesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
  DescribeImagesCommand,
  EC2Client,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { obtainPulumiCli, type PulumiCli } from "../../automation/engine/pulumi-cli";
import { pathsOf } from "../../automation/target/paths";
import { packageRoot } from "../../project/package-root";
import { sandboxEnvironment, stopSandbox } from "../../sandbox/control";
import { markOf } from "../../system/process";
import { CleanUp } from "../support/clean-up";
import { startRecordingProxy, type RecordingProxy } from "../support/recording-proxy";
import { startSandbox } from "../support/sandbox";
import { descendants, kill } from "../support/workbench";

const REGION = "us-west-2";
const SECRET = "token-that-must-stay-secret";
const READS = /^(Describe|Get|List)/;

/** A small fleet on the unchanged @pulumi/aws SDK: one of every type that the stand-in serves. */
const PROGRAM = `
const fs = require("node:fs");
const pulumi = require("@pulumi/pulumi");
const ec2 = require("@pulumi/aws/ec2");
const vpcApi = require("@pulumi/aws/vpc");
const { Provider } = require("@pulumi/aws/provider");
const spec = JSON.parse(fs.readFileSync(__dirname + "/spec.json", "utf8"));
const region = "${REGION}";
const options = { provider: new Provider("aws", { region: "us-east-1" }) };
const tags = spec.tags;
const vpc = new ec2.Vpc("net", { region, cidrBlock: "10.7.0.0/16", enableDnsSupport: true, enableDnsHostnames: true, tags }, options);
const gateway = new ec2.InternetGateway("net", { region, vpcId: vpc.id, tags }, options);
const table = new ec2.RouteTable("net", { region, vpcId: vpc.id, tags }, options);
const route = new ec2.Route("net", { region, routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0", gatewayId: gateway.id }, options);
const subnet = new ec2.Subnet("net", { region, vpcId: vpc.id, availabilityZone: region + "a", cidrBlock: "10.7.1.0/24", tags }, options);
const association = new ec2.RouteTableAssociation("net", { region, subnetId: subnet.id, routeTableId: table.id }, options);
const group = new ec2.SecurityGroup("net", { region, vpcId: vpc.id, tags }, options);
const rules = [
  new vpcApi.SecurityGroupIngressRule("ssh", { region, securityGroupId: group.id, ipProtocol: "tcp", fromPort: 22, toPort: 22, cidrIpv4: spec.admit, description: "ssh", tags }, options),
  new vpcApi.SecurityGroupEgressRule("out", { region, securityGroupId: group.id, ipProtocol: "-1", cidrIpv4: "0.0.0.0/0", tags }, options),
];
const node = new ec2.Instance("node", {
  region, ami: spec.ami, instanceType: spec.instanceType, subnetId: subnet.id, vpcSecurityGroupIds: [group.id],
  associatePublicIpAddress: true,
  userDataBase64: pulumi.secret(Buffer.from(spec.userData).toString("base64")), userDataReplaceOnChange: true,
  instanceMarketOptions: { marketType: "spot", spotOptions: { spotInstanceType: "one-time", instanceInterruptionBehavior: "terminate" } },
  metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1, instanceMetadataTags: "enabled" },
  rootBlockDevice: { volumeType: "gp3", volumeSize: 20, encrypted: true, deleteOnTermination: true, tags },
  creditSpecification: { cpuCredits: "standard" }, tags,
}, { ...options, dependsOn: [route, association, ...rules] });
module.exports = {
  vpc: vpc.id, mainTable: vpc.mainRouteTableId, group: group.id, groupName: group.name, route: route.id,
  id: node.id, arn: node.arn, publicIp: node.publicIp, state: node.instanceState, lifecycle: node.instanceLifecycle,
  request: node.spotInstanceRequestId, zone: node.availabilityZone, nic: node.primaryNetworkInterfaceId,
};
`;

interface Spec {
  ami: string;
  instanceType: string;
  userData: string;
  admit: string;
  tags: Record<string, string>;
}

interface Outcome {
  code: number | null;
  output: string;
  /** Operation by resource type and name, `same` left out. */
  steps: Record<string, string[]>;
}

describe("the sandbox's stand-in for pulumi-resource-aws", function () {
  this.timeout(300_000);
  const cleanUp = new CleanUp();
  const compiled = path.resolve(__dirname, "..", "..");
  const started: ChildProcess[] = [];
  let dir: string;
  let shim: string;
  let cli: PulumiCli;
  let sandboxEnv: NodeJS.ProcessEnv;
  let proxy: RecordingProxy;
  let ec2: EC2Client;
  let spec: Spec;

  before(async function () {
    this.timeout(900_000);
    dir = realpathSync(mkdtempSync(path.join(tmpdir(), "spot provider ")));
    cleanUp.defer(() => rmSync(dir, { recursive: true, force: true }));
    const cacheDir = pathsOf(process.env).cache;
    cli = await obtainPulumiCli({ cacheDir, env: process.env, report: () => undefined });
    shim = installShim(path.join(dir, "a package"));
    const home = path.join(dir, "sandbox");
    const { sandbox } = await startSandbox(home);
    cleanUp.defer(() => stopSandbox(home));
    proxy = cleanUp.use(await startRecordingProxy(sandbox.endpoint));
    sandboxEnv = { ...sandboxEnvironment(sandbox), AWS_ENDPOINT_URL: proxy.endpoint };
    ec2 = new EC2Client({
      region: REGION,
      endpoint: sandbox.endpoint,
      credentials: { accessKeyId: "sandbox", secretAccessKey: "sandbox" },
    });
    cleanUp.defer(() => ec2.destroy());
    const { Images } = await ec2.send(
      new DescribeImagesCommand({ Filters: [{ Name: "architecture", Values: ["x86_64"] }] }),
    );
    spec = {
      ami: Images?.[0]?.ImageId ?? "",
      instanceType: "t3.micro",
      userData: `#cloud-config\n# ${SECRET}\n`,
      admit: "192.0.2.1/32",
      tags: { Name: "node", "spot-deployer:stack": "t" },
    };
    makeProject();
    expectOk(await pulumi("stack", "init", "dev"));
  });

  afterEach(() => {
    proxy.refuse = () => undefined;
    proxy.calls.length = 0;
  });

  after(() => {
    // After a time-out an engine may still be at work; its plugin ends with it.
    for (const child of started) if (child.exitCode === null) child.kill("SIGKILL");
    return cleanUp.run();
  });

  /** The shim as it is shipped, in a package whose path has spaces. */
  function installShim(root: string): string {
    const bin = path.join(root, "sandbox", "provider", "bin");
    mkdirSync(bin, { recursive: true });
    const source = path.join(packageRoot(), "sandbox", "provider", "bin", "pulumi-resource-aws");
    assert.equal(statSync(source).mode & 0o777, 0o755);
    copyFileSync(source, path.join(bin, "pulumi-resource-aws"));
    symlinkSync(compiled, path.join(root, "dist"));
    return path.join(bin, "pulumi-resource-aws");
  }

  function makeProject(): void {
    const project = path.join(dir, "project");
    mkdirSync(path.join(dir, "backend"));
    mkdirSync(path.join(dir, "tmp"));
    mkdirSync(project);
    symlinkSync(path.join(packageRoot(), "node_modules"), path.join(project, "node_modules"));
    writeFileSync(
      path.join(project, "Pulumi.yaml"),
      "name: provider-test\nruntime: {name: nodejs, options: {typescript: false}}\nmain: index.js\n",
    );
    writeFileSync(path.join(project, "index.js"), PROGRAM);
  }

  async function pulumi(...args: string[]): Promise<Outcome> {
    return pulumiWith(sandboxEnv, ...args);
  }

  async function pulumiWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Outcome> {
    writeFileSync(path.join(dir, "project", "spec.json"), JSON.stringify(spec));
    const child = spawn(cli.command, [...args, "--non-interactive"], {
      cwd: path.join(dir, "project"),
      env: {
        PATH: [path.dirname(shim), cli.binDir, process.env.PATH].join(":"),
        HOME: dir,
        // A language host whose engine is killed leaves its pipes behind: here they go with the rest.
        TMPDIR: path.join(dir, "tmp"),
        PULUMI_HOME: path.join(dir, "pulumi"),
        PULUMI_BACKEND_URL: `file://${dir}/backend`.replaceAll(" ", "%20"),
        PULUMI_CONFIG_PASSPHRASE: "test",
        PULUMI_SKIP_UPDATE_CHECK: "true",
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
        PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL: "true",
        ...env,
      },
    });
    started.push(child);
    const output = await outputOf(child);
    return { code: child.exitCode, output, steps: stepsOf(output) };
  }

  const up = (...args: string[]) => pulumi("up", "--yes", "--skip-preview", "--json", ...args);

  async function outputs(): Promise<Record<string, string>> {
    const shown = await pulumi("stack", "output", "--json");
    return JSON.parse(shown.output) as Record<string, string>;
  }

  async function instanceNow(id: string) {
    const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    return Reservations?.[0]?.Instances?.[0];
  }

  const mutating = () => proxy.calls.filter(({ action }) => !READS.test(action)).map(({ action }) => action);

  it("creates a network and a spot instance, with the outputs of the official provider", async () => {
    const outcome = expectOk(await up());
    assert.equal(outcome.steps["create"]?.length, 11, JSON.stringify(outcome.steps));
    const shown = await outputs();
    const instance = await instanceNow(shown["id"] ?? "");
    assert.equal(instance?.State?.Name, "running");
    assert.equal(shown["publicIp"], instance.PublicIpAddress);
    assert.equal(shown["nic"], instance.NetworkInterfaces?.[0]?.NetworkInterfaceId);
    assert.deepEqual([shown["state"], shown["lifecycle"], shown["zone"]], ["running", "spot", `${REGION}a`]);
    assert.match(shown["request"] ?? "", /^sir-/);
    assert.match(shown["arn"] ?? "", new RegExp(`^arn:aws:ec2:${REGION}:\\d{12}:instance/${shown["id"]}$`));
    assert.match(shown["mainTable"] ?? "", /^rtb-/);
    assert.match(shown["groupName"] ?? "", /^net-[0-9a-f]{7}$/);
    assert.match(shown["route"] ?? "", /^r-rtb-[0-9a-f]+1080289494$/);
    assert.equal(instance.MetadataOptions?.HttpTokens, "required");
    assert.deepEqual(instance.Tags?.map(({ Key }) => Key).sort(), ["Name", "spot-deployer:stack"]);
  });

  it("takes AWS's own rule out of a new group, so that only declared rules are there", async () => {
    const { group = "" } = await outputs();
    const { SecurityGroups } = await ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [group] }));
    const [found] = SecurityGroups ?? [];
    assert.deepEqual(
      found?.IpPermissions?.map(({ FromPort, IpRanges }) => [FromPort, IpRanges?.map(({ CidrIp }) => CidrIp)]),
      [[22, ["192.0.2.1/32"]]],
    );
    assert.equal(found.IpPermissionsEgress?.length, 1);
  });

  it("changes nothing when nothing changed, and asks AWS nothing but whose the credentials are", async () => {
    const outcome = expectOk(await up());
    assert.deepEqual(outcome.steps, {});
    assert.deepEqual(
      proxy.calls.map(({ action }) => action),
      ["GetCallerIdentity"],
    );
  });

  it("keeps a secret input secret in the state, also after a refresh", async () => {
    const inClear = Buffer.from(spec.userData).toString("base64");
    const state = () =>
      readFileSync(path.join(dir, "backend", ".pulumi", "stacks", "provider-test", "dev.json"), "utf8");
    expectOk(await pulumi("refresh", "--yes", "--skip-preview", "--json"));
    assert.match(state(), /userDataBase64/);
    assert.ok(!state().includes(inClear) && !state().includes(SECRET));
    assert.deepEqual(expectOk(await up()).steps, {});
  });

  it("changes tags in place, and nothing else", async () => {
    spec.tags = { Name: "renamed", "spot-deployer:lineage": "l" };
    const { id } = await outputs();
    const outcome = expectOk(await up());
    assert.deepEqual(Object.keys(outcome.steps), ["update"]);
    assert.deepEqual([...new Set(mutating())].sort(), ["CreateTags", "DeleteTags"]);
    assert.deepEqual((await instanceNow(id ?? ""))?.Tags?.sort(byKey), [
      { Key: "Name", Value: "renamed" },
      { Key: "spot-deployer:lineage", Value: "l" },
    ]);
    assert.deepEqual(expectOk(await up()).steps, {});
  });

  it("leaves the declared rules of a group alone while it changes the group", async () => {
    const { group = "" } = await outputs();
    const { SecurityGroups } = await ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [group] }));
    assert.equal(SecurityGroups?.[0]?.IpPermissionsEgress?.length, 1);
  });

  it("moves a rule to another address in place", async () => {
    spec.admit = "192.0.2.2/32";
    assert.deepEqual(expectOk(await up()).steps, { update: ["SecurityGroupIngressRule ssh"] });
    const { group = "" } = await outputs();
    const { SecurityGroups } = await ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [group] }));
    assert.deepEqual(
      SecurityGroups?.[0]?.IpPermissions?.flatMap(({ IpRanges }) => IpRanges?.map(({ CidrIp }) => CidrIp)),
      ["192.0.2.2/32"],
    );
  });

  it("replaces the instance when its user data change", async () => {
    const before = await outputs();
    spec.userData += "# changed\n";
    const outcome = expectOk(await up());
    assert.deepEqual(outcome.steps["create-replacement"], ["Instance node"]);
    assert.deepEqual(outcome.steps["delete-replaced"], ["Instance node"]);
    const after = await outputs();
    assert.notEqual(after["id"], before["id"]);
    assert.equal((await instanceNow(before["id"] ?? ""))?.State?.Name, "terminated");
    assert.ok(mutating().indexOf("CancelSpotInstanceRequests") >= 0);
  });

  it("sends AWS only what the official provider sends at launch", async () => {
    spec.userData += "# again\n";
    expectOk(await up());
    const launch = proxy.calls.find(({ action }) => action === "RunInstances")?.parameters ?? {};
    const tagged = Object.entries(launch)
      .filter(([key]) => /^TagSpecification\.\d+\.ResourceType$/.test(key))
      .map(([, value]) => value);
    assert.deepEqual(tagged, ["instance"], "the root volume is tagged when it is there");
    assert.deepEqual(
      Object.entries({
        "CreditSpecification.CpuCredits": "standard",
        DisableApiTermination: "false",
        EbsOptimized: "false",
        "HibernationOptions.Configured": "false",
        "Monitoring.Enabled": "false",
        "Placement.AvailabilityZone": "",
      }).filter(([key, value]) => launch[key] !== value),
      [],
      "also what says nothing",
    );
    const actions = proxy.calls.map(({ action }) => action);
    assert.ok(actions.indexOf("CreateTags") > actions.indexOf("RunInstances"), actions.join(" "));
  });

  it("asks three times for capacity with one token, says so in words that name the code, and records nothing", async () => {
    const { id } = await outputs();
    proxy.refuse = ({ action }) =>
      action === "RunInstances"
        ? { status: 500, code: "InsufficientInstanceCapacity", message: "no t3.micro in us-west-2a" }
        : undefined;
    spec.userData += "# no room\n";
    const outcome = await up();
    assert.notEqual(outcome.code, 0);
    assert.match(
      outcome.output,
      /creating EC2 Instance: operation error EC2: RunInstances, exceeded maximum number of attempts, 3, https response error StatusCode: 500, RequestID: \S*, api error InsufficientInstanceCapacity: no t3.micro in us-west-2a/,
    );
    const launches = proxy.calls.filter(({ action }) => action === "RunInstances");
    assert.equal(launches.length, 3);
    assert.equal(new Set(launches.map(({ parameters }) => parameters["ClientToken"])).size, 1);
    assert.equal((await outputs())["id"], id);
  });

  it("changes of an object that was made but not finished what a refresh shows to be missing, and nothing else", async () => {
    const failing = new Set(["AttachInternetGateway"]);
    const program = path.join(dir, "project", "index.js");
    writeFileSync(
      program,
      PROGRAM +
        `new ec2.InternetGateway("second", { region, vpcId: new ec2.Vpc("second", { region, cidrBlock: "10.8.0.0/16" }, options).id }, options);`,
    );
    try {
      proxy.refuse = ({ action }) =>
        failing.has(action) ? { status: 400, code: "Gateway.Busy", message: "later" } : undefined;
      const failed = await up("--target", "**second", "--continue-on-error");
      assert.notEqual(failed.code, 0);
      assert.match(failed.output, /attaching EC2 Internet Gateway \(igw-.*api error Gateway.Busy: later/);
      failing.clear();
      proxy.calls.length = 0;
      const taken = expectOk(await up("--target", "**second"));
      assert.deepEqual(taken.steps, { update: ["InternetGateway second"] });
      assert.deepEqual(mutating(), [], "the record has it as it was wanted");
      const healed = expectOk(await up("--target", "**second", "--refresh"));
      assert.deepEqual(healed.steps["update"], ["InternetGateway second"]);
      assert.deepEqual(mutating(), ["AttachInternetGateway"]);
    } finally {
      writeFileSync(program, PROGRAM);
    }
  });

  it("tries a throttled launch again with the same token, so that no second instance can come of it", async () => {
    let refusals = 2;
    proxy.refuse = ({ action }) =>
      action === "RunInstances" && refusals-- > 0
        ? { status: 503, code: "RequestLimitExceeded", message: "slow down" }
        : undefined;
    expectOk(await up());
    const launches = proxy.calls.filter(({ action }) => action === "RunInstances");
    assert.equal(launches.length, 3);
    assert.equal(new Set(launches.map(({ parameters }) => parameters["ClientToken"])).size, 1);
  });

  it("finds on refresh that an instance ended, and makes it anew", async () => {
    const { id = "" } = await outputs();
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await until(async () => (await instanceNow(id))?.State?.Name === "terminated");
    expectOk(await pulumi("refresh", "--yes", "--skip-preview", "--json"));
    assert.deepEqual(expectOk(await up()).steps, { create: ["Instance node"] });
    assert.notEqual((await outputs())["id"], id);
  });

  it("gives the root volume its speed at launch, and another one in place by one call", async () => {
    const program = path.join(dir, "project", "index.js");
    const withRoot = (more: string) =>
      writeFileSync(program, PROGRAM.replace("volumeSize: 20,", `volumeSize: 20, ${more}`));
    const speed = async (): Promise<(number | string | undefined)[]> => {
      const { id = "" } = await outputs();
      const { Volumes } = await ec2.send(
        new DescribeVolumesCommand({ Filters: [{ Name: "attachment.instance-id", Values: [id] }] }),
      );
      return [Volumes?.[0]?.VolumeType, Volumes?.[0]?.Iops, Volumes?.[0]?.Throughput];
    };
    try {
      assert.deepEqual(await speed(), ["gp3", 3000, 125]);
      withRoot("iops: 4000, throughput: 250,");
      assert.deepEqual(expectOk(await up()).steps, { update: ["Instance node"] });
      assert.deepEqual(mutating(), ["ModifyVolume"]);
      assert.deepEqual(await speed(), ["gp3", 4000, 250]);
      assert.deepEqual(expectOk(await up()).steps, {});
      withRoot("iops: 10001,");
      assert.match((await up()).output, /InvalidParameterValue: Iops to volume size ratio of 500.050000 is too high/);

      spec.userData += "# a new instance\n";
      withRoot("iops: 5000,");
      expectOk(await up());
      assert.deepEqual(await speed(), ["gp3", 5000, 125]);
      spec.userData += "# and another\n";
      writeFileSync(
        program,
        PROGRAM.replace('volumeType: "gp3", volumeSize: 20,', 'volumeType: "gp2", volumeSize: 20, iops: 3000,'),
      );
      assert.match((await up()).output, /iops attribute not supported for root_block_device with volume_type gp2/);
    } finally {
      writeFileSync(program, PROGRAM);
    }
    expectOk(await up());
  });

  it("refuses an input that it does not know, instead of ignoring it", async () => {
    const program = path.join(dir, "project", "index.js");
    writeFileSync(
      program,
      PROGRAM.replace("instanceType: spec.instanceType,", "instanceType: spec.instanceType, hibernation: true,"),
    );
    try {
      const outcome = await up();
      assert.notEqual(outcome.code, 0);
      assert.match(
        outcome.output,
        /hibernation.*the sandbox's provider does not know this input of aws:ec2\/instance:Instance/,
      );
    } finally {
      writeFileSync(program, PROGRAM);
    }
  });

  const REQUIRED: [resource: string, inputs: string, argument: string][] = [
    ["ec2.Subnet", 'cidrBlock: "10.7.2.0/24"', "vpc_id"],
    ["ec2.RouteTable", "tags", "vpc_id"],
    ["ec2.Route", 'destinationCidrBlock: "0.0.0.0/0", gatewayId: gateway.id', "route_table_id"],
    ["ec2.RouteTableAssociation", "subnetId: subnet.id", "route_table_id"],
    ["vpcApi.SecurityGroupIngressRule", 'ipProtocol: "-1", cidrIpv4: "10.0.0.0/8"', "security_group_id"],
    ["vpcApi.SecurityGroupEgressRule", 'securityGroupId: group.id, cidrIpv4: "10.0.0.0/8"', "ip_protocol"],
  ];
  for (const [resource, inputs, argument] of REQUIRED)
    it(`refuses a ${resource} without ${argument}`, async () => {
      const program = path.join(dir, "project", "index.js");
      // The SDK refuses an input that is left out, and sends one that turns out to be undefined.
      const lacking = argument.replace(/_./g, (letter) => letter.slice(1).toUpperCase());
      const given = `region, ${inputs}, ${lacking}: pulumi.output(undefined)`;
      writeFileSync(program, `${PROGRAM}new ${resource}("lacking", { ${given} }, options);\n`);
      try {
        const { code, output } = await up();
        assert.notEqual(code, 0);
        assert.match(output, new RegExp(`Missing required argument\\. The argument \\W+${argument}\\W+ is required`));
      } finally {
        writeFileSync(program, PROGRAM);
      }
    });

  it("deletes everything, also what has gone already", async () => {
    const { id = "", vpc = "" } = await outputs();
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    expectOk(await pulumi("destroy", "--yes", "--skip-preview", "--json"));
    await assert.rejects(ec2.send(new DescribeVpcsCommand({ VpcIds: [vpc] })), { name: "InvalidVpcID.NotFound" });
  });

  describe("outside the sandbox", () => {
    for (const [what, url, reason] of [
      ["no endpoint is set", undefined, /AWS_ENDPOINT_URL is not set/],
      ["the endpoint is AWS's", "https://ec2.us-west-2.amazonaws.com", /not a loopback address/],
      [
        "the endpoint is a name that looks like loopback",
        "http://127.0.0.1.example.com:5000",
        /not a loopback address/,
      ],
      ["nothing answers", "http://127.0.0.1:9", /no sandbox answers at/],
    ] as const) {
      it(`refuses to start when ${what}`, async () => {
        const child = start({ ...sandboxEnv, AWS_ENDPOINT_URL: url });
        assert.match(await outputOf(child), reason);
        assert.equal(child.exitCode, 1);
      });
    }

    it("refuses an emulator that is not the sandbox's gateway", async () => {
      const server = createServer((_request, response) => response.end("{}"));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      try {
        const { port } = server.address() as AddressInfo;
        const child = start({ ...sandboxEnv, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` });
        assert.match(await outputOf(child), /is not the sandbox's gateway/);
        assert.equal(child.exitCode, 1);
      } finally {
        server.close();
      }
    });

    it("says so to a person who runs Pulumi with it on PATH", async () => {
      const outcome = await pulumiWith({ ...sandboxEnv, AWS_ENDPOINT_URL: "" }, "up", "--yes", "--skip-preview");
      assert.notEqual(outcome.code, 0);
      assert.match(outcome.output, /stand-in for its sandbox only, and AWS_ENDPOINT_URL is not set/);
    });
  });

  describe("its process", () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      it(`ends at once on ${signal}, which is how the engine ends a plugin`, async () => {
        const child = start(sandboxEnv);
        await lines(child, 1);
        const { pid = 0 } = child;
        void outputOf(child);
        child.kill(signal);
        await until(() => !alive(pid));
      });
    }

    it("does not outlive the engine", async () => {
      // The shell stands for an engine that is killed: it starts the plugin and then waits for it.
      const engine = spawn("/bin/sh", ["-c", '"$0" & echo $!; wait', shim], {
        env: { PATH: process.env.PATH, ...sandboxEnv },
      });
      const [plugin = 0] = (await lines(engine, 2)).map(Number);
      engine.kill("SIGKILL");
      try {
        await until(() => !alive(plugin));
      } finally {
        if (alive(plugin)) process.kill(plugin, "SIGKILL");
      }
    });

    it("lets a launch that is on its way come to its end when the engine is killed, and then goes", async () => {
      let arrived = false;
      let letGo = () => {};
      const held = new Promise<undefined>((resolve) => (letGo = () => resolve(undefined)));
      proxy.refuse = ({ action }) => {
        if (action !== "RunInstances") return undefined;
        arrived = true;
        return held;
      };
      const run = up();
      let below: number[] = [];
      try {
        await until(() => arrived);
        const engine = started.at(-1)?.pid ?? 0;
        below = descendants(engine);
        const plugin =
          childrenOf(engine).find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("provider/main.js")) ??
          0;
        assert.ok(plugin > 0, "the engine runs the plugin");
        process.kill(engine, "SIGKILL");
        await run;
        await sleep(1_500);
        assert.ok(alive(plugin), "it waits for the answer");
        letGo();
        await until(() => !alive(plugin));
      } finally {
        letGo();
        // What runs the program is not the provider's to end.
        below.forEach(kill);
      }
      const { Reservations } = await ec2.send(
        new DescribeInstancesCommand({ Filters: [{ Name: "instance-state-name", Values: ["pending", "running"] }] }),
      );
      assert.equal(Reservations?.length, 1, "made, and to be found by its tags");
    });
  });

  function start(env: NodeJS.ProcessEnv): ChildProcess {
    const child = spawn(shim, [], { env: { PATH: process.env.PATH, ...env } });
    started.push(child);
    return child;
  }
});

/** A process that has ended but that nobody has collected yet is not alive. */
function alive(pid: number): boolean {
  return markOf(pid) !== undefined;
}

function childrenOf(pid: number): number[] {
  const tasks = readdirSync(`/proc/${pid}/task`).map((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8"),
  );
  return tasks.flatMap((list) => list.trim().split(/\s+/).filter(Boolean).map(Number));
}

function expectOk(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.output);
  return outcome;
}

function outputOf(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve(text));
  });
}

/** The first lines of standard output; the plugin's own first is its port, and then it serves. */
function lines(child: ChildProcess, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const whole = text.split("\n").slice(0, -1);
      if (whole.length >= count) resolve(whole);
    });
    child.on("close", () => reject(new Error(`it ended after ${JSON.stringify(text)}`)));
  });
}

/** The steps of a run from the engine's events, one JSON document per line. */
function stepsOf(output: string): Record<string, string[]> {
  const steps: Record<string, string[]> = {};
  for (const line of output.split("\n").filter((each) => each.startsWith("{"))) {
    let metadata: { op: string; urn: string; logical?: boolean } | undefined;
    try {
      metadata = (JSON.parse(line) as { resOutputsEvent?: { metadata: { op: string; urn: string } } }).resOutputsEvent
        ?.metadata;
    } catch {
      continue;
    }
    if (
      !metadata ||
      metadata.op === "same" ||
      metadata.op === "replace" ||
      metadata.urn.includes("pulumi:pulumi:Stack")
    )
      continue;
    const [, , type = "", name = ""] = metadata.urn.split("::");
    (steps[metadata.op] ??= []).push(`${type.split(":").pop()} ${name}`);
  }
  return steps;
}

function byKey(a: { Key?: string }, b: { Key?: string }): number {
  return (a.Key ?? "").localeCompare(b.Key ?? "");
}

async function until(condition: () => Promise<boolean> | boolean, milliseconds = 60_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `timeout: ${String(condition)}`);
    await sleep(50);
  }
}

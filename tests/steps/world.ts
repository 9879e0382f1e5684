import assert from "node:assert/strict";
import {
  AuthorizeSecurityGroupIngressCommand,
  DeleteRouteCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  EC2Client,
  ModifyInstanceMetadataOptionsCommand,
  RevokeSecurityGroupIngressCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import type { VerificationReport } from "../../automation/verify/report";
import type { CheckResult } from "../../automation/verify/result";
import { commandNamed } from "../../cli/runtime/command";
import { COMMANDS } from "../../cli/table";
import type { CommandStep } from "../../fleet/steps";
import { FleetBench } from "../support/fleet-bench";
import { clientOf } from "../support/sandbox";
import type { Outcome } from "../support/workbench";
import type { StepTrial } from "./trials";

const REGION = "us-west-2";
/** The node that is broken, and the one beside it where there are two. */
const [BROKEN, OTHER] = [`${REGION}-0`, `${REGION}-1`];

/** A fleet of booted hosts of which one is broken again and again, and mended by what the program says. */
export class World implements AsyncDisposable {
  private readonly bench = new FleetBench();
  private nodes = 1;
  /** How often the user's files and the configuration were corrected. */
  private corrections = 0;
  private packages = ["jq"];
  private client: EC2Client | undefined;

  async begin(nodes = this.nodes): Promise<void> {
    this.nodes = nodes;
    this.write();
    await this.up();
    this.client ??= new EC2Client(clientOf(await this.bench.sandbox(), REGION));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client?.destroy();
    await this.bench[Symbol.asyncDispose]();
  }

  /**
   * Breaks the node, sees the check fail, takes its step and sees the check pass.
   * @throws AssertionError that says which of these did not come true
   */
  async take({ check, name, breaks, byHand, nodes = 1 }: StepTrial): Promise<void> {
    if (nodes !== this.nodes) await this.begin(nodes);
    await breaks(this);
    const broken = await this.look(check);
    assert.ok(["failed", "warning", "info"].includes(broken.status), `${check} does not fail: ${told(broken)}`);
    const { step } = broken;
    assert.ok(step !== undefined && broken.next !== undefined, `${check} has a step, and words`);
    let command: CommandStep | undefined;
    if ("action" in step) {
      assert.equal(step.action, byHand?.action, `${name}: ${broken.next}`);
      await byHand?.does(this);
      command = step.then;
    } else {
      assert.equal(byHand, undefined, `${name}: nothing is to be done by hand, the step is ${step.command}`);
      command = step;
    }
    const outcome = command === undefined ? undefined : await this.run(command);
    const mended = await this.look(check);
    assert.equal(
      mended.status,
      "ok",
      `${told(mended)}\nafter ${JSON.stringify(step)}: ${outcome?.code}\n${said(outcome)}`,
    );
  }

  /** Runs a step as it stands: as the shell of who started the program would. */
  private run({ command, args }: CommandStep): Promise<Outcome> {
    const asks = commandNamed(command, COMMANDS)?.options.includes("yes");
    return this.bench.spot([command, ...args, ...(asks ? ["--yes"] : [])], { plain: true });
  }

  private async look(check: string): Promise<CheckResult> {
    // Beside another one, all are looked at: what is wrong may show by comparison only.
    const which = this.nodes === 1 ? ["--node", BROKEN] : [];
    const { stdout, stderr } = await this.bench.spot(["verify", "--json", "--only", check, ...which]);
    assert.ok(stdout.startsWith("{"), stdout + stderr);
    const { nodes } = JSON.parse(stdout) as VerificationReport;
    const looked = nodes.find(({ node }) => node === BROKEN);
    return looked?.results.find(({ id }) => id === check) ?? assert.fail(`${check} was not looked at: ${stdout}`);
  }

  private write(): void {
    this.bench.file(
      "systemd/mine.service",
      `# ${this.corrections}\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n`,
    );
    this.bench.fleet({ [REGION]: this.nodes }, [
      `packages: [${this.packages.join(", ")}]`,
      "checks:",
      "  - {name: nothing-wrong, command: 'test ! -e /tmp/wrong'}",
    ]);
  }

  private async up(): Promise<void> {
    const { code, stdout, stderr } = await this.bench.spot(["up", "--yes"]);
    assert.equal(code, 0, stdout + stderr);
  }

  correctPayload(): Promise<void> {
    this.corrections += 1;
    this.write();
    return Promise.resolve();
  }

  /** Asks for one package more or less, of which each is in the image: the node is another one afterwards. */
  correctConfiguration(): Promise<void> {
    this.packages = this.packages.length === 1 ? ["jq", "curl"] : ["jq"];
    this.write();
    return Promise.resolve();
  }

  /** Runs a script of the gallery in the broken node's host. */
  async inHost(script: string): Promise<string> {
    const ids = await this.bench.ids();
    const { callerAddress } = await this.bench.sandbox();
    return this.bench
      .host(ids[BROKEN] ?? assert.fail(`there is no ${BROKEN}`))
      .run(`ID=${ids[BROKEN]} OTHER=${ids[OTHER] ?? ""} CALLER=${callerAddress}\n${script}`);
  }

  private get ec2(): EC2Client {
    return this.client ?? assert.fail("the fleet is not up");
  }

  private async id(): Promise<string> {
    return (await this.bench.ids())[BROKEN] ?? assert.fail(`there is no ${BROKEN}`);
  }

  async endInstance(): Promise<void> {
    await this.ec2.send(new TerminateInstancesCommand({ InstanceIds: [await this.id()] }));
  }

  async notice(kind: "interruption" | "rebalance"): Promise<void> {
    await this.bench.control("POST", "notices", {
      instanceId: await this.id(),
      kind,
      ...(kind === "interruption" ? { seconds: 3_600 } : {}),
    });
  }

  async allowFirstMetadataVersion(): Promise<void> {
    await this.ec2.send(
      new ModifyInstanceMetadataOptionsCommand({ InstanceId: await this.id(), HttpTokens: "optional" }),
    );
  }

  private readonly ours = [{ Name: "tag:ManagedBy", Values: ["spot-deployer"] }];

  private async rule(cidr: string, port: number): Promise<object> {
    const { SecurityGroups } = await this.ec2.send(new DescribeSecurityGroupsCommand({ Filters: this.ours }));
    const IpPermissions = [{ IpProtocol: "tcp", FromPort: port, ToPort: port, IpRanges: [{ CidrIp: cidr }] }];
    return { GroupId: SecurityGroups?.[0]?.GroupId ?? assert.fail("no group"), IpPermissions };
  }

  async openPortToAll(): Promise<void> {
    await this.ec2.send(new AuthorizeSecurityGroupIngressCommand(await this.rule("0.0.0.0/0", 80)));
  }

  async closePortToAll(): Promise<void> {
    await this.ec2.send(new RevokeSecurityGroupIngressCommand(await this.rule("0.0.0.0/0", 80)));
  }

  async revokeOwnRule(): Promise<void> {
    const { callerAddress } = await this.bench.sandbox();
    await this.ec2.send(new RevokeSecurityGroupIngressCommand(await this.rule(`${callerAddress}/32`, 22)));
  }

  async deleteRoute(): Promise<void> {
    const { RouteTables } = await this.ec2.send(new DescribeRouteTablesCommand({ Filters: this.ours }));
    await this.ec2.send(
      new DeleteRouteCommand({ RouteTableId: RouteTables?.[0]?.RouteTableId, DestinationCidrBlock: "0.0.0.0/0" }),
    );
  }
}

const told = ({ id, status, actual, because, cause }: CheckResult): string =>
  `${id} ${status}: ${actual ?? because} (${cause ?? "no cause"})`;
const said = (outcome: Outcome | undefined): string => (outcome === undefined ? "" : outcome.stdout + outcome.stderr);

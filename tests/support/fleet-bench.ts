import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  AuthorizeSecurityGroupIngressCommand,
  DescribeInstancesCommand,
  EC2Client,
  RevokeSecurityGroupIngressCommand,
} from "@aws-sdk/client-ec2";
import { checks } from "../../fleet/checks";
import type { ErrorInfo } from "../../fleet/errors";
import type { FleetEvent } from "../../fleet/report/events";
import type { ListedNode } from "../../automation/operations/inspect/list";
import type { VerificationReport } from "../../automation/verify/report";
import type { NodeVerification, Verification } from "../../automation/verify/result";
import type { SandboxMode } from "../../sandbox/control";
import { homeFiles, type DaemonRecord, type SandboxRecord } from "../../sandbox/home/records";
import { readJson } from "../../system/json-file";
import { isRunning, type ProcessMark } from "../../system/process";
import { clientOf, until } from "./sandbox";
import { assertNothingLeft, foreignNamespaces } from "./host-leftovers";
import { InsideHost } from "./inside-host";
import { Workbench, type Outcome } from "./workbench";

/** The last line of `up --json`. */
export interface UpDocument {
  exitCode: number;
  changed: { name: string; kind: string; reason?: string }[];
  untouched: string[];
  failures: ErrorInfo[];
  nodes: ListedNode[];
  verified: boolean;
  verification?: Verification;
}

/** A workbench whose nodes are really booted hosts, with a folder of the user's own files as payload. */
export class FleetBench extends Workbench {
  /** The user's files/. */
  readonly files = path.join(this.dir, "files");
  private readonly before = new Set(foreignNamespaces().keys());

  constructor(mode: Exclude<SandboxMode, "api"> = "hosts") {
    super(mode);
    mkdirSync(this.files);
    this.file("hello.txt", "hello\n");
    this.fleet({ "us-west-2": 1, "us-east-1": 1, "eu-west-1": 1 });
  }

  /** Nodes by region, with the user's files. */
  fleet(counts: Record<string, number>, top: string[] = []): void {
    this.config(counts, { top, aws: [`files_directory: ${JSON.stringify(this.files)}`] });
  }

  /** Writes one of the user's files. */
  file(name: string, content: string | Buffer): void {
    const target = path.join(this.files, name);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, content);
  }

  /** Instance ids by node. */
  async ids(): Promise<Record<string, string>> {
    return Object.fromEntries((await this.nodes()).map(({ name, instanceId }) => [name, instanceId]));
  }

  /** `up --json`: its last document, and every event before it. */
  async up(...args: string[]): Promise<{ outcome: Outcome; document: UpDocument; events: FleetEvent[] }> {
    const outcome = await this.spot(["up", "--json", ...args]);
    const lines = outcome.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string });
    const document = lines.find(({ type }) => type === "result");
    assert.ok(document, `no result in ${outcome.stdout}${outcome.stderr}`);
    return {
      outcome,
      document: document as unknown as UpDocument,
      events: lines.filter(({ type }) => type !== "result") as FleetEvent[],
    };
  }

  /** `verify --json`, with its exit code. */
  async verify(...args: string[]): Promise<{ code: number | null; report: VerificationReport }> {
    const { code, stdout, stderr } = await this.spot(["verify", "--json", ...args]);
    assert.ok(stdout.startsWith("{"), stdout + stderr);
    return { code, report: JSON.parse(stdout) as VerificationReport };
  }

  /** Lets this machine and the other hosts in at a port of a node; answers how to shut them out again. */
  async openPort({ instanceId, region }: ListedNode, port: number): Promise<() => Promise<void>> {
    const sandbox = await this.sandbox();
    const client = new EC2Client(clientOf(sandbox, region));
    const { Reservations } = await client.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }));
    const GroupId =
      Reservations?.[0]?.Instances?.[0]?.NetworkInterfaces?.[0]?.Groups?.[0]?.GroupId ??
      assert.fail(`${instanceId} has no group`);
    const rule = {
      GroupId,
      IpPermissions: [{ IpProtocol: "tcp", FromPort: port, ToPort: port, IpRanges: [{ CidrIp: sandbox.network }] }],
    };
    await client.send(new AuthorizeSecurityGroupIngressCommand(rule));
    return async () => {
      await client.send(new RevokeSecurityGroupIngressCommand(rule)).finally(() => client.destroy());
    };
  }

  host(instanceId: string): InsideHost {
    return new InsideHost(this.home, instanceId);
  }

  /** Runs `down` and holds it to its promise: nothing of this sandbox is left on the machine. */
  async downLeavesNothing(): Promise<Outcome> {
    const { sandbox, daemon } = this.records();
    const { instances } = await this.live();
    const outcome = await this.spot(["down"]);
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
    await this.nothingLeft(
      sandbox,
      daemon,
      instances.map(({ InstanceId }) => InstanceId ?? ""),
    );
    return outcome;
  }

  private async nothingLeft({ id }: SandboxRecord, daemon: DaemonRecord, instanceIds: string[]): Promise<void> {
    await assertNothingLeft({ home: this.home, sandboxId: id }, instanceIds, this.before);
    const processes: ProcessMark[] = [daemon, daemon.moto];
    await until("the sandbox's own processes ended", () => processes.every((mark) => !isRunning(mark)));
  }

  private records(): { sandbox: SandboxRecord; daemon: DaemonRecord } {
    const files = homeFiles(this.home);
    const sandbox = readJson(files.sandbox) as SandboxRecord | undefined;
    const daemon = readJson(files.daemon) as DaemonRecord | undefined;
    assert.ok(sandbox && daemon, "the sandbox runs");
    return { sandbox, daemon };
  }
}

/** Ids of a node's checks with this status, in the list's order. */
export const idsWith = (status: string, { results }: NodeVerification): string[] =>
  results.filter((result) => result.status === status).map(({ id }) => id);

/** All that cannot be told when a check does not hold, as far as it was asked of this node. */
export function dependentsOf(id: string, { results }: NodeVerification): string[] {
  const lost = new Set([id]);
  for (let size = 0; size !== lost.size; ) {
    size = lost.size;
    for (const check of checks) if (check.needs.some((need) => lost.has(need))) lost.add(check.id);
  }
  lost.delete(id);
  return results.map((result) => result.id).filter((asked) => lost.has(asked));
}

/** That exactly this check fails, for a reason that says why, and exactly its dependents are skipped because of it. */
export function assertOnlyFails(node: NodeVerification, id: string, why: RegExp): void {
  assert.deepEqual(idsWith("failed", node), [id], node.node);
  const failed = node.results.find((result) => result.id === id);
  assert.match(failed?.actual ?? "", why);
  assert.ok(failed?.cause && failed.next && failed.expected, "a failure says what was expected, why, and what to do");
  assert.deepEqual(idsWith("skipped", node), dependentsOf(id, node), node.node);
  assert.deepEqual(
    [...new Set(node.results.flatMap(({ because }) => because ?? []))],
    dependentsOf(id, node).length > 0 ? [id] : [],
  );
  assert.equal(node.isVerified, false);
}

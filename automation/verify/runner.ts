import type { Check, ClientFacts, CloudFacts, NodeCheck, NodeExpectation, Verdict } from "../../fleet/checks";
import { wordsOf } from "../../fleet/errors";
import type { NodeRef } from "../../fleet/model";
import { systemClock, type Clock } from "../node/clock";
import { ConnectError } from "../node/connect";
import type { NodeConnection } from "../node/connection";
import type { CheckResult, CheckStatus, NodeVerification, Verification } from "./result";

/** A node to verify, and how to get at it. */
export interface VerifyTarget {
  ref: NodeRef & { instanceId: string };
  expectation: NodeExpectation;
  cloud: CloudFacts;
  /**
   * Opens the one connection that all checks of this node share; called at most once, and only when a check needs it.
   * `deadlineMs` is all the time there is.
   */
  connect(deadlineMs: number): Promise<NodeConnection>;
}

export interface VerifyOptions {
  /** In an order in which needs come first (`selectChecks`). */
  checks: readonly Check[];
  /** For one node, ms. Checks that are not done by then are skipped because of it. */
  deadlineMs?: number;
  /** Nodes at a time. */
  concurrency?: number;
  /** Texts that must not be seen in any result (tokens). */
  secrets?: readonly string[];
  /** Told of every result as it comes. */
  onResult?: (node: NodeRef, result: CheckResult) => void;
  /**
   * When given, checks run one at a time in the list's order, and it is asked after each whether to go on: "until first
   * failure" and "one at a time" are such questions.
   */
  goOn?: (node: NodeRef, result: CheckResult) => boolean | Promise<boolean>;
  clock?: Clock;
}

const NODES_AT_A_TIME = 24;
/** Below sshd's MaxSessions (10 per connection). */
const CHANNELS_AT_A_TIME = 6;
const NODE_DEADLINE_MS = 300_000;
const CONNECT_MS = 20_000;
const RETRY_MS = 1_000;

/** Runs the check list on every node. Never throws for what a node does or fails to do: that is a result. */
export async function verify(targets: readonly VerifyTarget[], options: VerifyOptions): Promise<Verification> {
  const { default: pMap } = await import("p-map");
  const nodes = await pMap(targets, (target) => new NodeRun(target, options).run(), {
    concurrency: options.goOn ? 1 : (options.concurrency ?? NODES_AT_A_TIME),
  });
  return { nodes, isVerified: nodes.length > 0 && nodes.every(({ isVerified }) => isVerified) };
}

/** The connection, or why there is none. */
type Reach = { connection: NodeConnection; facts: ClientFacts } | { connection?: undefined; facts: ClientFacts; failure: string };

class NodeRun {
  private readonly clock: Clock;
  private readonly end: number;
  private readonly results = new Map<string, CheckResult>();
  private reaching: Promise<Reach> | undefined;
  /** Id of the check during which the connection was lost. */
  private lostIn: string | undefined;

  constructor(
    private readonly target: VerifyTarget,
    private readonly options: VerifyOptions,
  ) {
    this.clock = options.clock ?? systemClock;
    this.end = this.clock.now() + (options.deadlineMs ?? NODE_DEADLINE_MS);
  }

  async run(): Promise<NodeVerification> {
    const { default: pMap } = await import("p-map");
    const { target, options } = this;
    const start = this.clock.now();
    const chosen = options.checks.filter(({ applies }) => applies?.(target.expectation) ?? true);
    let stopped: string | undefined;
    try {
      for (const wave of options.goOn ? chosen.map((check) => [check]) : wavesOf(chosen)) {
        await pMap(wave, async (check) => this.keep(check, stopped ? skipped(check, stopped) : await this.settle(check)), {
          concurrency: CHANNELS_AT_A_TIME,
        });
        const last = wave[0] && this.results.get(wave[0].id);
        if (stopped === undefined && last && options.goOn && !(await options.goOn(target.ref, last))) stopped = `the run was stopped after ${last.id}`;
      }
    } finally {
      await (await this.reaching)?.connection?.close();
    }
    const results = chosen.flatMap(({ id }) => this.results.get(id) ?? []);
    return {
      node: target.ref.name,
      region: target.ref.region,
      instanceId: target.ref.instanceId,
      ...(target.ref.address === undefined ? {} : { address: target.ref.address }),
      results,
      isVerified: results.length > 0 && results.every(({ status }) => status !== "failed" && status !== "skipped"),
      milliseconds: this.clock.now() - start,
    };
  }

  private keep(check: Check, result: CheckResult): void {
    const shown = masked(result, this.options.secrets ?? []);
    this.results.set(check.id, shown);
    this.options.onResult?.(this.target.ref, shown);
  }

  private async settle(check: Check): Promise<CheckResult> {
    const obstacle = check.needs.find((id) => ["failed", "skipped"].includes(this.results.get(id)?.status ?? "ok"));
    if (obstacle !== undefined) return skipped(check, this.rootOf(obstacle));
    if (this.clock.now() >= this.end) return skipped(check, "the time for this node is over");

    const { cloud, expectation } = this.target;
    const start = this.clock.now();
    if (check.where === "cloud") return this.judged(check, check.judge(cloud, expectation), start);
    this.reaching ??= this.reach();
    const reach = await this.reaching;
    if (check.where === "client") return this.judged(check, check.judge(reach.facts, expectation), start);
    if (reach.connection === undefined) return this.judged(check, { ok: false, expected: "a login", actual: reach.failure }, start);
    return await this.onNode(check, reach.connection, start);
  }

  private async onNode(check: NodeCheck, connection: NodeConnection, start: number): Promise<CheckResult> {
    const { expectation } = this.target;
    const command = check.command(expectation);
    const patience = Math.min(start + (check.patienceMs ?? 0), this.end);
    for (;;) {
      if (!connection.isOpen) return skipped(check, `the connection was lost${this.lostIn ? ` during ${this.lostIn}` : ""}`, command);
      const asked = this.clock.now();
      const deadlineMs = Math.max(1, Math.min(check.deadlineMs, this.end - asked));
      let verdict: Verdict;
      try {
        const output = await connection.run(command, { deadlineMs });
        verdict = check.judge({ ...output, at: (asked + this.clock.now()) / 2 }, expectation);
      } catch (error) {
        if (!connection.isOpen) this.lostIn ??= check.id;
        verdict = { ok: false, expected: "an answer", actual: wordsOf(error) };
      }
      if (verdict.ok || !verdict.pending || this.clock.now() + RETRY_MS > patience) return this.judged(check, verdict, start, command);
      await this.clock.sleep(RETRY_MS);
    }
  }

  private async reach(): Promise<Reach> {
    const address = this.target.ref.address ?? "no address";
    try {
      const connection = await this.target.connect(Math.max(1, Math.min(CONNECT_MS, this.end - this.clock.now())));
      return { connection, facts: { address } };
    } catch (error) {
      const stage = error instanceof ConnectError ? error.stage : "banner";
      const cause = error instanceof Error && error.cause !== undefined ? ` ${wordsOf(error.cause)}` : "";
      const failure = `${wordsOf(error)}${cause}`;
      return {
        failure,
        facts: {
          address,
          ...(stage === "banner" ? { bannerFailure: failure } : {}),
          ...(stage === "host-key" ? { hostKeyFailure: failure } : {}),
        },
      };
    }
  }

  private judged(check: Check, { ok, expected, actual }: Verdict, start: number, command?: string): CheckResult {
    const status: CheckStatus = ok ? "ok" : ({ fail: "failed", warn: "warning", info: "info" } as const)[check.severity];
    return {
      ...headOf(check),
      status,
      ...(command === undefined ? {} : { command }),
      expected,
      actual,
      ...(ok ? {} : { cause: check.cause, next: check.next }),
      milliseconds: this.clock.now() - start,
    };
  }

  /** The check that really failed, behind a row of skipped ones: that is the one worth naming. */
  private rootOf(id: string): string {
    const result = this.results.get(id);
    return result?.status === "skipped" && result.because !== undefined ? result.because : id;
  }
}

/** Checks by depth: those that need nothing, then those that need only these, … All of a wave can run at once. */
export function wavesOf(checks: readonly Check[]): Check[][] {
  const depth = new Map<string, number>();
  const waves: Check[][] = [];
  for (const check of checks) {
    // What was not chosen or does not apply is no obstacle.
    const own = Math.max(0, ...check.needs.map((id) => (depth.get(id) ?? -1) + 1));
    depth.set(check.id, own);
    (waves[own] ??= []).push(check);
  }
  return waves.filter((wave) => wave !== undefined);
}

const headOf = ({ id, title, phase }: Check): Pick<CheckResult, "id" | "title" | "phase"> => ({ id, title, phase });

function skipped(check: Check, because: string, command?: string): CheckResult {
  return { ...headOf(check), status: "skipped", because, ...(command === undefined ? {} : { command }), milliseconds: 0 };
}

/** The result with every secret replaced, wherever it stands. */
function masked(result: CheckResult, secrets: readonly string[]): CheckResult {
  const hide = (text: string): string => secrets.reduce((shown, secret) => (secret === "" ? shown : shown.replaceAll(secret, "***")), text);
  return Object.fromEntries(Object.entries(result).map(([key, value]: [string, unknown]) => [key, typeof value === "string" ? hide(value) : value])) as unknown as CheckResult;
}

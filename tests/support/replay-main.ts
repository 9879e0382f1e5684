/**
 * A run of many nodes without nodes: the real view, log and signals, fed with the events of a fleet that comes up.
 * `node replay-main.js COUNT STEP_MS HOLDS`. It goes on with the next step when STEP_MS have passed and the step's file
 * in the folder HOLDS is gone, and ends with the last. A step is named by its phase or check.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { awsRegionNames } from "../../fleet/aws/regions";
import type { FleetEvent, NodePhase } from "../../fleet/report/events";
import { watchSignals } from "../../automation/session/interrupts";
import { liveReporter } from "../../cli/output/live/live";
import { advance, emptyProgress } from "../../cli/output/progress";

const REGIONS = awsRegionNames.slice(0, 6);
const [count, stepMs] = process.argv.slice(2, 4).map(Number) as [number, number];
const holds = process.argv[4]!;

const nodes = Array.from({ length: count }, (_, i) => {
  const region = REGIONS[i % REGIONS.length]!;
  return {
    name: `${region}-${Math.floor(i / REGIONS.length)}`,
    region,
    instanceId: `i-${String(i).padStart(17, "0")}`,
    address: `198.18.${Math.floor(i / 250)}.${i % 250}`,
  };
});

interface Step {
  name?: string;
  events: FleetEvent[];
}

function* steps(): Generator<Step> {
  yield { events: [{ type: "expected", nodes: nodes.map(({ name, region }) => ({ name, region })) }] };
  const told: [NodePhase, string][] = [
    ["created", "Created"],
    ["uploaded", "Uploaded"],
    ["deploying", "Deployment started"],
    ["rebooted", "Rebooted"],
    ["verified", "Verified"],
  ];
  for (const [phase, message] of told) {
    yield {
      events: nodes.map(
        (node): FleetEvent => ({
          type: "waiting",
          node,
          reason: `what comes before ${phase}: a reason that is longer than a narrow terminal has room for`,
        }),
      ),
    };
    yield {
      name: phase,
      events: nodes.map((node): FleetEvent => ({ type: "node", level: "success", node, phase, message })),
    };
    if (phase === "rebooted") yield* checks();
    if (phase === "uploaded")
      yield { events: [{ type: "message", level: "warning", message: "a warning that stays" }] };
  }
}

/** Each node's checks: two of one phase, one of another, which is under way for a step. */
function* checks(): Generator<Step> {
  const told = [
    ["A1", "cloud", 1, 1],
    ["D1", "files", 1, 2],
    ["D2", "files", 2, 2],
  ] as const;
  for (const [n, [id, phase, done, total]] of told.entries()) {
    yield {
      name: id,
      events: nodes.map(
        (node): FleetEvent => ({
          type: "check",
          node,
          id,
          title: "holds",
          phase,
          status: "ok",
          done: n + 1,
          total: told.length,
          inPhase: { done, total },
        }),
      ),
    };
  }
}

async function main(): Promise<void> {
  const progress = emptyProgress(Date.now());
  const view = liveReporter(process, progress, { title: "up", yes: false, verbose: false });
  const emit = (event: FleetEvent): void => {
    advance(progress, event, Date.now());
    view.emit(event);
  };
  const interrupts = watchSignals((stage) =>
    emit({ type: "message", level: "warning", message: `interrupted ${stage}` }),
  );
  const isInterrupted = (): boolean => interrupts.soft.aborted;
  for (const { name, events } of steps()) {
    if (isInterrupted()) break;
    events.forEach(emit);
    do await sleep(stepMs, undefined, { signal: interrupts.soft }).catch(() => undefined);
    while (name !== undefined && existsSync(path.join(holds, name)) && !isInterrupted());
  }
  process.stdout.write("RESULT\n");
  view.end();
  interrupts.release();
  process.exitCode = isInterrupted() ? 130 : 0;
}

void main();

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { EC2Client, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import { CleanUp } from "../support/clean-up";
import { detour, startRelay, type Relay } from "../support/detour";
import { FleetBench, type UpDocument } from "../support/fleet-bench";
import { clientOf, until } from "../support/sandbox";
import type { Outcome, Running } from "../support/workbench";
import type { HostScenario, Moment, Trouble } from "./host-scenarios";
import { human, tail } from "./matrix";

/** Enough that an upload can be cut in its middle. */
const UPLOAD_BYTES = 16_000_000;
const CUT_AFTER_BYTES = 4_000_000;

/** Connections that are met by trouble before the way is free again. */
const TROUBLED_LOGINS = 2;

/** A port of the loopback at which nobody listens. */
const NOBODYS_PORT = 1;

const PATIENCE_MS = 60_000;

/** One `up` under way, as far as trouble is concerned. */
interface Stage {
  bench: FleetBench;
  run: Running;
  instanceId: string;
  relay: Relay;
}

/** Runs one scenario on a booted host. Answers with what was not as expected; empty: all was. */
export async function runHostScenario(scenario: HostScenario): Promise<string[]> {
  const bench = new FleetBench();
  const cleanUp = new CleanUp();
  cleanUp.use(bench);
  const problems: string[] = [];
  try {
    bench.fleet({ "us-west-2": 1 });
    bench.file("large.bin", randomBytes(UPLOAD_BYTES));
    await bench.begin();
    const { outcome, instanceId } = await upWithTrouble(bench, scenario.trouble, cleanUp);
    problems.push(...compare(outcome, scenario));
    const next = await bench.up();
    if (next.outcome.code !== 0 || !next.document.verified)
      problems.push(`again: exit code ${next.outcome.code}: ${tail(human(next.outcome))}`);
    problems.push(...(await theOneNode(bench, instanceId, scenario.then)));
    await bench.downLeavesNothing();
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    await cleanUp.run();
  }
  return problems;
}

async function upWithTrouble(
  bench: FleetBench,
  trouble: Trouble,
  cleanUp: CleanUp,
): Promise<{ outcome: Outcome; instanceId: string }> {
  const { network } = await bench.sandbox();
  let address = "";
  const ways = new CleanUp();
  cleanUp.defer(() => ways.run());
  const relay = ways.use(await startRelay(network, () => address));
  if (trouble.at === "uploading")
    Object.assign(relay, { limit: CUT_AFTER_BYTES, fault: trouble.the === "connection is reset" ? "reset" : "freeze" });
  if (trouble.at === "first login")
    Object.assign(relay, { limit: 0, fault: trouble.the === "connection is reset" ? "reset" : "freeze" });
  // Laid later, it goes before the relay's.
  if (trouble.the === "port refuses") ways.use(await detour(network, NOBODYS_PORT));

  const run = bench.start(["up", "--json"]);
  await run.printed(/"phase":"created"/);
  const [instance] = (await bench.live()).instances;
  if (instance?.InstanceId === undefined || instance.PublicIpAddress === undefined) throw new Error("no instance");
  address = instance.PublicIpAddress;
  const stage: Stage = { bench, run, instanceId: instance.InstanceId, relay };
  if (trouble.at === "first login") await untilFirstLogins(stage, trouble.the);
  else {
    await moments[trouble.at](stage);
    await deeds[trouble.the](stage);
  }
  // What struck in mid-upload stays as it is until the run has ended.
  if (trouble.at === "first login") await ways.run();
  const outcome = await run.done;
  await ways.run();
  return { outcome, instanceId: stage.instanceId };
}

/** Trouble is over when it was met, and the host has long been ready. */
async function untilFirstLogins({ bench, instanceId, relay }: Stage, the: Trouble["the"]): Promise<void> {
  const booted = bench.host(instanceId).written(`var/lib/cloud/instances/${instanceId}/boot-finished`);
  await until("the host has booted", () => existsSync(booted), PATIENCE_MS);
  if (the !== "port refuses") await until("logins met the trouble", () => relay.faults >= TROUBLED_LOGINS, PATIENCE_MS);
}

const moments: Record<Moment, (stage: Stage) => Promise<unknown>> = {
  booting: () => Promise.resolve(),
  uploading: ({ relay }) => until("the upload is cut", () => relay.faults > 0, PATIENCE_MS),
  deploying: ({ bench, instanceId }) =>
    until(
      "the deployment began",
      () => existsSync(bench.host(instanceId).written("var/lib/spot-deployer/steps")),
      PATIENCE_MS,
    ),
  rebooted: ({ run }) => run.printed(/"phase":"rebooted"/),
};

const nothing = (): Promise<void> => Promise.resolve();

/** What the relay does by itself needs no deed. */
const deeds: Record<Trouble["the"], (stage: Stage) => Promise<unknown>> = {
  "host dies": async ({ bench, instanceId }) => {
    const host = bench.host(instanceId);
    // An instance is there a moment before its host is.
    await until("the host is run", () => host.isRun, PATIENCE_MS);
    process.kill(host.supervisor, "SIGKILL");
  },
  "instance is ended by hand": async ({ bench, instanceId }) => {
    const client = new EC2Client(clientOf(await bench.sandbox()));
    await client.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] }));
    client.destroy();
  },
  "instance is interrupted": ({ bench, instanceId }) =>
    bench.control("POST", "notices", { instanceId, kind: "interruption", seconds: 1 }),
  "port refuses": nothing,
  "connection is reset": nothing,
  "connection falls silent": nothing,
};

function compare(outcome: Outcome, { expect }: HostScenario): string[] {
  const problems: string[] = [];
  const result = outcome.stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as UpDocument & { type: string })
    .find(({ type }) => type === "result");
  const failed =
    result?.verification?.nodes.flatMap(({ results }) => results.filter(({ status }) => status === "failed")) ?? [];
  const told = [
    human(outcome),
    ...failed.map(({ id, actual, cause, next }) => `${id}: ${actual}; ${cause}; ${next}`),
  ].join("\n");
  if (outcome.code !== expect.exit) problems.push(`exit code ${outcome.code}, expected ${expect.exit}: ${tail(told)}`);
  const classes = [...new Set(result?.failures.map((failure) => failure.class))].sort();
  if (classes.join() !== expect.classes.join())
    problems.push(`classes ${classes.join(", ") || "none"}, expected ${expect.classes.join(", ") || "none"}`);
  if (expect.says && !expect.says.test(told)) problems.push(`does not say ${expect.says}: ${tail(told)}`);
  return problems;
}

/** What is recorded is what lives, by a look of our own: one instance, the same as before or not. */
async function theOneNode(bench: FleetBench, before: string, then: HostScenario["then"]): Promise<string[]> {
  const recorded = Object.values(await bench.ids());
  const live = (await bench.live()).instances.map(({ InstanceId }) => InstanceId);
  if (recorded.length !== 1 || recorded.join() !== live.join())
    return [`recorded ${recorded.join(", ") || "nothing"}, alive ${live.join(", ") || "nothing"}`];
  return (recorded[0] === before) === (then === "the same") ? [] : [`the node is ${recorded[0]}, and was ${before}`];
}

import { CreateTagsCommand, DeleteTagsCommand, EC2Client, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import type { FaultRule } from "../../sandbox/gateway/faults";
import { usableRegions } from "../../sandbox/gateway/model/regions";
import { clientOf, until } from "../support/sandbox";
import { launchStranger } from "../support/stranger";
import { REGIONS, Workbench, type Outcome } from "../support/workbench";
import { DONE, type Deed, type Expectation, type Scenario } from "./scenarios";

/** A stranger's instance: it keeps the sandbox alive after `down`, and must outlive every scenario. */
const STRANGERS_REGION = "us-east-2";

type Struck = FaultRule & { hit: number };
type Calls = Record<string, Record<string, number>>;

/** Runs one scenario on the real executable and engine. Answers with what was not as expected; empty: all was. */
export async function runScenario(scenario: Scenario): Promise<string[]> {
  const bench = new Workbench();
  const problems: string[] = [];
  try {
    await prepare(bench, scenario);
    const command = scenario.command ?? ["up"];
    const first = await bench.spot(command[0] === "up" ? [...command, "--json"] : command);
    const launches = launchesIn(await bench.control<Calls>("GET", "calls"));
    const unmet = (await bench.control<Struck[]>("GET", "faults")).filter(({ hit, times }) => hit !== times);
    const told = command[0] === "up" ? human(first) : first.stdout + first.stderr;
    await calm(bench);
    const regions = regionsOf(scenario);
    problems.push(...(await compare({ bench, regions, outcome: first, told, expect: scenario.expect })));
    if (scenario.expect.launches !== undefined && launches !== scenario.expect.launches)
      problems.push(`${launches} launches, expected ${scenario.expect.launches}`);

    if (scenario.expect.struck)
      problems.push(
        ...unmet.map(
          ({ action, region, hit, times }) =>
            `${action} in ${region ?? "every region"} was met ${hit} times, expected ${times}`,
        ),
      );

    const again = scenario.again ?? wholeFleet(scenario);
    if (again) {
      const second = await bench.spot(scenario.again && command[0] !== "up" ? command : ["up"]);
      problems.push(
        ...(await compare({ bench, regions, outcome: second, told: second.stdout + second.stderr, expect: again })).map(
          (problem) => `again: ${problem}`,
        ),
      );
    }
    problems.push(...(await nothingLeft(bench, regions)));
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    await bench[Symbol.asyncDispose]();
  }
  return problems;
}

/** Wherever the fleet may have something. */
function regionsOf({ counts = {} }: Scenario): string[] {
  return [...new Set([...REGIONS, ...Object.keys(counts)])].filter((region) => usableRegions().includes(region));
}

/** Everything is well by default after another `up`. */
function wholeFleet({ expect, counts = { a: 1, b: 1, c: 1 }, command = ["up"] }: Scenario): Expectation | undefined {
  const nodes = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return command[0] !== "up" || (expect.nodes === nodes && command.length === 1) ? undefined : { exit: 9, nodes };
}

async function prepare(
  bench: Workbench,
  { counts, config, standing, deed, faults, quotas, timings, limits }: Scenario,
): Promise<void> {
  bench.config(standing?.counts ?? { "us-west-2": 1 });
  if (standing) {
    const { code, stderr } = await bench.spot(["up"]);
    if (code !== DONE) throw new Error(`the fleet could not be prepared (${code}): ${stderr}`);
  } else {
    await bench.begin();
  }
  bench.config(counts, config);
  await launchStranger(await bench.sandbox(), STRANGERS_REGION);
  if (deed) await deeds[deed](bench);
  for (const quota of quotas ?? []) await bench.control("PUT", "quotas", quota);
  if (timings) await bench.control("PUT", "timings", timings);
  if (limits) await bench.control("PUT", "limits", { enabled: true });
  if (faults) await bench.control("POST", "faults", faults);
  await bench.control("DELETE", "calls");
}

const deeds: Record<Deed, (bench: Workbench) => Promise<void>> = {
  "terminate one": async (bench) => {
    const [node] = await bench.nodes();
    const client = new EC2Client(clientOf(await bench.sandbox(), node!.region));
    await client.send(new TerminateInstancesCommand({ InstanceIds: [node!.instanceId] }));
    client.destroy();
    await until("the instance ended", async () =>
      (await bench.live()).instances.every(({ InstanceId }) => InstanceId !== node!.instanceId),
    );
  },
  "untag one": async (bench) => {
    const [node] = await bench.nodes();
    const client = new EC2Client(clientOf(await bench.sandbox(), node!.region));
    const tags = (await bench.live()).instances.find(({ InstanceId }) => InstanceId === node!.instanceId)?.Tags ?? [];
    await client.send(new DeleteTagsCommand({ Resources: [node!.instanceId], Tags: tags }));
    await client.send(
      new CreateTagsCommand({ Resources: [node!.instanceId], Tags: [{ Key: "Name", Value: "renamed" }] }),
    );
    client.destroy();
  },
};

/** The faults are over: AWS is as it always was. */
async function calm(bench: Workbench): Promise<void> {
  await bench.control("DELETE", "faults");
  for (const code of ["L-34B43A08", "L-1216C47A"]) {
    for (const region of [undefined, "us-east-1", "us-west-2"])
      await bench.control("PUT", "quotas", { code, value: 256, region });
  }
  await bench.control("PUT", "timings", { newIdUnknownMs: 0, natDeletingMs: 0 });
  await bench.control("PUT", "limits", { enabled: false });
}

interface Result {
  type: string;
  failures: { class: string }[];
}

interface Seen {
  bench: Workbench;
  /** Where the independent count looks. */
  regions: readonly string[];
  outcome: Outcome;
  told: string;
  expect: Expectation;
}

async function compare({ bench, regions, outcome, told, expect }: Seen): Promise<string[]> {
  const problems: string[] = [];
  if (outcome.code !== expect.exit) problems.push(`exit code ${outcome.code}, expected ${expect.exit}: ${tail(told)}`);
  const nodes = (await bench.nodes()).filter(({ state }) => state === "running" || state === "pending");
  if (nodes.length !== expect.nodes) problems.push(`${nodes.length} nodes, expected ${expect.nodes}: ${tail(told)}`);
  const recorded = nodes.map(({ instanceId }) => instanceId).sort();
  const live = (await bench.live(regions)).instances.map(({ InstanceId }) => InstanceId).sort();
  if (recorded.join() !== live.join())
    problems.push(`recorded ${recorded.join(", ") || "nothing"}, alive ${live.join(", ") || "nothing"}`);
  if (expect.says && !expect.says.test(told)) problems.push(`does not say ${expect.says}: ${tail(told)}`);
  const zones = nodes.map(({ availabilityZone }) => availabilityZone).filter((zone) => expect.avoids?.includes(zone));
  if (zones.length > 0) problems.push(`nodes in ${zones.join(", ")}`);
  if (expect.classes) {
    const result = outcome.stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Result)
      .find(({ type }) => type === "result");
    const classes = [...new Set(result?.failures.map((failure) => failure.class))].sort();
    if (classes.join() !== expect.classes.join())
      problems.push(`classes ${classes.join(", ") || "none"}, expected ${expect.classes.join(", ")}`);
  }
  return problems;
}

/** What a person would have read of a run that spoke JSON: every message with its advice. */
export function human({ stdout, stderr }: Outcome): string {
  const lines = stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const texts = lines.map((line) => {
    const error = line.error as { message?: string; next?: string; cause?: string } | undefined;
    if (line.type === "result")
      return `${JSON.stringify(line.failures)} ${JSON.stringify(line.attempts)} Rolled back: ${((line.rolledBack as string[] | undefined) ?? []).join(", ")} ${JSON.stringify(line.nodes)}`;
    const { level = "", subject = "", message = "" } = line as { level?: string; subject?: string; message?: string };
    return `${subject}] ${level.toUpperCase()}: ${message} ${error?.message ?? ""} ${error?.cause ?? ""} ${error?.next ?? ""}`;
  });
  return `${texts.join("\n")}\n${stderr}`;
}

export const tail = (text: string): string => text.trim().split("\n").slice(-6).join(" | ").slice(-900);

function launchesIn(calls: Calls): number {
  return Object.entries(calls).reduce(
    (sum, [region, actions]) => sum + (region === STRANGERS_REGION ? 0 : (actions["RunInstances"] ?? 0)),
    0,
  );
}

/** Brought down, and then counted by somebody who knows nothing of our records. */
async function nothingLeft(bench: Workbench, regions: readonly string[]): Promise<string[]> {
  const down = await bench.spot(["down"]);
  const problems = down.code === 0 ? [] : [`down: exit code ${down.code}: ${tail(down.stdout + down.stderr)}`];
  const { instances, vpcs } = await bench.live(regions);
  if (instances.length > 0) problems.push(`orphans: ${instances.map(({ InstanceId }) => InstanceId).join(", ")}`);
  if (vpcs.length > 0) problems.push(`left: ${vpcs.join(", ")}`);
  const strangers = (await bench.control<{ region: string; state: string }[]>("GET", "instances")).filter(
    ({ region, state }) => region === STRANGERS_REGION && state !== "terminated",
  );
  if (strangers.length !== 1) problems.push("the stranger's instance was touched");
  return problems;
}

/** The actions that a command asks of AWS where nothing goes wrong, for one node in one region. */
export async function actionsOf<Command extends string>(
  commands: readonly Command[],
): Promise<Record<Command, string[]>> {
  await using bench = new Workbench();
  bench.config({ [REGIONS[0]!]: 1 });
  await bench.begin();
  await launchStranger(await bench.sandbox(), STRANGERS_REGION);
  const called = {} as Record<Command, string[]>;
  for (const command of commands) {
    await bench.control("DELETE", "calls");
    await bench.spot([command]);
    called[command] = [
      ...new Set(Object.values(await bench.control<Calls>("GET", "calls")).flatMap((actions) => Object.keys(actions))),
    ].sort();
  }
  return called;
}

/** Some of the scenarios, the same for the same seed. */
export function sample<T>(all: readonly T[], size: number, seed: number): T[] {
  let state = seed >>> 0;
  const keyed = all.map((entry) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return { entry, key: state };
  });
  return keyed
    .sort((a, b) => a.key - b.key)
    .slice(0, size)
    .map(({ entry }) => entry);
}

import { rmSync } from "node:fs";
import { oneOf } from "../support/random";
import { seededTrials, Trial, type TrialOptions, type TrialTotals } from "../support/seeded-trials";
import type { Outcome } from "../support/workbench";
import { HAZARDS, SELDOM } from "./hazards";
import { ACCOUNTS, isOf, REGION, World, type Held, type Thing } from "./world";

const COMMANDS = ["up", "down", "recover", "repair", "list", "cleanup-vpcs"] as const;
type Command = (typeof COMMANDS)[number];
/** One of these happens. */
const LOTS = Object.keys(HAZARDS).flatMap((name) => Array.from({ length: SELDOM[name] ?? 1 }, () => name));
const OTHER_ACCOUNT = "credentials of the other account";
/** Commands of a run, at least. */
const STEPS = 6;

/** What the files and the accounts say of a stack before a command. */
interface Before {
  held: Held;
  things: readonly Thing[];
  stack: string;
  /** Whose credentials the command has, and in which account the stack's fleet is, as far as anything here tells. */
  account: string;
  home: string | undefined;
}

/**
 * Random sequences of commands over two stacks and two accounts, with random hazards between them. After each command
 * an independent count: nothing of another owner changed, no living instance forgotten, every "gone" true, exit code right.
 */
export function ownerTrials(options: TrialOptions): Promise<TrialTotals> {
  return seededTrials(options, [...Object.keys(HAZARDS), OTHER_ACCOUNT], (...args) => new OwnerTrial(...args));
}

class OwnerTrial extends Trial {
  private readonly world = new World(this.bench);
  private readonly stacks: [string, string] = [`${this.bench.stack}-a`, `${this.bench.stack}-b`];
  private readonly homes = new Map<string, string>();

  async go(): Promise<void> {
    this.bench.config({ [REGION]: 1 });
    await this.bench.begin();
    await this.world.plantForeign();
    await this.step("up", this.stacks[0], ACCOUNTS[0]);
    if (this.random() < 0.5) await this.step("up", this.stacks[1], oneOf(ACCOUNTS, this.random));
    for (let step = 0; step < STEPS; step++) {
      const stack = oneOf(this.stacks, this.random);
      if (this.random() < 0.7) await this.happens(stack);
      await this.step(oneOf(COMMANDS, this.random), stack, this.credentialsFor(stack));
    }
    this.tell(this.story.join(", "));
  }

  override cleanUp(): void {
    for (const stack of this.stacks) rmSync(this.world.stackFile(stack), { force: true });
  }

  private credentialsFor(stack: string): string {
    const home = this.homes.get(stack) ?? oneOf(ACCOUNTS, this.random);
    if (!this.homes.has(stack) || this.random() >= 0.2) return home;
    this.count(OTHER_ACCOUNT);
    return ACCOUNTS.find((account) => account !== home)!;
  }

  private async happens(stack: string): Promise<void> {
    const name = oneOf(LOTS, this.random);
    const other = this.stacks.find((one) => one !== stack)!;
    if (!(await HAZARDS[name]!({ world: this.world, stack, other, things: await this.world.things() }))) return;
    this.count(name);
    this.story.push(`${stack.slice(-1)}: ${name}`);
  }

  private async step(command: Command, stack: string, account: string): Promise<void> {
    const known = this.world.held(stack);
    const before: Before = {
      held: known,
      things: await this.world.things(),
      stack,
      account,
      home: known.account ?? (known.state === "whole" ? this.homes.get(stack) : undefined),
    };
    const options = command === "list" ? ["--json"] : ["--yes"];
    const outcome = await this.bench.spot(
      [command, "--sandbox=api", "--stack", stack, "--config", this.bench.configFile, ...options],
      { plain: true, env: { SPOT_SANDBOX_ACCOUNT: account } },
    );
    const after = await this.world.things();
    this.totals.steps += 1;
    this.story.push(
      `${stack.slice(-1)}@${ACCOUNTS.indexOf(account as (typeof ACCOUNTS)[number])} ${command}=${outcome.code}`,
    );
    const held = this.world.held(stack);
    const wrong = [
      ...changesOfOthers(before, after),
      ...wrongCode(command, before, outcome),
      ...untrue(command, before, outcome, after, held),
      ...this.world.locks().map((lock) => `lock: ${lock}`),
    ];
    if (held.account !== undefined) this.homes.set(stack, held.account);
    if (held.settings === undefined && (held.state === "missing" || held.state === "empty")) this.homes.delete(stack);
    for (const fault of wrong) this.failed(`${fault}\n${outcome.stdout}${outcome.stderr}`);
  }
}

/** A fleet is its account's, its stack's and its ID's; a copy is the user's, whatever its tags. */
function isOwn(thing: Thing, { held, stack, account, things }: Before): boolean {
  const fleetId = held.settings ?? things.find(({ id }) => held.ids.has(id))?.tags["spot-deployer:lineage"];
  return !thing.planted && thing.account === account && (fleetId === undefined ? false : isOf(thing, stack, fleetId));
}

function changesOfOthers(before: Before, after: readonly Thing[]): string[] {
  const now = new Map(after.map((thing) => [thing.id, thing]));
  return before.things.flatMap((thing) => {
    if (isOwn(thing, before)) return [];
    const left = now.get(thing.id);
    const what = `${thing.kind} ${thing.id} of ${thing.planted ? "the user" : `stack ${thing.tags["spot-deployer:stack"]} in account ${thing.account}`}`;
    if (left === undefined) return [`${what} was ended`];
    return JSON.stringify(left.tags) === JSON.stringify(thing.tags) ? [] : [`the tags of ${what} changed`];
  });
}

const CHANGING: Command[] = ["up", "repair", "cleanup-vpcs"];

/** The exit codes that are right. */
function rightCodes(command: Command, before: Before): number[] {
  const { held, things, stack, account, home } = before;
  const here = things.filter((thing) => thing.account === account);
  const own = here.filter((thing) => isOwn(thing, before));
  const copies = here.some((thing) => thing.planted && isOf(thing, stack, held.settings));
  if (held.state === "another stack's" || held.settings === "*") return [1];
  const isKnown = held.settings !== undefined || held.state === "whole";
  if (isKnown && home !== undefined && home !== account) return [3];
  const isCopy =
    held.settings !== undefined &&
    held.isBare &&
    here.some(
      (thing) =>
        thing.kind === "instance" &&
        !isOf(thing, stack, undefined) &&
        thing.tags["spot-deployer:lineage"] === held.settings,
    );
  if (isCopy) return command === "up" || command === "repair" || command === "recover" ? [1] : [0];
  const knows = own.concat(here.filter((thing) => thing.planted && isOf(thing, stack, held.settings)));
  const nodes = own.filter(({ kind }) => kind === "instance");
  const knowsNone = held.settings !== undefined && nodes.length > 0 && !nodes.some(({ id }) => held.ids.has(id));
  const isLost =
    held.state === "damaged" ||
    (held.state === "missing" ? held.settings !== undefined && knows.length > 0 : knowsNone);
  if (isLost) {
    if (command === "down") return [8];
    if (command === "recover") return held.isSaved ? [0, 1, 8] : [1];
    return [1];
  }
  if (!isKnown) {
    const namesakes = here.some((thing) => isOf(thing, stack, undefined));
    return { up: [9], repair: [9, 2], list: [0], recover: [0], "cleanup-vpcs": [0], down: [namesakes ? 8 : 0] }[
      command
    ];
  }
  const left = copies ? [8] : [0];
  return { up: [9], repair: [9, 2], list: [0], recover: left, "cleanup-vpcs": left, down: left }[command];
}

function wrongCode(command: Command, before: Before, { code }: Outcome): string[] {
  const right = rightCodes(command, before);
  return code !== null && right.includes(code)
    ? []
    : [`${command} ended with ${code} instead of ${right.join(" or ")}`];
}

/** What a command says by its exit code, and what is not so. */
function untrue(
  command: Command,
  before: Before,
  { code, stdout }: Outcome,
  after: readonly Thing[],
  held: Held,
): string[] {
  const { stack, account } = before;
  const refused = code === 1 || code === 2 || code === 3;
  const ids = (things: readonly Thing[]): string =>
    things
      .map(({ id }) => id)
      .sort()
      .join();
  if (refused && ids(before.things) !== ids(after))
    return [`${command} refused, and something changed: ${ids(before.things)} -> ${ids(after)}`];
  const ours = after.filter((thing) =>
    isOwn(thing, { ...before, held: { ...held, settings: held.settings ?? before.held.settings }, things: after }),
  );
  if (command === "down" && code === 0 && ours.length > 0) return [`"gone", and there is ${ids(ours)}`];
  if (CHANGING[0] === command && code === 9) {
    const nodes = ours.filter(({ kind }) => kind === "instance");
    const forgotten = nodes.filter(({ id }) => !held.ids.has(id));
    return [
      ...(nodes.length === 1 ? [] : [`${nodes.length} nodes instead of 1`]),
      ...forgotten.map(({ id }) => `${id} is not in the record`),
    ];
  }
  if (command === "list" && (code === 0 || code === 1) && stdout !== "") {
    const shown = JSON.parse(stdout) as { nodes?: { instanceId: string }[] };
    const living = before.things.filter(
      (thing) =>
        thing.kind === "instance" &&
        thing.account === account &&
        isOf(thing, stack, before.held.settings) &&
        isOwn(thing, before),
    );
    return shown.nodes === undefined
      ? []
      : living
          .filter(({ id }) => !shown.nodes!.some(({ instanceId }) => instanceId === id))
          .map(({ id }) => `list does not show ${id}`);
  }
  return [];
}

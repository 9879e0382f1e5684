import type { Drift } from "../../fleet/drift/types";
import { MAX_ATTEMPTS } from "../../sandbox/provider/common/aws";
import { engineThatReplaces } from "../support/engine-that-replaces";
import { oneOf, shuffled } from "../support/random";
import { seededTrials, Trial, type TrialOptions, type TrialTotals } from "../support/seeded-trials";
import type { Outcome } from "../support/workbench";
import { CHANGES, type Scene } from "./changes";
import { Tag } from "../../fleet/model";
import { AUTO, randomFleet, write } from "./fleet";
import { plainPreview } from "./plain";
import { alive, happenedBetween, opened, rewritten, unlike, Witness, type Kind, type Look } from "./witness";

interface Change {
  name: string;
  kind: Kind | "same";
}

/** What `preview --json` says. */
interface Preview {
  changes: Change[];
  resources: { urn: string; region?: string; kind: Kind; properties: string[]; opens?: string }[];
  drift: Drift[];
}

interface Result {
  type: string;
  done: Record<"created" | "replaced" | "updated" | "deleted", string[]>;
  failures: { code: string; awsCode?: string }[];
}

/** What goes wrong in a step, beside what is changed. Answers whether it struck, once the step is over. */
interface Disturbance {
  name: string;
  /** Environment of either command. */
  env: Partial<Record<"preview" | "up", NodeJS.ProcessEnv>>;
  /** Everything that was listed is done all the same. */
  isHarmless: boolean;
  struck(result: Result | undefined): boolean | Promise<boolean>;
}

const ALONE = "replacements by the provider alone";
const LATE = "replacements only after the preview";
const PLAIN = "compared with plain pulumi preview";
const REFUSED = "no capacity for a launch";
/** Made in place, unless the provider replaces what it is made to. */
const TAGS = "tags";
/** What must happen before something can: some of it happens to fleets of one kind alone. */
const FIRST: Readonly<Record<string, string>> = {
  "a node more": "a node fewer",
  "a node fewer": "a node more",
  "a region more": "a region fewer",
  "a region fewer": "a region more",
  "a price limit": "a market",
  "an address more": "an address fewer",
  "an address fewer": "an address more",
  "an instance stopped outside": "a market",
  "a route removed outside": "a network",
  "a table taken from a subnet outside": "a network",
};
/** What needs a launch; a full fleet has no room for some of it, and any has for others. */
const LAUNCHES = ["a node more", "a region more", "a file of the payload", "an image", "an instance ended outside"];
const NO_CAPACITY = { error: { code: "InsufficientInstanceCapacity", status: 500 } };
const DONE = 9;

export interface PlanOptions extends TrialOptions {
  /** Steps of a run beside the first, which makes the fleet; default: until everything has happened once. */
  steps?: number;
}

/**
 * Random changes to random fleets: whatever `preview` lists is what plain `pulumi preview` does and what the next `up` does, found by comparing the record and
 * the emulated AWS before and after. What is disturbed ends nothing that was not listed, and the next `up` brings the rest.
 */
export function planTrials({ steps = Infinity, ...options }: PlanOptions): Promise<TrialTotals> {
  const counted = [...Object.keys(CHANGES), ALONE, LATE, REFUSED, PLAIN];
  return seededTrials(options, counted, (...args) => new PlanTrial(steps, ...args));
}

class PlanTrial extends Trial {
  private readonly witness = new Witness(this.bench);
  private readonly scene: Scene = {
    bench: this.bench,
    fleet: randomFleet(this.random),
    random: this.random,
    outdated: new Set(),
  };
  /** What has not happened yet, in the order in which it is to. */
  private readonly changes = new Set(shuffled(Object.keys(CHANGES), this.random));
  private readonly disturbances = shuffled([ALONE, LATE, REFUSED], this.random);
  /** What something else was made to happen for already. */
  private readonly tried = new Set<string>();

  constructor(
    private readonly steps: number,
    ...args: ConstructorParameters<typeof Trial>
  ) {
    super(...args);
  }

  /** Ends at the first fault: what follows would follow from it. */
  async go(): Promise<void> {
    await this.bench.begin();
    await this.witness.plantGroups();
    this.story.push(JSON.stringify(this.scene.fleet));
    let isWell = await this.step();
    for (let left = this.steps; isWell && left > 0 && this.hasMore; left--) isWell = await this.happen();
    if (isWell) this.tell(this.story.join(", "));
  }

  private get hasMore(): boolean {
    return this.changes.size + this.disturbances.length > 0;
  }

  /** Something of what has not happened yet, and an `up`. Answers whether all was as it must be. */
  private async happen(): Promise<boolean> {
    const isDisturbed = oneOf(
      [...this.disturbances.map(() => true), ...[...this.changes].map(() => false)],
      this.random,
    );
    const name = isDisturbed ? this.disturbances.pop() : undefined;
    const happened = await this.together(name);
    if (happened.length === 0) return true;
    this.story.push(happened.join(" and "));
    const disturbance = name === undefined ? undefined : await this.disturbance(name);
    if (disturbance === undefined) return this.step();
    this.story.push(disturbance.name);
    // What a disturbed run left undone, the next one does.
    return (await this.step(disturbance)) && this.step();
  }

  /** What changes before one `up`: what the disturbance needs, else as much of what is left as the dice say. */
  private async together(disturbance: string | undefined): Promise<string[]> {
    if (disturbance === REFUSED)
      return [...(await this.all(shuffled(LAUNCHES, this.random), 1)), ...(await this.all(["a node more"]))];
    if (disturbance !== undefined) return this.all([TAGS]);
    const happened = await this.all(this.changes, oneOf([1, 6, 12], this.random));
    if (happened.length > 0) return happened;
    // Nothing of what is left can happen to such a fleet.
    const [stuck] = this.changes;
    this.changes.delete(stuck!);
    const first = this.tried.has(stuck!) ? undefined : FIRST[stuck!];
    if (first === undefined) return [];
    this.tried.add(stuck!);
    this.changes.add(stuck!);
    return this.all([first]);
  }

  /** Has these happen, as far as they can, until there are enough. */
  private async all(names: Iterable<string>, most = Infinity): Promise<string[]> {
    const happened: string[] = [];
    for (const name of [...names]) {
      if (happened.length >= most) break;
      if (!(await CHANGES[name]!(this.scene))) continue;
      happened.push(name);
      this.changes.delete(name);
      this.count(name);
    }
    return happened;
  }

  private async disturbance(name: string): Promise<Disturbance | undefined> {
    if (name === REFUSED) return this.refusal();
    if (name !== ALONE && name !== LATE) return undefined;
    const commands = name === ALONE ? (["preview", "up"] as const) : (["up"] as const);
    const env = { PULUMI_CLI: await engineThatReplaces(this.bench, ...commands) };
    return name === ALONE
      ? { name, env: { preview: env, up: env }, isHarmless: true, struck: (result) => !!result?.done.replaced.length }
      : {
          name,
          env: { up: env },
          isHarmless: false,
          struck: (result) => !!result?.failures.some(({ code }) => code === "E_UNPLANNED"),
        };
  }

  /** Now and then, in one region, or everywhere. */
  private async refusal(): Promise<Disturbance> {
    const region = oneOf([undefined, ...Object.keys(this.scene.fleet.counts)], this.random);
    const often = oneOf(
      [{ times: MAX_ATTEMPTS }, { times: 2 * MAX_ATTEMPTS }, { nth: 2, times: MAX_ATTEMPTS }, {}],
      this.random,
    );
    const fault = {
      action: "RunInstances",
      when: "before",
      effect: NO_CAPACITY,
      ...(region ? { region } : {}),
      ...often,
    };
    await this.bench.control("POST", "faults", [fault]);
    this.story.push(JSON.stringify(often));
    return {
      name: region === undefined ? REFUSED : `${REFUSED} in ${region}`,
      env: {},
      isHarmless: false,
      struck: async () => {
        const [rule] = await this.bench.control<{ hit: number }[]>("GET", "faults");
        await this.bench.control("DELETE", "faults");
        // It was laid where nothing was launched: once more.
        if (rule!.hit > 0) this.count(REFUSED);
        else this.disturbances.push(REFUSED);
        return true;
      },
    };
  }

  /** Answers whether all was as it must be. */
  private async step(disturbance?: Disturbance): Promise<boolean> {
    const { bench, scene, witness } = this;
    write(scene.fleet, bench, oneOf(["100%", "100%", 1], this.random));
    const start = await witness.look();
    const previewed = await bench.spot(["preview", "--json"], { env: disturbance?.env.preview });
    const told = parsed<Preview>(previewed, ({ changes }) => Array.isArray(changes));
    const plain = told && !disturbance && start.recorded.size > 0 ? await this.notAsPlain(told, start) : [];
    const before = await witness.look();
    const up = await bench.spot(["up", "--json", "--yes"], { env: disturbance?.env.up });
    const after = await witness.look();
    this.totals.steps += 1;

    const result = parsed<Result>(up, ({ type }) => type === "result");
    const faults = [
      ...untouched(start, before),
      ...plain,
      ...(told === undefined
        ? ["preview told no plan"]
        : listedIsDone(told, before, after, !disturbance || disturbance.isHarmless)),
      ...(result === undefined ? ["up told no result"] : toldIsDone(result, before, after)),
    ];
    if (disturbance) faults.push(...(await this.struck(disturbance, result, before, after)));
    else faults.push(...this.notAsAsked(up, after), ...(await this.notSettled(after)));
    if (faults.length > 0) this.failed([...faults, said(previewed), said(up)].join("\n"));
    return faults.length === 0;
  }

  /** Where plain `pulumi preview` tells something else; drift it sees by `--refresh` alone. */
  private async notAsPlain(preview: Preview, { regions }: Look): Promise<string[]> {
    if (preview.drift.length > 0) return [];
    const plain = await plainPreview(this.bench);
    if ("refused" in plain) {
      // Who `auto` stands for is confirmed by `spot` alone.
      const isUnconfirmed = this.scene.fleet.allow.includes(AUTO) && plain.refused.includes("none was confirmed yet");
      return isUnconfirmed ? [] : [`plain pulumi preview failed: ${plain.refused}`];
    }
    this.count(PLAIN);
    const listed = listedIn(preview);
    const standing = new Set(regions.flatMap(({ instances }) => instances.map(nodeOf)));
    return [...new Set([...listed.keys(), ...plain.keys()])].flatMap((name) => {
      const [ours, theirs] = [listed.get(name), plain.get(name)];
      // What was ended to be replaced, and was not made again, is still a replacement to the engine.
      const isHalfReplaced = ours === "create" && theirs === "replace" && !standing.has(name);
      return ours === theirs || isHalfReplaced
        ? []
        : [`${name}: preview lists ${ours ?? "nothing"}, plain Pulumi ${theirs ?? "nothing"}`];
    });
  }

  private async struck(
    disturbance: Disturbance,
    result: Result | undefined,
    before: Look,
    after: Look,
  ): Promise<string[]> {
    const { name } = disturbance;
    if (!(await disturbance.struck(result))) return [`${name}: did not come to pass`];
    if (name === ALONE || name === LATE) this.count(name);
    return name === LATE && alive(before).join() !== alive(after).join()
      ? [`${name}: ${alive(before).join()} became ${alive(after).join()}`]
      : [];
  }

  private notAsAsked({ code }: Outcome, after: Look): string[] {
    const { fleet, outdated } = this.scene;
    const old = alive(after).filter((id) => outdated.has(id));
    outdated.clear();
    return [
      ...(code === DONE ? [] : [`up ended with ${code}`]),
      ...unlike(fleet, after),
      ...old.map((id) => `${id} has the payload of before`),
    ];
  }

  /** Nothing is left to be done, and saying so changes nothing. */
  private async notSettled(before: Look): Promise<string[]> {
    const outcome = await this.bench.spot(["preview", "--json"]);
    const preview = parsed<Preview>(outcome, ({ changes }) => Array.isArray(changes));
    const left = preview && [...listedIn(preview)].map(([name, kind]) => `${kind} ${name}`);
    return [
      ...untouched(before, await this.witness.look()),
      ...(left === undefined
        ? [`no plan after up: ${said(outcome)}`]
        : left.map((what) => `still to be done: ${what}`)),
      ...(outcome.code === 0 ? [] : [`preview after up ended with ${outcome.code}`]),
    ];
  }
}

/** What a preview changed, which must be nothing. */
function untouched(before: Look, after: Look): string[] {
  return [
    ...rewritten(before, after).map((file) => `preview wrote ${file}`),
    ...(alive(before).join() === alive(after).join() ? [] : ["preview changed instances"]),
  ];
}

function listedIn({ changes, resources }: Preview): Map<string, Kind> {
  const listed = new Map<string, Kind>();
  for (const { name, kind } of changes) if (kind !== "same") listed.set(name, kind);
  for (const { urn, kind } of resources) listed.set(urn, kind);
  return listed;
}

/** @param isWhole everything that is listed is done; else only nothing beyond it */
function listedIsDone(preview: Preview, before: Look, after: Look, isWhole: boolean): string[] {
  const listed = listedIn(preview);
  const { kinds, inputs } = happenedBetween(before, after);
  const faults = [...new Set([...listed.keys(), ...kinds.keys()])].flatMap((name) => {
    const [said, done] = [listed.get(name), kinds.get(name)];
    const isAsSaid = said === done || (!isWhole && isWithin(done, said));
    return isAsSaid ? [] : [`${name}: ${said ?? "nothing"} was listed, ${done ?? "nothing"} was done`];
  });
  const properties = new Map(preview.resources.map((change) => [change.urn, change.properties]));
  for (const [name, changed] of inputs) {
    const told = properties.get(name)?.map((property) => property.split(".")[0]!);
    const silent = told === undefined ? [] : changed.filter((key) => !told.includes(key));
    faults.push(...silent.map((key) => `${name}: its ${key} changed, which was not listed`));
  }
  return [...faults, ...endedUnlisted(listed, before, after), ...openedUnlisted(preview, before, after)];
}

/** A disturbed run may do less: a replacement may have ended the old instance and got no new one. */
function isWithin(done: Kind | undefined, listed: Kind | undefined): boolean {
  return done === undefined || (listed === "replace" && (done === "delete" || done === "update"));
}

/** Counted by instances, whatever is recorded. */
function endedUnlisted(listed: ReadonlyMap<string, Kind>, before: Look, after: Look): string[] {
  const left = new Set(alive(after));
  return before.regions.flatMap(({ instances }) =>
    instances.flatMap((instance) => {
      const { InstanceId } = instance;
      const node = nodeOf(instance);
      const kind = listed.get(node);
      return left.has(InstanceId!) || kind === "replace" || kind === "delete"
        ? []
        : [`${InstanceId} of ${node} was ended, which was not listed`];
    }),
  );
}

const nodeOf = ({ Tags }: Look["regions"][number]["instances"][number]): string =>
  Tags?.find(({ Key }) => Key === Tag.node)?.Value ?? "";

function openedUnlisted({ resources, drift }: Preview, before: Look, after: Look): string[] {
  const told = new Set(resources.flatMap(({ region, opens }) => (opens === undefined ? [] : [`${region} ${opens}`])));
  // What was agreed to and removed outside is put back.
  const isRestored = (region: string, block: string): boolean =>
    drift.some((one) => one.region === region && one.kind === "rule" && one.was?.includes(` from ${block} `));
  return opened(before, after)
    .filter(({ region, block }) => !told.has(`${region} ${block}`) && !isRestored(region, block))
    .map(({ region, block }) => `${region}: ${block} may log in now, which was not listed`);
}

const WORDS: Record<keyof Result["done"], Kind> = {
  created: "create",
  replaced: "replace",
  updated: "update",
  deleted: "delete",
};

/** What `up` says that it did to the nodes is what it did. */
function toldIsDone({ done }: Result, before: Look, after: Look): string[] {
  const told = (Object.keys(WORDS) as (keyof typeof WORDS)[]).flatMap((word) =>
    done[word].map((name) => `${WORDS[word]} ${name}`),
  );
  const happened = [...happenedBetween(before, after).kinds].flatMap(([name, kind]) =>
    name.startsWith("urn:") ? [] : [`${kind} ${name}`],
  );
  const [a, b] = [told, happened].map((list) => list.sort().join(", "));
  return a === b ? [] : [`up told of "${a}", and "${b}" was done`];
}

/** The last line of JSON that fits. */
function parsed<T>({ stdout }: Pick<Outcome, "stdout">, fits: (line: T) => boolean): T | undefined {
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return lines
    .map((line) => JSON.parse(line) as T)
    .filter(fits)
    .at(-1);
}

/** What a person needs of an outcome: the plan is long, and is in the faults as far as it is wrong. */
function said({ code, stdout, stderr }: Outcome): string {
  const isWorth = (line: string): boolean => !/"type":"(task|changes|result)"|"level":"debug"|^\{"stack"/.test(line);
  const failures = parsed<Result>({ stdout }, ({ type }) => type === "result")?.failures ?? [];
  const lines = [...(stdout + stderr).split("\n").filter(isWorth), ...failures.map((one) => JSON.stringify(one))];
  return `[${code}] ${lines.map((line) => line.slice(0, 1000)).join("\n")}`;
}

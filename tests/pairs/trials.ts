import { existsSync, rmSync } from "node:fs";
import { EC2Client, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import { Tag } from "../../fleet/model";
import { refuse } from "../faults/scenarios";
import { writeOwnKey } from "../support/own-key";
import { clientOf } from "../support/sandbox";
import { launchStranger } from "../support/stranger";
import { seededTrials, Trial, type TrialOptions, type TrialTotals } from "../support/seeded-trials";
import type { Outcome } from "../support/workbench";
import { orderOf, PAIRS, placeOf, wordsOf, type Command, type Pair, type Shape } from "./pairs";

/** Pairs of one run. */
const PAIRS_A_RUN = 12;
/** Runs that have all pairs between them. */
export const RUNS = PAIRS.length / PAIRS_A_RUN;

const [WEST, EAST, STRANGERS_REGION] = ["us-west-2", "us-east-1", "eu-west-1"];
type Counts = Record<string, number>;

/** What a fleet of each shape was brought up as, and what its configuration asks for when the pair begins. */
const COUNTS: Record<Shape, { was?: Counts; is: Counts }> = {
  new: { is: { [WEST]: 1, [EAST]: 1 } },
  grown: { was: { [WEST]: 1 }, is: { [WEST]: 2, [EAST]: 1 } },
  shrunk: { was: { [WEST]: 2, [EAST]: 1 }, is: { [WEST]: 1 } },
  "half-made": { was: { [WEST]: 1 }, is: { [WEST]: 2 } },
  drifted: { was: { [WEST]: 2, [EAST]: 1 }, is: { [WEST]: 2, [EAST]: 1 } },
};

/** The node that `replace` is about: it is part of every fleet. */
const REPLACED = `${WEST}-0`;
/** The node that somebody ends outside. */
const ENDED = `${WEST}-1`;
/** A run of `spot` that made nodes which have no hosts, and so are not verified. */
const UNVERIFIED = 9;

export interface PairOptions extends TrialOptions {
  /** Of each run; default: all that it has. */
  pairs?: number;
}

/**
 * Every command of plain Pulumi with every command of `spot`, in either order, on fleets of every shape: none of them
 * ends what the other made and the configuration still asks for, and after both one `up` leaves nothing to be done, by
 * the judgement of either. A run with the seed N has the pairs of every Nth run.
 */
export function pairTrials({ pairs = PAIRS_A_RUN, ...options }: PairOptions): Promise<TrialTotals> {
  const counted = [...new Set([...PAIRS.map(orderOf), ...PAIRS.map(placeOf)])];
  return seededTrials(options, counted, (bench, seed, ...rest) => {
    const first = (seed % RUNS) * PAIRS_A_RUN;
    return new PairTrial(PAIRS.slice(first, first + pairs), bench, seed, ...rest);
  });
}

class PairTrial extends Trial {
  /** An instance of somebody else. */
  private stranger = "";
  private readonly key = writeOwnKey(this.bench.dir);

  constructor(
    private readonly pairs: readonly Pair[],
    ...args: ConstructorParameters<typeof Trial>
  ) {
    super(...args);
  }

  /** Ends at the first fault: what follows would follow from it. */
  async go(): Promise<void> {
    await this.bench.begin();
    this.stranger = await launchStranger(await this.bench.sandbox(), STRANGERS_REGION);
    for (const pair of this.pairs) {
      const name = `${orderOf(pair)} on ${placeOf(pair)}`;
      this.story.push(name);
      const fault = await this.faultOf(pair);
      this.totals.steps += 1;
      if (fault !== undefined) {
        this.failed(fault);
        return;
      }
      this.count(orderOf(pair));
      this.count(placeOf(pair));
      this.tell(name);
    }
  }

  /** What is not as it must be. */
  private async faultOf(pair: Pair): Promise<string | undefined> {
    const { shape, commands, hasSettings } = pair;
    await this.bring(shape);
    const { is } = COUNTS[shape];
    for (const command of commands) {
      if (!hasSettings) rmSync(this.bench.stackFile, { force: true });
      const before = await this.living();
      const outcome = await this.run(command);
      const fault = faultIn(command, outcome, before) ?? ended(before, await this.living(), mayEnd(command, is));
      if (fault !== undefined) return `${wordsOf(command)}: ${fault}`;
    }
    const { instances } = await this.bench.live([STRANGERS_REGION]);
    if (!instances.some(({ InstanceId }) => InstanceId === this.stranger))
      return "an instance of somebody else was ended";
    return this.unsettled(is);
  }

  private async bring(shape: Shape): Promise<void> {
    const { was, is } = COUNTS[shape];
    if (was === undefined) {
      if (existsSync(this.bench.stackFile)) await this.must(["down", "--yes"], 0);
    } else {
      this.configure(was);
      await this.must(["up"], UNVERIFIED);
    }
    this.configure(is);
    await SHAPING[shape]?.(this);
  }

  private configure(counts: Counts): void {
    this.bench.config(counts, { top: ["ssh:", "  allow: [203.0.113.0/24]"], aws: this.key });
  }

  /** A launch that nobody saw the end of. */
  async breakOff(): Promise<void> {
    await this.bench.control("POST", "faults", [
      { action: "*", follows: "RunInstances", effect: refuse("ExpiredToken", 403) },
    ]);
    const { code, stderr } = await this.bench.spot(["up"]);
    await this.bench.control("DELETE", "faults");
    if (code === 0 || code === UNVERIFIED) throw new Error(`the launch was not broken off: ${stderr}`);
  }

  async endOutside(): Promise<void> {
    const id = (await this.living()).get(ENDED)!;
    const client = new EC2Client(clientOf(await this.bench.sandbox(), WEST));
    await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    client.destroy();
  }

  private async run({ by, name }: Command): Promise<Outcome> {
    if (by === "pulumi") {
      // `down` forgets the stack, and plain Pulumi makes none by itself.
      await this.must(["env", "--create", "--config", this.bench.configFile], 0);
      return this.bench.pulumi(name, ...(name === "preview" ? [] : ["--yes", "--skip-preview"]));
    }
    return this.bench.spot([name, ...(name === "replace" ? [REPLACED] : []), ...(name === "preview" ? [] : ["--yes"])]);
  }

  /** After both: `up` replaces nothing that the configuration asks for, and then neither has anything to do. */
  private async unsettled(counts: Counts): Promise<string | undefined> {
    const before = await this.living();
    await this.must(["up"], UNVERIFIED);
    const after = await this.living();
    const missing = namesOf(counts).filter((name) => !after.has(name));
    if (missing.length > 0 || after.size !== namesOf(counts).length)
      return `after an \`up\` there are ${[...after.keys()].join(", ")}`;
    const gone = ended(before, after, (name) => !namesOf(counts).includes(name));
    if (gone !== undefined) return `the \`up\` after both: ${gone}`;
    const own = await this.bench.spot(["preview"]);
    if (!/^Nothing to change/m.test(own.stdout)) return `spot has more to do: ${own.stdout}${own.stderr}`;
    const plain = await this.bench.pulumi("preview", "--expect-no-changes");
    return plain.code === 0 ? undefined : `pulumi has more to do: ${plain.stdout}${plain.stderr}`;
  }

  private async must(args: string[], code: number): Promise<void> {
    const outcome = await this.bench.spot(args);
    if (outcome.code !== code)
      throw new Error(`spot ${args.join(" ")} ended with ${outcome.code}: ${outcome.stdout}${outcome.stderr}`);
  }

  /** Instances by node, whatever our own code believes. */
  private async living(): Promise<Map<string, string>> {
    const { instances } = await this.bench.live([WEST, EAST]);
    return new Map(
      instances
        .filter(({ State }) => State?.Name !== "shutting-down")
        .map(({ Tags, InstanceId }) => [Tags!.find(({ Key }) => Key === Tag.node)!.Value!, InstanceId!]),
    );
  }
}

/** What is done to a fleet beside changing its configuration. */
const SHAPING: Partial<Record<Shape, (trial: PairTrial) => Promise<void>>> = {
  "half-made": (trial) => trial.breakOff(),
  drifted: (trial) => trial.endOutside(),
};

const namesOf = (counts: Counts): string[] =>
  Object.entries(counts).flatMap(([region, count]) => Array.from({ length: count }, (_, nth) => `${region}-${nth}`));

/** The nodes that a command may end. */
function mayEnd({ name }: Command, wanted: Counts): (node: string) => boolean {
  if (name === "destroy" || name === "down") return () => true;
  if (name === "replace") return (node) => node === REPLACED;
  if (name === "up") return (node) => !namesOf(wanted).includes(node);
  return () => false;
}

function ended(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  may: (node: string) => boolean,
): string | undefined {
  const gone = [...before].filter(([node, id]) => !may(node) && after.get(node) !== id).map(([node]) => node);
  return gone.length === 0 ? undefined : `${gone.join(", ")} was ended, and nobody asked for it`;
}

/** A command ends well, or has nothing to act on and says so. */
function faultIn(
  { by, name }: Command,
  { code, stdout, stderr }: Outcome,
  before: ReadonlyMap<string, string>,
): string | undefined {
  const isWell = code === 0 || (by === "spot" && code === UNVERIFIED);
  const hasNothing = (name === "replace" || name === "repair") && before.size === 0;
  if (isWell || (hasNothing && /ERROR E_(?!UNEXPECTED)/.test(stderr))) return undefined;
  return `ended with ${code}: ${stdout}${stderr}`;
}

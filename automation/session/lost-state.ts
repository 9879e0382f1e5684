import { SpotError, wordsWithCause } from "../../fleet/errors";
import { outside, spot, type Step } from "../../fleet/steps";
import { Tag } from "../../fleet/model";
import { pluralize } from "../../fleet/text/words";
import { inventory, type FleetObject, type RegionInventory } from "../../cloud/resources/inventory";
import { INSTANCE_TYPE, recordedIds } from "../engine/state";
import { mayBeUnheard } from "./orphans";
import { dividedLook } from "./ownership";
import type { Opened } from "./index";

/**
 * Why the state of a stack cannot be believed, where that shows before a command has looked at AWS by itself: it is
 * damaged; it is missing, while the stack's settings are there; or it holds no node. Asks AWS in these cases alone.
 * @param regions in which the fleet may have something
 */
export async function lostState(place: Opened, regions: string[]): Promise<SpotError | undefined> {
  const { stackExists, settings, state, damaged } = place;
  const isDoubtful =
    damaged !== undefined || (settings.lineage !== undefined && (!stackExists || state.nodes.length === 0));
  return isDoubtful ? lostBy(place, await inventory(place.cloud, place.lineage, regions)) : undefined;
}

/**
 * The same by what AWS showed: a state that is missing while something of its fleet is there, or that knows none of the
 * instances that run. What follows from such a state, ending the fleet as never recorded or starting another one beside
 * it, is nobody's wish.
 * @returns SpotError E_STATE that shows the fleet and names the ways out
 */
export function lostBy(place: Opened, look: readonly RegionInventory[]): SpotError | undefined {
  const { target, lineage, stackExists, settings, damaged } = place;
  const { own } = dividedLook(place, look);
  const instances = own.filter(isLiving);
  const error = (message: string, cause?: unknown, first?: string): SpotError =>
    new SpotError("E_STATE", {
      message,
      cause: causeOf(cause, instances),
      next: ["Nothing was changed.", ...(first === undefined ? [] : [first]), waysOut(place, instances)].join(" "),
      step: stepOut(place, instances),
    });
  const seen = instances.length > 0 ? pluralize(instances.length, "instance") : pluralize(own.length, "resource");
  if (damaged) return error(damaged.message, damaged.cause);
  if (!stackExists && settings.lineage !== undefined) {
    if (own.length > 0)
      return error(`the state of stack ${target.stack} is gone, while ${seen} of its fleet ${lineage} can be seen`);
    const silent = look.find((region) => region.error !== undefined);
    if (silent?.error)
      return error(
        `the state of stack ${target.stack} is gone, and whether its fleet ${lineage} still stands is unknown: ${silent.region} could not be looked at`,
        wordsWithCause(silent.error),
        silent.error.next,
      );
    return undefined;
  }
  return stackExists && knowsNone(place, own)
    ? error(`the state of stack ${target.stack} knows none of the ${seen} that carry the ID of its fleet, ${lineage}`)
    : undefined;
}

/**
 * Neither as a resource, nor by an unfinished operation, nor by the notes of a run. A state that is just as our last run
 * left it was not lost: then what runs is a copy, or somebody's.
 */
function knowsNone(place: Opened, own: readonly FleetObject[]): boolean {
  const instances = own.filter(isLiving);
  const recorded = recordedIds(place.state);
  const mayBeMaking = place.state.pending.some(({ type, creating }) => creating && type === INSTANCE_TYPE);
  if (
    instances.length === 0 ||
    mayBeMaking ||
    instances.some(({ id }) => recorded.has(id)) ||
    place.stack.isKept(place.state)
  )
    return false;
  return !mayBeUnheard(place, instances);
}

const isLiving = ({ kind, detail }: FleetObject): boolean => kind === "instance" && detail !== "shutting-down";

/** How many instances a message names. */
const NAMED = 10;

function causeOf(cause: unknown, instances: readonly FleetObject[]): unknown {
  const named = instances
    .slice(0, NAMED)
    .map(({ id, region, detail, tags }) => `${tags[Tag.node] ?? "?"} (${id} in ${region}, ${detail})`);
  const more = instances.length > NAMED ? [`${instances.length - NAMED} more`] : [];
  const there = named.length > 0 ? [`there: ${[...named, ...more].join(", ")}`] : [];
  const words = [...(cause === undefined ? [] : [wordsWithCause(cause)]), ...there];
  return words.length > 0 ? words.join("\n") : undefined;
}

function waysOut({ stack, lineage, stackExists, damaged }: Opened, instances: readonly FleetObject[]): string {
  const saved = stack.savedStates.find((one) => canStandFor(one.state, instances));
  const ways = [
    ...(saved
      ? [`\`recover\` restores the state of ${saved.at.toISOString()} (${pluralize(saved.state.nodes.length, "node")})`]
      : []),
    `\`recover --fleet-id ${lineage}\` ends the fleet by its tags`,
    ...(stackExists && damaged === undefined
      ? ["`recover --end ID` deletes, `recover --release ID` takes the tags off a thing that is a copy"]
      : []),
    "`--stack NEW` leaves it as it is and works on another stack",
  ];
  return `${ways.join("; ")}.`;
}

/** The saved state where there is one; what is left otherwise ends the fleet or leaves it, which only its owner can choose. */
function stepOut({ stack }: Opened, instances: readonly FleetObject[]): Step {
  return stack.savedStates.some((one) => canStandFor(one.state, instances)) ? spot("recover") : outside("decide");
}

/** A saved state is of use when it knows any of the instances; where there is none to know, any is. */
export function canStandFor(
  { nodes }: Pick<Opened["state"], "nodes">,
  instances: readonly Pick<FleetObject, "id">[],
): boolean {
  return instances.length === 0 || nodes.some(({ instanceId }) => instances.some(({ id }) => id === instanceId));
}

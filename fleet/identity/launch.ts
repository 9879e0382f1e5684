import { randomBytes } from "node:crypto";

/** What a launch's name looks like. It may stand in the settings, in the state and in a tag: it is no secret. */
export const LAUNCH = /^[0-9a-f]{16}$/;

/** An instance of the fleet, as far as its launch is concerned. `launch`: absent for one that an earlier version made. */
export interface LaunchedNode {
  name: string;
  launch?: string;
}

/** A name that no launch had before, by which the instance's host key token differs from that of every other one. */
export function newLaunch(): string {
  return randomBytes(8).toString("hex");
}

/**
 * The launch of each slot, by slot name. An instance that stays keeps the one that it was made by, which may be none;
 * whatever is to be made has a new one.
 * @param slots names of the slots that have, or are to have, an instance
 * @param staying the instances that are not to be replaced
 * @param mint makes the name of a launch
 */
export function launchesOf(
  slots: readonly string[],
  staying: readonly LaunchedNode[],
  mint: () => string = newLaunch,
): Record<string, string> {
  const kept = new Map(staying.map(({ name, launch }) => [name, launch]));
  return Object.fromEntries(
    slots.flatMap((slot): [string, string][] => {
      const launch = kept.has(slot) ? kept.get(slot) : mint();
      return launch === undefined ? [] : [[slot, launch]];
    }),
  );
}

/** What an instance was made as, in one tag: EC2's limit of tags leaves no room for another one beside the user's. */
export function generationTag(generation: string, launch: string | undefined): string {
  return launch === undefined ? generation : `${generation}-${launch}`;
}

/** Reads what `generationTag` wrote, or what earlier versions did: the generation alone. */
export function parseGenerationTag(value: string): { generation: string; launch?: string } {
  const [, generation, launch] = /^(.*)-([0-9a-f]{16})$/.exec(value) ?? [];
  return generation === undefined ? { generation: value } : { generation, launch };
}

import { seeded, shuffled } from "../support/random";

export const PULUMI = ["preview", "up", "refresh", "destroy"] as const;
export const SPOT = ["preview", "up", "down", "replace", "repair"] as const;
export const SHAPES = ["new", "grown", "shrunk", "half-made", "drifted"] as const;

export type Shape = (typeof SHAPES)[number];
export type Command = { by: "pulumi"; name: (typeof PULUMI)[number] } | { by: "spot"; name: (typeof SPOT)[number] };

/** Two commands, one after the other, on a fleet. */
export interface Pair {
  commands: readonly [Command, Command];
  shape: Shape;
  /** `Pulumi.<stack>.yaml` is there; else only the state tells what was decided. */
  hasSettings: boolean;
}

export const wordsOf = ({ by, name }: Command): string => `${by} ${name}`;
export const orderOf = ({ commands }: Pair): string => commands.map(wordsOf).join(", then ");
export const placeOf = ({ shape, hasSettings }: Pair): string =>
  `a ${shape} fleet${hasSettings ? "" : " without settings"}`;

const EACH = PULUMI.flatMap((plain) =>
  SPOT.flatMap((own): [Command, Command][] => {
    const [a, b]: [Command, Command] = [
      { by: "pulumi", name: plain },
      { by: "spot", name: own },
    ];
    return [
      [a, b],
      [b, a],
    ];
  }),
);

/**
 * Every pair, in an order that is the same each time and has all kinds mixed. A stack that is new has no record yet, so
 * it is not met without settings.
 */
export const PAIRS: readonly Pair[] = shuffled(
  EACH.flatMap((commands) =>
    SHAPES.flatMap((shape) =>
      (shape === "new" ? [true] : [true, false]).map((hasSettings): Pair => ({ commands, shape, hasSettings })),
    ),
  ),
  seeded(1),
);

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isOf, type Thing, type World } from "./world";

/** Two stacks of one machine, and what exists at the moment. */
export interface Scene {
  world: World;
  /** The stack that something happens to, and the other one. */
  stack: string;
  other: string;
  things: Thing[];
}

/** Something that happens to users between two commands. Answers false where there is nothing that it could happen to. */
type Hazard = (scene: Scene) => boolean | Promise<boolean>;

const change = (file: string, act: (file: string) => void): boolean => existsSync(file) && (act(file), true);

function node({ stack, things }: Scene): Thing | undefined {
  return things.find((thing) => thing.kind === "instance" && !thing.planted && isOf(thing, stack, undefined));
}

async function copyOf(kind: "instance" | "volume", scene: Scene): Promise<boolean> {
  const original = node(scene);
  if (original) await scene.world.plantCopy(kind, original);
  return original !== undefined;
}

/** There is seldom a stack to which this can happen: it is tried so many times as often as each other one. */
export const SELDOM: Readonly<Record<string, number>> = { "settings copied from the other stack": 6 };

/** To add one, add a row. Credentials of the other account are a hazard too: the trial itself chooses them. */
export const HAZARDS: Record<string, Hazard> = {
  "a copied instance": (scene) => copyOf("instance", scene),
  "a copied volume": (scene) => copyOf("volume", scene),
  "settings copied from the other stack": ({ world, stack, other }) =>
    !existsSync(world.stackFile(stack)) &&
    !existsSync(world.stateFile(stack)) &&
    change(world.stackFile(other), (file) => copyFileSync(file, world.stackFile(stack))),
  "a state copied from the other stack": ({ world, stack, other }) =>
    change(world.stateFile(other), (file) => {
      mkdirSync(path.dirname(world.stateFile(stack)), { recursive: true });
      copyFileSync(file, world.stateFile(stack));
    }),
  "a lost state": ({ world, stack }) => change(world.stateFile(stack), rmSync),
  "a lost state, its backup too": ({ world, stack }) =>
    change(world.stateFile(stack), (file) =>
      [file, `${file}.bak`, world.keptFile(stack)].forEach((one) => rmSync(one, { force: true })),
    ),
  "a state that is cut off": ({ world, stack }) => change(world.stateFile(stack), (file) => truncateSync(file, 1000)),
  "lost settings": ({ world, stack }) => change(world.stackFile(stack), rmSync),
  "settings and state lost together": ({ world, stack }) =>
    change(world.stateFile(stack), (file) =>
      [file, world.stackFile(stack)].forEach((one) => rmSync(one, { force: true })),
    ),
  "a fleet ID that is a pattern": ({ world, stack }) =>
    change(world.stackFile(stack), (file) =>
      writeFileSync(file, readFileSync(file, "utf8").replace(/(spot-deployer:lineage: ).*/, '$1"*"')),
    ),
};

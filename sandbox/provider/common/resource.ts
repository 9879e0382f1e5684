import type { Region } from "./aws";
import type { Properties } from "./values";

/** Inputs that every resource has. `region` is required here: provider configuration never reaches this process. */
export interface CommonInputs {
  region: string;
  tags?: Record<string, string>;
}

/** What a change of one input means. */
export interface Input<I> {
  /** Does the change need a new object? Asked with the inputs wanted and the last known state. */
  replaces(news: I, olds: Properties): boolean;
  /** Makes the change on the object that exists. Absent where the official provider could and this one cannot. */
  apply?: (region: Region, id: string, news: I, olds: Properties) => Promise<void>;
  /** Absent: what fulfils what is wanted is the same. */
  isSame?(before: unknown, wanted: unknown): boolean;
  /** Is leaving the input, or a key of it, out a change? No for inputs whose value AWS chooses when none is given. */
  clearable: boolean;
}

/**
 * One resource type as data: its inputs by path ("rootBlockDevice.encrypted" for one inside an object), and how its
 * objects are made, read and removed. Everything that types have in common is in provider.ts.
 */
export interface ResourceType<I extends CommonInputs> {
  /** Pulumi's type token. */
  token: string;
  inputs: Record<string, Input<I>>;
  /** Inputs without which the official provider refuses a resource in its check (required in its schema). */
  required?: readonly (keyof I & string)[];
  /** Inputs, by path, of which the official provider takes one at most (`ConflictsWith` in its schema). */
  conflicts?: readonly (readonly [string, string])[];
  /** Inputs of which the official provider takes exactly one (`ExactlyOneOf` in its schema), each list for itself. */
  exactlyOneOf?: readonly (readonly (keyof I & string)[])[];
  /**
   * A creation or an update that fails records nothing of what it did. So do the types that the official provider has
   * from Terraform's plugin framework, which saves a state at the very end; the others are recorded as they were wanted.
   */
  isAllOrNothing?: boolean;
  /** Inputs that get a value in `check` when the program gives none; `name` is the resource's logical name. */
  defaults?(name: string): Properties;
  /** Makes the object and returns its id. Until it returns nothing is recorded, so it does one thing. */
  create(region: Region, inputs: I): Promise<string>;
  /**
   * What is left to do before the object counts as made. It is not done again when it failed: the record has the object
   * as it was wanted, and only a refresh shows an update what is missing.
   */
  settle?(region: Region, id: string, inputs: I): Promise<void>;
  /** The object as AWS shows it now, or undefined when it is gone. `known` is the last known state. */
  read(region: Region, id: string, known: Properties): Promise<Properties | undefined>;
  /** Removes the object; an answer "not found" is a success (the caller sees to it). */
  delete(region: Region, id: string, known: Properties): Promise<void>;
}

/** A change of the input needs a new object. */
export const replaces: Input<CommonInputs> = { replaces: () => true, clearable: false };

/** The input is only remembered: a change of it sends AWS nothing. */
export const remembered: Input<CommonInputs> = { replaces: () => false, apply: async () => {}, clearable: true };

/** A change of the input is made on the object that exists. */
export function inPlace<I>(apply: NonNullable<Input<I>["apply"]>, clearable: "clearable" | "kept" = "kept"): Input<I> {
  return { replaces: () => false, apply, clearable: clearable === "clearable" };
}

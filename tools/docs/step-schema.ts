import { z } from "zod";
import { actions, type ActionName } from "../../fleet/steps";

const command = z.strictObject({ command: z.string(), args: z.array(z.string()) });

/** The shape of a step, in every document that has one. */
export const step = z.union([
  command,
  z.strictObject({ action: z.enum(Object.keys(actions) as [ActionName, ...ActionName[]]), then: command.optional() }),
]);

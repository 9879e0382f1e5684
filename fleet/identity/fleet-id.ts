import { randomBytes } from "node:crypto";
import { SpotError, type OwnAdvice } from "../errors";
import { outside } from "../steps";

const FLEET_ID = /^[0-9a-f]{16}$/;

/** An ID that no fleet has: 8 random bytes in hex. */
export const newFleetId = (): string => randomBytes(8).toString("hex");

/**
 * The fleet ID as given, once it is one. EC2 takes `*` and `?` in a filter for patterns, so nothing else may ever get
 * near a call: an ID that is none would find, and end, the fleets of others.
 * @param where what it was read from, as the message begins: `--fleet-id`
 * @throws SpotError E_USAGE, or the code given
 */
export function asFleetId(
  text: string,
  where: string,
  error: { code?: "E_USAGE" | "E_STATE" } & OwnAdvice = {},
): string {
  if (FLEET_ID.test(text)) return text;
  throw new SpotError(error.code ?? "E_USAGE", {
    message: `${where}: ${JSON.stringify(text)} is no fleet ID; one is 16 digits 0-9 and a-f`,
    ...(error.next === undefined
      ? { next: "Run `list`: it shows the ID of each fleet that it finds.", step: outside("correct-command-line") }
      : { next: error.next, step: error.step }),
  });
}

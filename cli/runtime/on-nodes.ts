import type { FleetConfig } from "../../fleet/config";
import { SpotError, type SpotErrorInput } from "../../fleet/errors";
import type { ExitCode } from "../../fleet/errors/exit-codes";
import { shellQuote } from "../../fleet/text/shell-quote";
import { nearest } from "../../fleet/text/suggest";
import type { StateNode } from "../../automation/engine/state";
import type { FleetAccess } from "../../automation/operations/nodes/fleet-access";
import { openFleet } from "../../automation/operations/nodes/verify-fleet";
import type { Session } from "../../automation/session";
import type { CommandContext } from "./context";
import { withSession } from "./with-session";

/** What a command that logs in on nodes works with. */
export interface OnNodes {
  session: Session;
  /** Opens the way to the nodes; what was typed wrongly is found before. */
  fleet: () => Promise<FleetAccess>;
  config: FleetConfig;
}

/**
 * Opens the fleet for a command that logs in on nodes and changes no record.
 * @param interrupted what is told of an interrupt, when the command may have changed a node
 */
export function onNodes(
  context: CommandContext,
  work: (on: OnNodes) => Promise<ExitCode>,
  interrupted?: SpotErrorInput,
): Promise<ExitCode> {
  const access = { needs: "config", reads: interrupted ?? true, withoutWarnings: true } as const;
  return withSession(context, access, ({ session, given }) =>
    work({ session, fleet: () => openFleet(session, given), config: given.config }),
  );
}

/** The node of this name, instance id or address. @throws SpotError E_NOT_FOUND with the nearest name */
export function nodeNamed({ state, target }: Session, word: string): StateNode {
  const found = state.nodes.find(({ name, instanceId, address }) => [name, instanceId, address].includes(word));
  if (found) return found;
  const guess = nearest(
    word,
    state.nodes.map(({ name }) => name),
  );
  throw new SpotError("E_NOT_FOUND", {
    message: `stack ${target.stack} has no node ${word}${guess ? ` (did you mean ${guess}?)` : ""}`,
  });
}

/** Words as one command line for a remote shell: a single word is a shell command as it stands. */
export function remoteCommand(words: readonly string[]): string {
  const [word, ...others] = words;
  return word !== undefined && others.length === 0 ? word : words.map(shellQuote).join(" ");
}

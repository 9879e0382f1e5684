import type { FleetConfig } from "../../fleet/config";
import { SpotError, type SpotErrorInput } from "../../fleet/errors";
import type { Reporter } from "../../fleet/report/events";
import type { ExitCode } from "../../fleet/errors/exit-codes";
import { quote } from "../../fleet/text/quote";
import { nearest } from "../../fleet/text/suggest";
import type { StateNode } from "../../automation/engine/state";
import type { Interrupts } from "../../automation/session/interrupts";
import type { FleetNodes } from "../../automation/operations/nodes/fleet-nodes";
import { openFleet } from "../../automation/operations/nodes/verify";
import { openSession, type Session } from "../../automation/session";
import { placeIn } from "../../automation/target";
import type { CommandContext } from "./context";
import { configFor, configPath, reading, reporterFor, sessionOptions } from "./shell";

/** What a command that logs in on nodes works with. */
export interface OnNodes {
  session: Session;
  /** Opens the way to the nodes; what was typed wrongly is found before. */
  fleet(): Promise<FleetNodes>;
  config: FleetConfig;
  reporter: Reporter;
  interrupts: Interrupts;
}

/**
 * Opens the fleet for a command that logs in on nodes and changes no record.
 * @param interrupted what is told of an interrupt, when the command may have changed a node
 */
export async function onNodes(
  context: CommandContext,
  work: (on: OnNodes) => Promise<ExitCode>,
  interrupted?: SpotErrorInput,
): Promise<ExitCode> {
  const reporter = reporterFor(context, false);
  const { config } = configFor(context, { ...reporter, emit: () => undefined });
  return reading(
    reporter,
    async (interrupts) => {
      const session = await openSession(
        { ...sessionOptions(context, { reporter, interrupts, ...placeIn(config) }), reading: true },
        false,
      );
      try {
        return await work({
          session,
          fleet: () => openFleet(session, { config, configFile: configPath(context) }),
          config,
          reporter,
          interrupts,
        });
      } finally {
        session.cloud.close();
      }
    },
    interrupted,
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
  return words.length === 1 ? words[0]! : words.map(quote).join(" ");
}

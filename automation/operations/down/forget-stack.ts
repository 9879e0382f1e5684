import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import type { FleetObject } from "../../../cloud/resources/find";
import { holdsNothing } from "../../engine/state";
import { readStackSettings } from "../../engine/stack-config";
import { forgetConfig } from "../../session/last-config";
import { reread, type Session } from "../../session";

/**
 * Nothing is left to record: the stack, its settings and its keys end with the fleet, notes and saved states too. A
 * state that could not be read is kept under another name, which is answered.
 * @param others what other stacks own under the same fleet ID: the keys are theirs too, and stay
 * @param isSealed the engine cannot bring the state up to date: what it holds was proven gone without it
 */
export async function forgetStack(
  session: Session,
  others: readonly FleetObject[],
  isSealed = false,
): Promise<string | undefined> {
  let kept: string | undefined;
  if (session.damaged) {
    kept = session.stack.stateFiles?.setAside();
    if (kept === undefined) throw session.damaged;
  } else if (session.stackExists) {
    const { state } = await reread(session);
    if (!isSealed && !holdsNothing(state)) {
      session.reporter.emit({
        type: "message",
        level: "warning",
        subject: "state",
        message: `stack ${session.target.stack} stays, for its record still names resources; put right what is reported above, then run \`down\` again`,
      });
      return undefined;
    }
    await session.stack.remove();
  }
  session.stack.forgetKept();
  forgetConfig(session);
  rmSync(session.stack.configFile, { force: true });
  if (others.length === 0 && !isShared(session)) rmSync(session.keys, { recursive: true, force: true });
  return kept;
}

/** Another stack of this project has, or may have, the same fleet ID: its settings, or these, are a copy. */
function isShared({ projectDir, lineage }: Session): boolean {
  const others = readdirSync(projectDir).filter((name) => /^Pulumi\..+\.yaml$/.test(name));
  return others.some((name) => {
    try {
      return readStackSettings(path.join(projectDir, name)).lineage === lineage;
    } catch {
      return true;
    }
  });
}

import { wordsOf } from "../../../fleet/errors";
import { forgetProject, keepProject } from "../../../project/kept-project";
import { isStopped, type Progress, type UpRun } from "./progress";

/**
 * Keeps what the fleet is made of, for a later run to go back to, once all of it is verified. Where nothing boots there
 * is no more to be known than that nothing failed. What cannot be kept fails no run that is over; but nothing older is
 * left in its place.
 * @param isDone nothing of what was agreed to is left to do
 */
export function keepVerified(run: UpRun, at: Progress, isDone: boolean): void {
  const { plan, request } = run;
  const { definition } = plan;
  const isWell = run.nodes ? at.verification?.isVerified === true : at.failures.length === 0;
  const isWhole = isDone && at.failures.length === 0 && at.pending.size === 0 && at.putBack === undefined;
  if (!isWell || !isWhole || request.part !== undefined || isStopped(run)) return;
  const { stack, lineage, identity, reporter } = at.session;
  const { pins } = at.placement;
  try {
    keepProject(
      stack.keptFleet,
      {
        version: 1,
        at: new Date().toISOString(),
        lineage,
        account: identity.account,
        configFile: definition.configFile,
        configText: request.text,
        pins,
        manifest: definition.payload.manifest,
        ...definition.material,
        generations: Object.fromEntries(at.session.state.nodes.map(({ name, generation }) => [name, generation])),
      },
      definition.payload.sources,
    );
  } catch (error) {
    const warn = (message: string): void => reporter.emit({ type: "message", level: "warning", message });
    warn(
      `this fleet is not kept as one to go back to (\`--rollback-on-failure\`): ${wordsOf(error)}. \`up\` keeps it once it can be.`,
    );
    try {
      forgetProject(stack.keptFleet);
    } catch (second) {
      warn(`an older fleet may still be kept in ${stack.keptFleet}, which cannot be removed: ${wordsOf(second)}`);
    }
  }
}

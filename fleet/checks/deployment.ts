import { layout, paths, units } from "../layout";
import type { Check } from "./types";
import { expectEqual, fieldOf, firstLine, judgeSteps, LOOK_AT_LOG, QUICK, stepsCommand } from "./expectations";

/** What the log says of the last step of a deployment, which marks it complete. */
const COMPLETION = `STEP ${layout.deployment.slice(-1).join()}: ok`;

/** E: what the deployment recorded of itself. */
export const deploymentChecks: readonly Check[] = [
  {
    id: "E1",
    title: "deployment ran",
    phase: "deployment",
    where: "node",
    needs: ["D2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `cat ${paths.deploymentResult}`,
    judge: ({ stdout, stderr }) => expectEqual("success", fieldOf(stdout, "SERVICE_RESULT") ?? firstLine(stderr)),
    cause: `${units.deploy} was never started, or ended with an error.`,
    next: LOOK_AT_LOG,
  },
  {
    // Needs D2 alone: when the deployment failed (E1), this is the check that names the step.
    id: "E2",
    title: "every deployment step",
    phase: "deployment",
    where: "node",
    needs: ["D2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => stepsCommand(paths.deploymentSteps),
    judge: judgeSteps,
    cause: "The step named failed for the reason given.",
    next: LOOK_AT_LOG,
  },
  {
    id: "E3",
    title: "deployment complete, for this payload",
    phase: "deployment",
    where: "node",
    needs: ["E2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `cat ${paths.deploymentComplete}`,
    judge: ({ stdout, stderr }, { manifest }) =>
      expectEqual(manifest.digest, fieldOf(stdout, "digest") ?? firstLine(stderr)),
    cause: "The node was deployed with another payload, or its deployment did not end.",
    next: "`up` replaces the node.",
  },
  {
    id: "E4",
    title: "deployment log ends with completion",
    phase: "deployment",
    where: "node",
    needs: ["E1"],
    severity: "warn",
    deadlineMs: QUICK,
    command: () => `tail -n 1 ${paths.deploymentLog}`,
    judge: ({ stdout, stderr }) => ({
      ok: stdout.includes(COMPLETION),
      expected: COMPLETION,
      actual: firstLine(stdout, stderr),
    }),
    cause: "The deployment did not end, or was started again.",
    next: LOOK_AT_LOG,
  },
];

import { BEYOND_PLAN, classifyFailure } from "../../../fleet/aws/error-codes";
import { errorInfo, SpotError, type ErrorInfo } from "../../../fleet/errors";
import type { NodeRef } from "../../../fleet/model";
import { shortType } from "../../../fleet/plan/resource-changes";
import { headLine } from "../../../fleet/text/words";
import type { EngineFailure, EngineListener, EngineReport, EngineStep } from "../../engine/events";
import { NO_PROVIDER, unsavedError } from "../../engine/cli-errors";
import { providerError } from "../../engine/provider-error";
import { INSTANCE_TYPE, nodeNameOf } from "../../engine/state";
import type { Session } from "../../session";

const CREATED = { phase: "created", message: "Created" } as const;
/** What a finished step of an instance means for its node. Other steps (same, update) are no phase. */
const PHASES: Record<string, { phase: "created" | "deleted"; message: string }> = {
  create: CREATED,
  "create-replacement": CREATED,
  delete: { phase: "deleted", message: "Terminated" },
  "delete-replaced": { phase: "deleted", message: "Terminated" },
};

/** What happens to a node as soon as the engine is done with it. */
export interface NodeHooks {
  created?(node: NodeRef & { instanceId: string; address: string }): void;
  deleted?(instanceId: string): void;
  /** Told of every failed step; true: it is tried again, so it is no failure yet. */
  failed?(failure: EngineFailure): boolean;
}

/** Tells of an instance that is there, where no step of the engine's does. */
export function tellCreated({ reporter }: Session, node: NodeRef): void {
  reporter.emit({ type: "node", level: "success", node, ...CREATED });
}

/** Turns the engine's steps into the fleet's events while they happen. */
export function nodeListener(session: Session, hooks: NodeHooks = {}): EngineListener {
  const { reporter } = session;
  return {
    ending(step) {
      if (step.type === INSTANCE_TYPE)
        reporter.emit({
          type: "node",
          level: "info",
          node: nodeRefOf(step),
          phase: "ending",
          message: "Shutting down",
        });
    },
    step(step) {
      const told = PHASES[step.op];
      if (step.type !== INSTANCE_TYPE || !told) return;
      const level = told.phase === "created" ? "success" : "info";
      const node = nodeRefOf(step);
      reporter.emit({ type: "node", level, node, phase: told.phase, message: told.message });
      const { instanceId, address } = node;
      if (instanceId === undefined) return;
      if (told.phase === "deleted") hooks.deleted?.(instanceId);
      else if (address !== undefined) hooks.created?.({ ...node, instanceId, address });
    },
    failure(failure) {
      const error = failureInfo(failure);
      if (hooks.failed?.(failure)) {
        reporter.emit({
          type: "message",
          level: "warning",
          subject: isNode(failure) ? nodeNameOf(failure.step.name) : regionOf(failure.step),
          message: error.message,
        });
        return;
      }
      if (failure.step.type === INSTANCE_TYPE) {
        const phase = failure.step.op.startsWith("delete") ? "deleted" : "created";
        reporter.emit({
          type: "node",
          level: "error",
          node: nodeRefOf(failure.step),
          phase,
          message: error.message,
          error,
        });
      } else {
        reporter.emit({
          type: "message",
          level: "error",
          subject: regionOf(failure.step),
          message: error.message,
          error,
        });
      }
    },
  };
}

const isNode = ({ step }: EngineFailure): boolean => step.type === INSTANCE_TYPE;

function nodeRefOf(step: EngineStep): NodeRef {
  const address = step.outputs.publicIp;
  return {
    name: nodeNameOf(step.name),
    region: regionOf(step) ?? "",
    ...(step.id ? { instanceId: step.id } : {}),
    ...(typeof address === "string" && address !== "" ? { address } : {}),
  };
}

function regionOf(step: EngineStep): string | undefined {
  return typeof step.inputs.region === "string" ? step.inputs.region : undefined;
}

/** A failed step as an error of ours: AWS's code decides the class, and so the exit code and the advice. */
export function failureInfo(failure: EngineFailure): ErrorInfo {
  const { awsCode, class: failureClass, next, step } = classifyFailure(failure.message);
  const what =
    failure.step.type === INSTANCE_TYPE
      ? `node ${nodeNameOf(failure.step.name)}`
      : `${shortType(failure.step.type)} ${failure.step.name}`;
  if (BEYOND_PLAN.test(failure.message))
    return errorInfo(
      new SpotError("E_UNPLANNED", {
        message: `${what} would be changed in another way than was planned`,
        cause: failure.message,
      }),
    );
  const verb = failure.step.op.startsWith("delete") ? "deleted" : failure.step.op === "update" ? "updated" : "created";
  return errorInfo(
    new SpotError("E_CREATE", {
      message: `${what} could not be ${verb}${awsCode ? `: ${awsCode}` : ""}`,
      cause: failure.message,
      class: failureClass,
      next,
      step,
    }),
  );
}

/** The program itself failed, or there is no provider, or no way to the state: nothing of one resource, and nothing that another try would mend. */
export function createError(report: EngineReport, session: Pick<Session, "cli" | "target">): SpotError {
  if (report.unsaved !== undefined) return unsavedError(report.unsaved);
  const text = report.programErrors.join("\n");
  if (BEYOND_PLAN.test(text))
    return new SpotError("E_UNPLANNED", {
      message: "the engine would do something else now than was planned",
      cause: text,
    });
  if (!NO_PROVIDER.test(text)) return new SpotError("E_PROGRAM", { message: "the Pulumi program failed", cause: text });
  const download = report.warnings.filter((warning) => DOWNLOAD.test(warning)).slice(-1);
  return providerError([text, ...download.map(headLine)].join("\n"), session.cli, session.target.sandbox?.provider);
}

/** Each try to download is told as a warning, the last error only counts them. */
const DOWNLOAD = /^error downloading provider/;

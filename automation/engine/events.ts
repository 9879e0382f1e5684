import { BEYOND_PLAN } from "../../fleet/aws/error-codes";
import { NETWORK_UNMADE } from "../../fleet/plan/stack-config";
import type { EngineEvent } from "@pulumi/pulumi/automation";
import { NO_PROVIDER } from "./cli-errors";
import { failureText } from "./failure-text";

/** A step that the engine finished, with what it knows of the resource. */
export interface EngineStep {
  urn: string;
  type: string;
  /** The resource's logical name: the last part of the URN. */
  name: string;
  op: string;
  /** The provider's id; empty in a preview and for a failed create. */
  id: string;
  inputs: Record<string, unknown>;
  outputs: Record<string, unknown>;
  /** The inputs that are recorded for what is there already; absent for what is new. */
  before?: Record<string, unknown>;
  /** Properties that a replacement is because of, as the provider names them. */
  keys: readonly string[];
}

/** A step that failed, or a resource that was refused before any (op `check`), joined with the diagnostic that tells why. */
export interface EngineFailure {
  step: EngineStep;
  /** The provider's own words. */
  message: string;
}

/** What a run told, when it is over. */
export interface EngineReport {
  steps: EngineStep[];
  failures: EngineFailure[];
  /** Errors that belong to no resource: the program threw, there is no provider, a limit was hit. */
  programErrors: string[];
  /** Warnings that belong to the user. */
  warnings: string[];
  result: "succeeded" | "failed" | "canceled" | undefined;
  /** The program left out networks that are not whole, and failed because of that; the run went on with all the rest. */
  leavesOut: boolean;
  /** Why not all that was done could be written to the state; among `programErrors` too, and no failure of any resource. */
  unsaved?: string;
  /** The engine was asked to stop, by us or by somebody else: after that its result says "failed". */
  canceled: boolean;
}

/**
 * Called as soon as the engine tells it, or when the run is over for an error without a failed step of its own; must not
 * throw (the SDK swallows what is thrown here).
 */
export interface EngineListener {
  /** Something is about to be created. */
  attempt?(step: EngineStep): void;
  /** Something is about to be ended. */
  ending?(step: EngineStep): void;
  step?(step: EngineStep): void;
  failure?(failure: EngineFailure): void;
}

/** Steps that say nothing of their own: a replacement is told by its create and its delete. */
const LOGICAL_OPS = new Set(["replace", "read", "remove-pending-replace"]);

/** Steps that make something. */
export const CREATES: ReadonlySet<string> = new Set(["create", "create-replacement"]);

/** Steps that end something. */
export const DELETES: ReadonlySet<string> = new Set(["delete", "delete-replaced"]);

/** Diagnostics of the engine that are no news to the user, with the reason. */
const NOISE = [
  // The sandbox's provider is put on PATH by us.
  /using pulumi-resource-\S+ from \$PATH/,
  // Said once more in other words by the failure itself.
  /^(error: )?update (failed|canceled|cancelled)/i,
  /^(error: )?(preview|refresh) failed/i,
  /^(error: )?destroy failed/i,
];

/** The engine writes the state before and after each step; nothing else fails so (its resource/deploy/step_executor.go). */
const UNSAVED = /(?:pre-step|post-step|resource complete) event returned an error: ([^]*)/;

const CANCELED = /^(error: )?(update|destroy|refresh) cancell?ed/i;

/**
 * Folds the engine's events into steps and failures. The failure event carries no text: that comes before it in a
 * diagnostic with the same URN (shape measured in the project's engine notes, docs/decisions/0003).
 */
export function collectEvents(listener: EngineListener = {}): {
  onEvent: (event: EngineEvent) => void;
  report: () => EngineReport;
} {
  const diagnostics = new Map<string, string[]>();
  const failed = new Set<string>();
  const report: EngineReport = {
    steps: [],
    failures: [],
    programErrors: [],
    warnings: [],
    result: undefined,
    leavesOut: false,
    canceled: false,
  };

  /** URNs of what could not be written to the state: whatever else is said of them follows from that. */
  const unsaved = new Set<string | undefined>();
  const fail = (step: EngineStep, message: string): void => {
    const failure = { step, message };
    report.failures.push(failure);
    listener.failure?.(failure);
  };

  const onEvent = (event: EngineEvent): void => {
    if (event.diagnosticEvent) {
      const { urn, severity, message } = event.diagnosticEvent;
      const text = plain(message);
      if (CANCELED.test(text)) report.canceled = true;
      // "debug" is on the wire and not in the SDK's type.
      if ((severity as string) === "debug" || text === "" || NOISE.some((noise) => noise.test(text))) return;
      if (severity === "warning" && !urn) report.warnings.push(text);
      if (severity !== "error") return;
      const why = UNSAVED.exec(text)?.[1];
      if (why !== undefined) {
        if (report.unsaved === undefined) report.programErrors.push(why);
        report.unsaved ??= why;
        unsaved.add(urn);
      }
      if (unsaved.has(urn)) return;
      if (urn) diagnostics.set(urn, [...(diagnostics.get(urn) ?? []), text.replace(/^error:\s*/, "")]);
      else report.programErrors.push(text.replace(/^error:\s*/, ""));
      return;
    }
    if (event.resourcePreEvent) {
      const step = stepOf(event.resourcePreEvent.metadata);
      if (CREATES.has(step.op)) listener.attempt?.(step);
      if (DELETES.has(step.op)) listener.ending?.(step);
      return;
    }
    if (event.resOutputsEvent) {
      const step = stepOf(event.resOutputsEvent.metadata);
      if (isNews(step)) {
        report.steps.push(step);
        listener.step?.(step);
      }
      return;
    }
    if (event.resOpFailedEvent) {
      const step = stepOf(event.resOpFailedEvent.metadata);
      if (step.type === STACK_TYPE) return;
      failed.add(step.urn);
      if (unsaved.has(step.urn)) return;
      fail(step, failureText(diagnostics.get(step.urn) ?? []) || "the engine gave no reason");
      return;
    }
    // `result` is on the wire since 3.2xx and not yet in the SDK's type.
    if (event.summaryEvent) report.result = (event.summaryEvent as { result?: EngineReport["result"] }).result;
  };

  return {
    onEvent,
    report() {
      // What the program leaves out of a network that is not whole is missed by the plan that the run is held to.
      report.leavesOut ||= [...report.programErrors, ...[...diagnostics.values()].flat()].some(tellsOfNetworksAlone);
      const isNoError = (text: string): boolean =>
        report.leavesOut && (tellsOfNetworksAlone(text) || BEYOND_PLAN.test(text));
      report.programErrors = report.programErrors.filter((text) => !isNoError(text));
      // A failed check() has a diagnostic with a URN and no failure event of its own; so has a provider that is missing.
      for (const [urn, all] of diagnostics) {
        const texts = all.filter((text) => !isNoError(text));
        if (failed.has(urn) || texts.length === 0) continue;
        failed.add(urn);
        const { type, name } = urnParts(urn);
        const message = failureText(texts);
        if (type === STACK_TYPE || NO_PROVIDER.test(message)) {
          report.programErrors.push(...texts);
          continue;
        }
        fail({ urn, type, name, op: "check", id: "", inputs: {}, outputs: {}, keys: [] }, message);
      }
      return report;
    },
  };
}

export const STACK_TYPE = "pulumi:pulumi:Stack";

/** The program failed only to keep the engine from deleting: the run goes on with what did not fail. */
function tellsOfNetworksAlone(text: string): boolean {
  return text
    .trim()
    .split("\n")
    .every((line) => line.includes(NETWORK_UNMADE));
}

function isNews(step: EngineStep): boolean {
  return step.type !== STACK_TYPE && !LOGICAL_OPS.has(step.op);
}

type StepMetadata = NonNullable<EngineEvent["resOutputsEvent"]>["metadata"];

function stepOf(metadata: StepMetadata): EngineStep {
  const state = metadata.new ?? metadata.old;
  return {
    urn: metadata.urn,
    type: metadata.type,
    name: urnParts(metadata.urn).name,
    op: metadata.op,
    id: state?.id ?? "",
    inputs: state?.inputs ?? {},
    outputs: state?.outputs ?? {},
    ...(metadata.old?.inputs ? { before: metadata.old.inputs } : {}),
    keys: metadata.keys ?? [],
  };
}

/** The parts of `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME` that matter here. */
export function urnParts(urn: string): { type: string; name: string } {
  const parts = urn.split("::");
  const types = parts[2] ?? "";
  return { type: types.slice(types.lastIndexOf("$") + 1), name: parts.slice(3).join("::") };
}

/** Without colour directives (`<{%reset%}>`) and escape codes. */
function plain(text: string): string {
  return text
    .replace(/<\{%[^%]*%\}>/g, "")
    .replace(/\u001b\[[0-9;]*m/g, "")
    .trim();
}

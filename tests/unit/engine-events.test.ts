import assert from "node:assert/strict";
import type { EngineEvent } from "@pulumi/pulumi/automation";
import { collectEvents, urnParts } from "../../automation/engine/events";

const STACK = "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s";
const NODE = "urn:pulumi:s::p::spot-deployer:infra:SpotNode$aws:ec2/instance:Instance::us-west-2-0-spot";

const event = (fields: object): EngineEvent => ({ sequence: 0, timestamp: 0, ...fields }) as unknown as EngineEvent;
const outputs = (op: string, urn = NODE, id = "i-1") =>
  event({ resOutputsEvent: { metadata: { op, urn, type: urnParts(urn).type, new: { id, inputs: { region: "us-west-2" }, outputs: { publicIp: "198.18.0.10" } } } } });
const diagnostic = (severity: string, message: string, urn?: string) => event({ diagnosticEvent: { severity, message, urn } });
const failed = (urn = NODE) => event({ resOpFailedEvent: { metadata: { op: "create", urn, type: urnParts(urn).type }, status: 0, steps: 1 } });

function told(...events: EngineEvent[]) {
  const collected = collectEvents();
  for (const one of events) collected.onEvent(one);
  return collected.report();
}

describe("the engine's events", () => {
  it("become steps, without the stack itself and without the logical half of a replacement", () => {
    const { steps } = told(outputs("create", STACK), outputs("create-replacement"), outputs("replace"), outputs("delete-replaced"), outputs("same"));
    assert.deepEqual(steps.map(({ op }) => op), ["create-replacement", "delete-replaced", "same"]);
    assert.equal(steps[0]!.name, "us-west-2-0-spot");
    assert.equal(steps[0]!.id, "i-1");
  });

  it("join a failure with the diagnostic that tells why, colours removed", () => {
    const { failures, programErrors } = told(
      diagnostic("error", "<{%reset%}>error: creating: \u001b[31mInsufficientInstanceCapacity\u001b[0m<{%reset%}>", NODE),
      failed(),
      diagnostic("error", "update failed"),
    );
    assert.deepEqual(failures.map(({ message }) => message), ["creating: InsufficientInstanceCapacity"]);
    assert.deepEqual(programErrors, []);
  });

  it("know a failed check, which has no failure event of its own", () => {
    const { failures } = told(diagnostic("error", "property ami has a problem", NODE));
    assert.deepEqual(failures.map(({ step, message }) => [step.op, message]), [["check", "property ami has a problem"]]);
  });

  it("take an error without a resource, or of the stack, for the program's", () => {
    const { failures, programErrors } = told(diagnostic("error", "Error: thrown"), diagnostic("error", "of the stack", STACK), failed(STACK));
    assert.deepEqual(failures, []);
    assert.deepEqual(programErrors, ["Error: thrown", "of the stack"]);
  });

  it("leave out debug messages and the notice of the sandbox's own provider, and keep warnings for the user", () => {
    const { warnings } = told(diagnostic("debug", "x"), diagnostic("warning", "using pulumi-resource-aws from $PATH at /x"), diagnostic("warning", "mind this"));
    assert.deepEqual(warnings, ["mind this"]);
  });

  it("tell a listener while they come, and give the result", () => {
    const steps: string[] = [];
    const collected = collectEvents({ step: ({ op }) => void steps.push(op), failure: ({ message }) => void steps.push(message) });
    collected.onEvent(outputs("create"));
    collected.onEvent(failed());
    collected.onEvent(event({ summaryEvent: { result: "failed" } }));
    assert.deepEqual(steps, ["create", "the engine gave no reason"]);
    assert.equal(collected.report().result, "failed");
  });
});

import assert from "node:assert/strict";
import { NETWORK_UNMADE } from "../../../../fleet/plan/stack-config";
import type { EngineEvent } from "@pulumi/pulumi/automation";
import { collectEvents, urnParts } from "../../../../automation/engine/events";
import { createError, nodeListener } from "../../../../automation/operations/run/engine-events";
import type { Session } from "../../../../automation/session";
import type { ProviderKind } from "../../../../sandbox/home/records";

const STACK = "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s";
const NODE = "urn:pulumi:s::p::spot-deployer:infra:SpotNode$aws:ec2/instance:Instance::us-west-2-0-spot";
const PROVIDER = "urn:pulumi:s::p::pulumi:providers:aws::aws";

const event = (fields: object): EngineEvent => ({ sequence: 0, timestamp: 0, ...fields });
const outputs = (op: string, urn = NODE, id = "i-1") =>
  event({
    resOutputsEvent: {
      metadata: {
        op,
        urn,
        type: urnParts(urn).type,
        new: { id, inputs: { region: "us-west-2" }, outputs: { publicIp: "198.18.0.10" } },
      },
    },
  });
const diagnostic = (severity: string, message: string, urn?: string) =>
  event({ diagnosticEvent: { severity, message, urn } });
const failed = (urn = NODE) =>
  event({ resOpFailedEvent: { metadata: { op: "create", urn, type: urnParts(urn).type }, status: 0, steps: 1 } });

function told(...events: EngineEvent[]) {
  const collected = collectEvents();
  for (const one of events) collected.onEvent(one);
  return collected.report();
}

describe("the engine's events", () => {
  it("become steps, without the stack itself and without the logical half of a replacement", () => {
    const { steps } = told(
      outputs("create", STACK),
      outputs("create-replacement"),
      outputs("replace"),
      outputs("delete-replaced"),
      outputs("same"),
    );
    assert.deepEqual(
      steps.map(({ op }) => op),
      ["create-replacement", "delete-replaced", "same"],
    );
    assert.equal(steps[0]!.name, "us-west-2-0-spot");
    assert.equal(steps[0]!.id, "i-1");
  });

  it("tell once that the state could not be written, and not of the resources at which that was", () => {
    const unsaved = (when: string, urn: string) =>
      diagnostic("error", `${when} event returned an error: [403] The provided update token has expired`, urn);
    const follows = diagnostic("error", "cannot complete a resource whose registration isn't pending", NODE);
    const report = told(
      unsaved("pre-step", NODE),
      follows,
      failed(),
      unsaved("resource complete", STACK),
      unsaved("post-step", PROVIDER),
    );
    const words = "[403] The provided update token has expired";
    assert.deepEqual([report.unsaved, report.programErrors, report.failures], [words, [words], []]);
    const other = told(diagnostic("error", "api error Unsupported: no", NODE), failed());
    assert.deepEqual([other.unsaved, other.failures.length], [undefined, 1]);
  });

  it("tell of an instance that is about to be ended, while that lasts", () => {
    const emitted: unknown[] = [];
    const session = { reporter: { emit: (one: unknown) => void emitted.push(one) } } as unknown as Session;
    const { onEvent } = collectEvents(nodeListener(session));
    for (const op of ["delete-replaced", "replace", "same"])
      onEvent(
        event({
          resourcePreEvent: {
            metadata: {
              op,
              urn: NODE,
              type: urnParts(NODE).type,
              old: { id: "i-1", inputs: { region: "us-west-2" }, outputs: {} },
            },
          },
        }),
      );
    assert.deepEqual(emitted, [
      {
        type: "node",
        level: "info",
        node: { name: "us-west-2-0", region: "us-west-2", instanceId: "i-1" },
        phase: "ending",
        message: "Shutting down",
      },
    ]);
  });

  it("join a failure with the diagnostic that tells why, colours removed", () => {
    const { failures, programErrors } = told(
      diagnostic(
        "error",
        "<{%reset%}>error: creating: \u001b[31mInsufficientInstanceCapacity\u001b[0m<{%reset%}>",
        NODE,
      ),
      failed(),
      diagnostic("error", "update failed"),
    );
    assert.deepEqual(
      failures.map(({ message }) => message),
      ["creating: InsufficientInstanceCapacity"],
    );
    assert.deepEqual(programErrors, []);
  });

  it("know a failed check, which has no failure event of its own", () => {
    const { failures } = told(diagnostic("error", "property ami has a problem", NODE));
    assert.deepEqual(
      failures.map(({ step, message }) => [step.op, message]),
      [["check", "property ami has a problem"]],
    );
  });

  it("take an error without a resource, or of the stack, for the program's", () => {
    const { failures, programErrors } = told(
      diagnostic("error", "Error: thrown"),
      diagnostic("error", "of the stack", STACK),
      failed(STACK),
    );
    assert.deepEqual(failures, []);
    assert.deepEqual(programErrors, ["Error: thrown", "of the stack"]);
  });

  it("take no error of the program that only keeps parts of a network for one, nor what the plan misses of them", () => {
    const unmade = `us-west-2: ${NETWORK_UNMADE}; what stands there stays as it is\n`;
    const beyond = diagnostic("error", "expected resource operations for urn:x but none were seen", STACK);
    const { programErrors, leavesOut } = told(
      diagnostic("error", unmade),
      beyond,
      diagnostic("error", "Error: thrown"),
    );
    assert.deepEqual([programErrors, leavesOut], [["Error: thrown"], true]);
    assert.deepEqual([told(beyond).programErrors.length, told(beyond).leavesOut], [1, false]);
    assert.equal(told(diagnostic("error", `${unmade}eu-west-1: no image`)).programErrors.length, 1);
  });

  for (const [what, text] of [
    [
      "is not there",
      "no resource plugin 'pulumi-resource-aws' found in the workspace at version v7.48.0 or on your $PATH",
    ],
    [
      "cannot be downloaded",
      "Could not automatically download and install resource plugin 'pulumi-resource-aws' at version v7.48.0, install the plugin using `pulumi plugin install resource aws v7.48.0`: error downloading provider aws to file: failed all 5 attempts",
    ],
    ["cannot be started", "could not read plugin [/x/pulumi-resource-aws]: exit status 1"],
  ] as const) {
    it(`take a provider that ${what} for no failure of a resource: nothing of it can be tried again`, () => {
      const { failures, programErrors } = told(diagnostic("error", text, PROVIDER));
      assert.deepEqual([failures, programErrors], [[], [text]]);
    });
  }

  it("leave what else a provider says to AWS's own codes, so that it is judged like any call", () => {
    const { failures } = told(
      diagnostic("error", "unable to validate AWS credentials: api error ExpiredToken: x", PROVIDER),
    );
    assert.deepEqual(
      failures.map(({ step }) => step.type),
      ["pulumi:providers:aws"],
    );
  });

  it("tell a listener of an error that no operation failed for, once, when the run is over", () => {
    const heard: string[] = [];
    const collected = collectEvents({ failure: ({ step, message }) => void heard.push(`${step.name}: ${message}`) });
    collected.onEvent(diagnostic("error", "property ami has a problem", NODE));
    collected.onEvent(diagnostic("error", "and tags, too", NODE));
    assert.deepEqual(heard, [], "a failed operation may still follow");
    collected.report();
    collected.report();
    assert.deepEqual(heard, ["us-west-2-0-spot: property ami has a problem\nand tags, too"]);
  });

  it("leave out debug messages and the notice of the sandbox's own provider, and keep warnings for the user", () => {
    const { warnings } = told(
      diagnostic("debug", "x"),
      diagnostic("warning", "using pulumi-resource-aws from $PATH at /x"),
      diagnostic("warning", "mind this"),
    );
    assert.deepEqual(warnings, ["mind this"]);
  });

  it("tell a listener while they come, and give the result", () => {
    const steps: string[] = [];
    const collected = collectEvents({
      step: ({ op }) => void steps.push(op),
      failure: ({ message }) => void steps.push(message),
    });
    collected.onEvent(outputs("create"));
    collected.onEvent(failed());
    collected.onEvent(event({ summaryEvent: { result: "failed" } }));
    assert.deepEqual(steps, ["create", "the engine gave no reason"]);
    assert.equal(collected.report().result, "failed");
  });
});

describe("an engine's error that is no resource's", () => {
  const COULD_NOT =
    "Could not automatically download and install resource plugin 'pulumi-resource-aws' at version v7.48.0: failed all 5 attempts";
  const session = (provider?: ProviderKind) =>
    ({
      cli: { command: "/my cache/pulumi" },
      target: provider ? { sandbox: { provider: { kind: provider, version: "7.48.0" } } } : {},
    }) as Session;

  it("names the last reason of a download, and the command that installs the provider, by the CLI's own path", () => {
    const tries = ["dns", "connection refused"].map((why, at) =>
      diagnostic("warning", `error downloading provider: Get "https://x": ${why}\nWill retry in 80ms [${at + 1}/5]`),
    );
    const error = createError(told(...tries, diagnostic("error", COULD_NOT, PROVIDER)), session());
    assert.deepEqual([error.code, error.class, error.exitCode], ["E_PROVIDER", "tooling", 1]);
    assert.equal(error.cause, `${COULD_NOT}\nerror downloading provider: Get "https://x": connection refused`);
    assert.match(error.next, /run `'\/my cache\/pulumi' plugin install resource aws v7\.48\.0 --reinstall`/);
    assert.match(
      createError(told(diagnostic("error", "could not read plugin [/x]: exit status 1", PROVIDER)), session()).next,
      /install resource aws --reinstall`/,
    );
  });

  it("sends nobody to the network for the provider of the sandbox, and says of the official one how to do without it", () => {
    const next = (kind: ProviderKind) =>
      createError(told(diagnostic("error", COULD_NOT, PROVIDER)), session(kind)).next;
    assert.match(next("stand-in"), /^Restore sandbox\/provider/);
    assert.match(
      next("official"),
      /^Install it anew \(`'\/my cache\/pulumi' plugin install resource aws v7\.48\.0 --reinstall`\), or .*SPOT_SANDBOX_PROVIDER=stand-in/,
    );
  });

  it("is the program's otherwise", () => {
    assert.equal(createError(told(diagnostic("error", "Error: thrown")), session()).code, "E_PROGRAM");
    const unsaved = "post-step event returned an error: [500] no (Request ID: 1)";
    assert.equal(createError(told(diagnostic("error", unsaved, NODE)), session()).code, "E_BACKEND");
    const lost = "Target 'urn:x' could not be found in the stack. Did you forget to escape $ in your shell?";
    assert.equal(createError(told(diagnostic("error", lost)), session()).code, "E_UNPLANNED");
  });
});

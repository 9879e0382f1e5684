import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { EngineFailure, EngineStep } from "../../../../../automation/engine/events";
import type { EngineOutcome, UpOptions } from "../../../../../automation/engine/stack";
import { readStackSettings } from "../../../../../automation/engine/stack-config";
import { EMPTY_STATE, INSTANCE_TYPE, nodeUrns, type StateNode } from "../../../../../automation/engine/state";
import type { UpPlan, UpRequest } from "../../../../../automation/operations/plan/plan-up";
import type { UpRun } from "../../../../../automation/operations/up/progress";
import type { Session } from "../../../../../automation/session";
import { neverInterrupted } from "../../../../../automation/session/interrupts";
import type { ErrorInfo } from "../../../../../fleet/errors";
import type { Candidate } from "../../../../../fleet/aws/pools";
import type { NodePin, Pins, Pool, RegionPin, Slot } from "../../../../../fleet/model";
import { changesBetween, type NodeChange } from "../../../../../fleet/plan/changes";
import { slotsOf } from "../../../../../fleet/plan/slots";

export const STACK = "scripted";
export const REGION = "us-west-2";
export const REGION_PIN: RegionPin = { network: "create", availabilityZones: ["us-west-2a"], securityGroups: [] };

export function poolIn(zone: string): Pool {
  return { region: REGION, availabilityZone: `${REGION}${zone}`, instanceType: "t3.medium", market: "spot" };
}

/** Of the given image in the region's zone `a`, unless another one is named. */
export function pinOf(ami: string, zone = "a"): NodePin {
  return { ami, pool: poolIn(zone) };
}

/** The generation of a node is its image's: what differs in nothing else. */
const generationOf = ({ ami }: NodePin): string => `generation of ${ami}`;

export function recorded(name: string, pin: NodePin, instanceId = `i-${name}`): StateNode {
  return {
    name,
    urn: nodeUrns(STACK, name, pin.pool.market)[1]!,
    instanceId,
    pin,
    generation: generationOf(pin),
    subnetId: "subnet-1",
    address: "203.0.113.5",
    created: undefined,
  };
}

/** What the engine did in one run: which nodes it recorded, forgot and could not make. */
export interface EngineDoes {
  makes?: StateNode[];
  /** Recorded by a step that failed. */
  leaves?: StateNode[];
  ends?: string[];
  refuses?: { node: string; message: string }[];
  programError?: string;
}

/** An engine that has its runs by heart. It has no more of them than the test says: one too many fails. */
export class ScriptedRun {
  /** What each engine run was about, in their order. */
  readonly scopes: Pick<UpOptions, "target" | "replace" | "plan" | "isSerial">[] = [];
  /** What the program declared in each: the markets of the nodes, by name. */
  readonly markets: Record<string, string>[] = [];
  /** What was told, as one line each. */
  readonly told: string[] = [];
  readonly ended: string[] = [];
  /** What each later question about its plans was about. */
  readonly asked: (string[] | undefined)[] = [];
  private readonly directory = mkdtempSync(path.join(os.tmpdir(), "spot-up-"));
  private nodes: StateNode[];
  /** What is recorded beside the nodes. */
  private others: EngineStep[];
  readonly run: UpRun;

  constructor(
    private readonly script: EngineDoes[],
    private readonly given: {
      nodes: StateNode[];
      /** Pins by node name; a slot without one has no place. */
      wanted: Record<string, NodePin>;
      /** Nodes of the region. */
      count: number;
      candidates?: Candidate[];
      /** What the engine plans beside the nodes, and by which document it is held to it. */
      plans?: { others: EngineStep[]; document?: string; failures?: ErrorInfo[] };
      /** What it plans when it is asked again. */
      plansAgain?: EngineStep[];
      /** What a refresh shows of nodes, by their instances. */
      shows?: StateNode[];
      request?: Partial<UpRequest>;
    },
  ) {
    this.nodes = given.nodes;
    this.others = (given.plans?.others ?? []).filter(({ op }) => op !== "create");
    const session = this.session();
    const config = { regions: [{ name: REGION, count: given.count }], maxUnavailable: 1 };
    const slots = slotsOf(config as unknown as Parameters<typeof slotsOf>[0]);
    const pins: Pins = {
      version: 1,
      regions: { [REGION]: REGION_PIN },
      nodes: given.wanted,
      launches: {},
      unplaced: {},
      ssh: { allow: [], callers: [], publicKey: "ssh-ed25519 AAAA" },
    };
    const desired = slots.flatMap((slot) => {
      const pin = given.wanted[slot.name];
      return pin ? [{ slot, pin, generation: generationOf(pin) }] : [];
    });
    const changes = deepFrozen(changesBetween(desired, this.nodes));
    const plan = {
      session,
      account: "123456789012",
      definition: {
        config,
        configFile: path.join(this.directory, "config.yaml"),
        slots,
        payload: { manifest: { version: 1, digest: "", entries: [] }, sources: new Map(), size: 0 },
        material: { programDigest: "", template: {} },
        launchSpec: (_slot: Slot, pin: NodePin) => ({ generation: generationOf(pin) }),
      },
      decisions: {
        // Whatever writes into a decision throws.
        pins: deepFrozen(pins),
        asked: new Map(),
        failedRegions: [],
        offers: {
          regionsFor: () => [REGION],
          of: () => Promise.resolve({ offer: { region: REGION, pin: REGION_PIN }, candidates: given.candidates ?? [] }),
        },
      },
      changes,
      resources: [],
      drift: [],
      undeclared: (given.plans?.others ?? []).flatMap(({ op, urn }) => (op === "delete" ? [urn] : [])),
      held: [],
      // What it is asked about an empty record goes without saying.
      engine:
        given.nodes.length === 0
          ? undefined
          : {
              steps: [...changes.flatMap(plannedSteps), ...(given.plans?.others ?? [])],
              document: given.plans?.document,
              pins,
              failures: given.plans?.failures ?? [],
            },
    } as unknown as UpPlan;
    this.run = {
      plan,
      request: { config, configFile: "", text: "", wait: true, ...given.request } as UpRequest,
      regions: [],
      ended: (instanceId) => void this.ended.push(instanceId),
      stop: new AbortController(),
    };
  }

  /** The pins as the program would read them now. */
  get pinsWritten(): Pins | undefined {
    return readStackSettings(this.configFile).pins;
  }

  /** Where a fleet is kept to go back to; the folder need not be there. */
  get keptFleet(): string {
    return path.join(this.directory, "verified");
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private get configFile(): string {
    return path.join(this.directory, `Pulumi.${STACK}.yaml`);
  }

  private get state() {
    const ofNodes = this.nodes.map(({ urn, name, instanceId, address }) => ({
      urn,
      type: INSTANCE_TYPE,
      name,
      custom: true,
      id: instanceId,
      inputs: {},
      outputs: {},
      created: undefined,
      isHalfMade: address === undefined,
    }));
    const resources = [...ofNodes, ...this.others.map((step) => ({ ...step, custom: true, created: undefined }))];
    return { ...EMPTY_STATE, resources, nodes: this.nodes, regions: [REGION] };
  }

  private session(): Session {
    return {
      projectDir: this.directory,
      lineage: "0123456789abcdef",
      target: { stack: STACK, scratch: this.directory, foreignEndpoints: {}, kind: "sandbox" },
      identity: { account: "123456789012", region: REGION },
      interrupts: neverInterrupted(),
      reporter: { emit: (event: { message?: string }) => void this.told.push(event.message ?? "") },
      settings: {},
      state: this.state,
      told: new Set(),
      stack: {
        configFile: this.configFile,
        keptFleet: this.keptFleet,
        readState: () => Promise.resolve(this.state),
        up: (options: UpOptions) => Promise.resolve(this.up(options)),
        refresh: () => {
          const { shows = [] } = this.given;
          this.nodes = this.nodes.map((node) => shows.find(({ instanceId }) => instanceId === node.instanceId) ?? node);
          return Promise.resolve({ failures: [], programErrors: [] });
        },
        preview: ({ target }: UpOptions) => {
          this.asked.push(target);
          return Promise.resolve({
            steps: this.given.plansAgain ?? [],
            plan: "again",
            failures: [],
            programErrors: [],
          });
        },
        writeRecord: () => Promise.resolve({ ok: true, failures: [], programErrors: [] }),
        readRecordedSecret: () => Promise.resolve(undefined),
        writeSecretConfig: () => Promise.resolve(),
      },
    } as unknown as Session;
  }

  /** The engine fails a run with a target that is neither recorded nor declared. */
  private isKnown(urn: string): boolean {
    const declared = Object.entries(this.pinsWritten?.nodes ?? {}).flatMap(([name, { pool }]) =>
      nodeUrns(STACK, name, pool.market),
    );
    const others = (this.given.plans?.others ?? []).filter(({ op }) => op !== "delete");
    const known = [...declared, ...[...others, ...this.others, ...this.nodes].map((one) => one.urn)];
    return urn.includes("*") || known.includes(urn);
  }

  private up({ listener, target, replace, plan, isSerial }: UpOptions): EngineOutcome {
    this.scopes.push({
      ...(target && { target }),
      ...(replace && { replace }),
      ...(plan !== undefined && { plan }),
      ...(isSerial && { isSerial }),
    });
    const nodes = Object.entries(this.pinsWritten?.nodes ?? {});
    this.markets.push(Object.fromEntries(nodes.map(([name, { pool }]) => [name, pool.market])));
    const does = this.script.shift();
    if (does === undefined) throw new Error("the script has no such engine run");
    const { makes = [], leaves = [], ends = [], refuses = [] } = does;
    const unknown = target?.find((urn) => !this.isKnown(urn));
    const programError = does.programError ?? (unknown && `Target '${unknown}' could not be found in the stack.`);
    this.others = this.others.filter(({ urn, op }) => op !== "delete" || (target && !target.includes(urn)));
    const gone = this.nodes.filter(({ name }) => [...ends, ...makes.map((made) => made.name)].includes(name));
    this.nodes = [...this.nodes.filter((node) => !gone.includes(node)), ...makes, ...leaves];
    const steps = [
      ...gone.map((node) => stepOf(node, "delete-replaced")),
      ...makes.map((node) => stepOf(node, "create")),
    ];
    const failures = refuses.map(
      ({ node, message }): EngineFailure => ({
        step: { ...stepOf(recorded(node, pinOf("none")), "create"), id: "" },
        message,
      }),
    );
    for (const step of steps) listener?.step?.(step);
    for (const failure of failures) listener?.failure?.(failure);
    const ok = failures.length === 0 && programError === undefined;
    return {
      steps,
      failures,
      programErrors: programError === undefined ? [] : [programError],
      warnings: [],
      result: ok ? "succeeded" : "failed",
      leavesOut: false,
      canceled: false,
      ok,
      interrupted: false,
    };
  }
}

/** A step of the engine's on something that is no node. */
export function otherStep(type: string, op: string, region = REGION): EngineStep {
  const urn = `urn:pulumi:${STACK}::spot-deployer::aws:ec2/${type}::${region}`;
  const inputs = { region };
  return { urn, type: `aws:ec2/${type}`, name: region, op, id: "", inputs, outputs: {}, before: inputs, keys: [] };
}

function stepOf({ name, pin, instanceId, urn, address }: StateNode, op: string): EngineStep {
  const inputs = { region: pin.pool.region };
  return {
    urn,
    type: INSTANCE_TYPE,
    name: `${name}-spot`,
    op,
    id: instanceId,
    inputs,
    outputs: { publicIp: address },
    keys: [],
  };
}

/** What the engine says of a change: it makes, replaces and ends what we do. */
function plannedSteps({ kind, name, to, from }: NodeChange): EngineStep[] {
  const op = { create: "create", replace: "create-replacement", update: "update", delete: "delete", same: "same" }[
    kind
  ];
  return [stepOf(recorded(name, (to ?? from).pin), op)];
}

function deepFrozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFrozen);
  return Object.freeze(value);
}

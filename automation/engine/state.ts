import { STOPPED } from "../../fleet/drift/compare";
import { AwsType, isOfAws } from "../../fleet/aws/resource-types";
import { parseGenerationTag } from "../../fleet/identity/launch";
import { Tag, type Market, type NodePin, type NodeRef } from "../../fleet/model";
import { parseRecord, PROJECT, RECORD, STASH_TYPE, StackKey, type FleetRecord } from "../../fleet/plan/stack-config";
import { shortName } from "../../fleet/identity/ownership";
import { parseEndpoints, type Endpoints } from "../../project/aws-endpoints";
import { STACK_TYPE, urnParts } from "./events";

/** A resource as the state holds it. */
export interface StateResource {
  urn: string;
  type: string;
  name: string;
  custom: boolean;
  id: string;
  inputs: Record<string, unknown>;
  outputs: Record<string, unknown>;
  created: string | undefined;
  /**
   * Made, or changed, and not seen whole since: the call that followed failed. It is recorded as it was wanted, so an
   * update finds nothing to do; a refresh tells what there is.
   */
  isHalfMade: boolean;
}

/** A node as the state knows it. */
export interface StateNode {
  name: string;
  urn: string;
  instanceId: string;
  pin: NodePin;
  generation: string;
  /** Absent for an instance that an earlier version made. */
  launch?: string;
  subnetId: string;
  address: string | undefined;
  /** ISO 8601. */
  created: string | undefined;
}

/** The node as events and tables name it. */
export function refOf({ name, pin, instanceId, address }: StateNode): NodeRef & { instanceId: string } {
  return { name, region: pin.pool.region, instanceId, address };
}

/** What a stack's state tells, without decrypting anything. */
export interface StackState {
  resources: StateResource[];
  nodes: StateNode[];
  /** What the last run of the program wrote down about the fleet as a whole; earlier versions wrote nothing. */
  record: FleetRecord | undefined;
  lineage: string | undefined;
  /** The account that the program was given, 12 digits. */
  account: string | undefined;
  /** The endpoints outside AWS to which the stack is bound. */
  endpoints: Endpoints | undefined;
  /** Every region in which the state holds a resource. */
  regions: string[];
  /** Operations that a killed run left unfinished. */
  pending: PendingOperation[];
}

/** It records nothing that exists somewhere: components, providers and recorded decisions are of the program alone. */
export function holdsNothing({ resources, pending }: Pick<StackState, "resources" | "pending">): boolean {
  return pending.length === 0 && !resources.some(({ type }) => isOfAws(type));
}

/** An operation that the engine had begun and did not come to record. */
export interface PendingOperation {
  urn: string;
  type: string;
  region: string | undefined;
  inputs: Record<string, unknown>;
  creating: boolean;
}

export const EMPTY_STATE: StackState = {
  resources: [],
  nodes: [],
  record: undefined,
  lineage: undefined,
  account: undefined,
  endpoints: undefined,
  regions: [],
  pending: [],
};

export const INSTANCE_TYPE = AwsType.instance;
/** The component of a node (infra/spot-node.ts). */
export const NODE_TYPE = "spot-deployer:infra:SpotNode";
/** The component of a region's network, which has the region's name (infra/region-network.ts). */
export const NETWORK_TYPE = "spot-deployer:infra:RegionNetwork";

/** The URNs of a node that the state does not hold (any more): its component and its instance (infra/spot-node.ts). */
export function nodeUrns(stack: string, name: string, market: Market): string[] {
  return [urnOf(stack, NODE_TYPE, name), urnOf(stack, `${NODE_TYPE}$${INSTANCE_TYPE}`, `${name}-${market}`)];
}

/** Targets for all of a region's network that the state does not hold: its component and what is in it (infra/region-network.ts). */
export function networkUrns(stack: string, region: string): string[] {
  return [urnOf(stack, NETWORK_TYPE, region), urnOf(stack, `${NETWORK_TYPE}$**`, `${region}**`)];
}

/** The URN of the fleet's record (infra/record.ts). */
export const recordUrn = (stack: string): string => urnOf(stack, STASH_TYPE, RECORD);

const urnOf = (stack: string, type: string, name: string): string =>
  `urn:pulumi:${shortName(stack)}::${PROJECT}::${type}::${name}`;

/**
 * URNs of what the record has only as it was wanted: what is half made, and instances that were seen before they had an
 * address. One that was seen to stand still has none either.
 */
export function unseenOf({ resources, nodes }: Pick<StackState, "resources" | "nodes">): string[] {
  const unaddressed = new Set(nodes.flatMap(({ urn, address }) => (address === undefined ? [urn] : [])));
  return resources
    .filter(
      ({ urn, outputs, isHalfMade }) =>
        isHalfMade || (unaddressed.has(urn) && !STOPPED.has(text(outputs.instanceState))),
    )
    .map(({ urn }) => urn);
}

/** AWS's ids of everything that a state holds; the root volume of an instance has no resource of its own. */
export function recordedIds({ resources }: Pick<StackState, "resources">): Set<string> {
  return new Set(
    resources
      .flatMap(({ id, outputs }) => [
        id,
        text((outputs.rootBlockDevice as { volumeId?: unknown } | undefined)?.volumeId),
      ])
      .filter((id) => id !== ""),
  );
}

interface Deployment {
  deployment?: {
    resources?: {
      urn: string;
      custom?: boolean;
      id?: string;
      delete?: boolean;
      pendingReplacement?: boolean;
      inputs?: Record<string, unknown>;
      outputs?: Record<string, unknown>;
      created?: string;
      /** What went wrong after it was made, or changed. */
      initErrors?: string[] | null;
    }[];
    pending_operations?: { type?: string; resource?: { urn?: string; inputs?: Record<string, unknown> } }[];
  };
}

/** Reads what `pulumi stack export` prints (secrets stay encrypted in it). */
export function stateOf(exported: unknown): StackState {
  const deployment = (exported as Deployment | null)?.deployment;
  // Deleted to be made anew, and not made yet: the engine remembers it, but it is not there.
  const awaited = new Set(
    (deployment?.resources ?? []).flatMap(({ urn, pendingReplacement }) => (pendingReplacement ? [urn] : [])),
  );
  const resources = (deployment?.resources ?? []).map(
    (resource): StateResource => ({
      urn: resource.urn,
      ...urnParts(resource.urn),
      custom: resource.custom ?? false,
      id: resource.id ?? "",
      inputs: resource.inputs ?? {},
      outputs: resource.outputs ?? {},
      created: resource.created,
      // What is ended, or waits for it, is not looked at any more: its errors stay with it.
      isHalfMade: !resource.pendingReplacement && !resource.delete && (resource.initErrors ?? []).length > 0,
    }),
  );
  const outputs = resources.find(({ type }) => type === STACK_TYPE)?.outputs ?? {};
  const owned = resources.filter(
    (resource) => resource.custom && typeof resource.inputs.region === "string" && isOfAws(resource.type),
  );
  const record = recordOf(resources);
  return {
    resources,
    record,
    nodes: owned.filter(({ urn, type, id }) => type === INSTANCE_TYPE && id !== "" && !awaited.has(urn)).map(nodeOf),
    lineage:
      owned.map(({ inputs }) => tagsOf(inputs)[Tag.lineage]).find((lineage) => lineage !== undefined) ??
      record?.lineage,
    account: record?.account ?? (text(outputs[StackKey.account]) || undefined),
    endpoints: record?.endpoints ?? parseEndpoints(outputs[StackKey.endpoints]),
    regions: [...new Set(owned.map(({ inputs }) => inputs.region as string))].sort(),
    pending: (deployment?.pending_operations ?? []).map(({ type, resource }) => {
      const { urn = "", inputs = {} } = resource ?? {};
      return {
        urn,
        type: urnParts(urn).type,
        region: text(inputs.region) || undefined,
        inputs,
        creating: type === "creating",
      };
    }),
  };
}

const isRecord = ({ urn }: { urn: string }): boolean => urn.endsWith(`::${STASH_TYPE}::${RECORD}`);

function recordOf(resources: readonly StateResource[]): FleetRecord | undefined {
  return parseRecord(resources.find(isRecord)?.inputs.input);
}

/**
 * The fleet's secret in what `pulumi stack export --show-secrets` prints: of its record, or of the stack's outputs, where
 * earlier versions kept it. Undefined for a stack that has none yet.
 */
export function fleetSecretOf(exported: unknown): string | undefined {
  const resources = (exported as Deployment | null)?.deployment?.resources ?? [];
  const record = resources.find(isRecord)?.inputs?.input as Record<string, unknown> | undefined;
  const outputs = resources.find(({ urn }) => urnParts(urn).type === STACK_TYPE)?.outputs;
  const kept = record?.[StackKey.fleetSecret] ?? outputs?.[StackKey.fleetSecret];
  const plain = (kept as { plaintext?: unknown } | undefined)?.plaintext;
  return typeof plain === "string" ? (JSON.parse(plain) as string) : undefined;
}

function nodeOf(resource: StateResource): StateNode {
  const { inputs, outputs } = resource;
  const tags = tagsOf(inputs);
  return {
    name: tags[Tag.node] ?? resource.name,
    urn: resource.urn,
    instanceId: resource.id,
    pin: {
      ami: text(inputs.ami),
      pool: {
        region: text(inputs.region),
        // Earlier versions did not ask for it.
        availabilityZone: text(inputs.availabilityZone) || text(outputs.availabilityZone),
        instanceType: text(inputs.instanceType),
        market: marketOf(resource.name),
      },
    },
    ...parseGenerationTag(tags[Tag.generation] ?? ""),
    subnetId: text(inputs.subnetId),
    address: text(outputs.publicIp) || undefined,
    created: resource.created,
  };
}

/** An instance's logical name ends with its market (infra/spot-node.ts says why). */
function marketOf(logicalName: string): Market {
  return logicalName.endsWith("-on-demand") ? "on-demand" : "spot";
}

/** The name of the node that an instance's logical name stands for. */
export function nodeNameOf(logicalName: string): string {
  return logicalName.replace(/-(spot|on-demand)$/, "");
}

export function tagsOf(inputs: Record<string, unknown>): Record<string, string> {
  const tags = inputs.tags;
  return typeof tags === "object" && tags !== null ? (tags as Record<string, string>) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

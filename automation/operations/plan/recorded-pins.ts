import type { FormerNetwork, NodePin, Pins, RegionPin } from "../../../fleet/model";
import { cidrOfSshRule, SSH_RULE } from "../../../fleet/aws/network";
import { AwsType } from "../../../fleet/aws/resource-types";
import type { StackState, StateNode, StateResource } from "../../engine/state";
import { MADE, networkFits, networkId, type RecordedGroup } from "../../../fleet/plan/pins";

/** What the state alone tells of the decisions that were taken. Complete for everything that exists. */
export interface RecordedPins {
  /** The network of each region; while its nodes move to another one, that which the configuration asks for. */
  regions: Record<string, RegionPin>;
  /** Every network of a region, made for the fleet or with nodes of it: that with the most nodes first. */
  networks: Record<string, RegionPin[]>;
  /** By region: some may be of a network that no node stands in. */
  groups: Record<string, RecordedGroup[]>;
  nodes: Record<string, NodePin>;
  /** By node name. */
  standsIn: Record<string, RegionPin>;
  callers: string[];
}

/**
 * Rebuilds the pins from the state, so that a lost `Pulumi.<stack>.yaml` changes nothing.
 * @param wanted the network that the configuration asks for
 */
export function recordedPins(state: StackState, wanted: string): RecordedPins {
  const recorded: RecordedPins = {
    regions: {},
    networks: {},
    groups: {},
    nodes: Object.fromEntries(state.nodes.map(({ name, pin }) => [name, pin])),
    standsIn: {},
    callers: callersOf(state),
  };
  for (const region of state.regions) {
    const facts = factsOf(state, region);
    const networks = networksOf(facts);
    const pins = networks.map(({ pin }) => pin);
    const current = pins.find((pin) => networkFits(pin, wanted)) ?? pins[0];
    if (current) recorded.regions[region] = current;
    recorded.networks[region] = pins;
    recorded.groups[region] = facts.groups;
    for (const { pin, nodes } of networks) for (const { name } of nodes) recorded.standsIn[name] = pin;
  }
  return recorded;
}

/**
 * The pins with each recorded node in the network that it stands in, where it is to move to another one.
 * @param leaving ids of the instances whose turn has come
 */
export function withFormer(pins: Pins, state: StackState, leaving: ReadonlySet<string>): Pins {
  const rest = { ...pins };
  delete rest.former;
  const former = Object.fromEntries(
    state.regions.flatMap((region): [string, FormerNetwork[]][] => {
      const found = networksOf(factsOf(state, region)).flatMap(({ pin: network, nodes }): FormerNetwork[] => {
        const waiting = nodes.flatMap(({ name, instanceId, pin }): [string, NodePin][] => {
          const decided = pins.nodes[name];
          if (decided === undefined || leaving.has(instanceId)) return [];
          const next = pins.regions[decided.pool.region];
          const isThere = decided.pool.region === region && next && networkId(next) === networkId(network);
          return isThere ? [] : [[name, pin]];
        });
        return waiting.length === 0 ? [] : [{ network, nodes: Object.fromEntries(waiting) }];
      });
      return found.length === 0 ? [] : [[region, found]];
    }),
  );
  return Object.keys(former).length === 0 ? rest : { ...rest, former };
}

/** The addresses that were confirmed and are recorded. */
export function callersOf(state: StackState): string[] {
  const callers = ofType(state, AwsType.ingressRule)
    .filter(({ inputs }) => inputs.description === SSH_RULE.caller)
    .flatMap(({ name }) => cidrOfSshRule(name) ?? []);
  return [...new Set(callers)].sort();
}

/** What is recorded in one region. */
interface RegionFacts {
  region: string;
  /** The fleet has a network of its own there. */
  isMade: boolean;
  subnets: StateResource[];
  groups: (RecordedGroup & { id: string })[];
  nodes: (StateNode & { attached: string[] })[];
}

/**
 * The record with the security groups that its instances had in an earlier one: a group that somebody attached outside to
 * one of them is nothing that was decided on for all.
 */
export function withGroupsOf(state: StackState, before: StackState): StackState {
  if (state === before) return state;
  const groups = new Map(ofType(before, AwsType.instance).map(({ id, inputs }) => [id, inputs.vpcSecurityGroupIds]));
  const resources = state.resources.map((resource) => {
    const vpcSecurityGroupIds = resource.type === AwsType.instance ? groups.get(resource.id) : undefined;
    return vpcSecurityGroupIds === undefined
      ? resource
      : { ...resource, inputs: { ...resource.inputs, vpcSecurityGroupIds } };
  });
  return { ...state, resources };
}

function factsOf(state: StackState, region: string): RegionFacts {
  const here = (type: string) => ofType(state, type).filter(({ inputs }) => inputs.region === region);
  const vpcs = new Set(here(AwsType.vpc).map(({ id }) => id));
  const instances = new Map(here(AwsType.instance).map((instance) => [instance.id, instance.inputs]));
  return {
    region,
    isMade: vpcs.size > 0,
    subnets: here(AwsType.subnet),
    groups: here(AwsType.securityGroup).map(({ id, name, inputs }) => {
      const vpcId = inputs.vpcId as string;
      return { id, name, network: vpcs.has(vpcId) ? MADE : vpcId };
    }),
    nodes: state.nodes
      .filter(({ pin }) => pin.pool.region === region)
      .map((node) => {
        const attached = instances.get(node.instanceId)?.vpcSecurityGroupIds as string[] | undefined;
        return { ...node, attached: attached ?? [] };
      }),
  };
}

interface RecordedNetwork {
  pin: RegionPin;
  nodes: StateNode[];
}

/** The networks of a region, that with the most nodes first. */
function networksOf(facts: RegionFacts): RecordedNetwork[] {
  const networks = [...new Set([...(facts.isMade ? [MADE] : []), ...facts.groups.map(({ network }) => network)])];
  return networks
    .flatMap((network) => {
      const nodes = facts.nodes.filter((node) => networks.length === 1 || placeOf(facts, node) === network);
      const pin = pinOf(facts, network, nodes);
      return pin ? [{ pin, nodes }] : [];
    })
    .sort((a, b) => b.nodes.length - a.nodes.length);
}

/** In which network a node stands. */
function placeOf({ subnets, groups }: RegionFacts, { subnetId, attached }: RegionFacts["nodes"][number]): string {
  if (subnets.some(({ id }) => id === subnetId)) return MADE;
  return groups.find(({ id }) => attached.includes(id))?.network ?? "";
}

/** Undefined where too little is recorded: no subnet of it. */
function pinOf(
  { region, subnets, groups }: RegionFacts,
  network: string,
  nodes: RegionFacts["nodes"],
): RegionPin | undefined {
  const group = groups.find((one) => one.network === network)?.name ?? region;
  const own = group === region ? {} : { group };
  if (network === MADE) {
    const availabilityZones = subnets.map(({ inputs }) => inputs.availabilityZone as string).sort();
    return subnets.length === 0 ? undefined : { network: "create", availabilityZones, securityGroups: [], ...own };
  }
  if (nodes.length === 0) return undefined;
  const attached = new Set(nodes.flatMap((node) => node.attached));
  return {
    network: "existing",
    vpcId: network,
    subnets: Object.fromEntries(nodes.map(({ pin, subnetId }) => [pin.pool.availabilityZone, subnetId])),
    securityGroups: [...attached].filter((id) => groups.every((one) => one.id !== id)),
    ...own,
  };
}

function ofType(state: StackState, type: string): StateResource[] {
  return state.resources.filter((resource) => resource.type === type);
}

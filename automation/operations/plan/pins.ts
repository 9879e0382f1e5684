import type { FleetConfig } from "../../../fleet/config";
import type { NodePin, Pins, RegionPin } from "../../../fleet/model";
import { SSH_RULE } from "../../../fleet/aws/network";
import type { StackState, StateResource } from "../../engine/state";

/** What the state alone tells of the decisions that were taken. Complete for everything that exists. */
export interface RecordedPins {
  regions: Record<string, RegionPin>;
  nodes: Record<string, NodePin>;
  callers: string[];
}

/** Rebuilds the pins from the state, so that a lost `Pulumi.<stack>.yaml` changes nothing. */
export function recordedPins(state: StackState): RecordedPins {
  const regions: Record<string, RegionPin> = {};
  for (const region of state.regions) {
    const pin = recordedRegion(state, region);
    if (pin) regions[region] = pin;
  }
  return {
    regions,
    nodes: Object.fromEntries(state.nodes.map(({ name, pin }) => [name, pin])),
    callers: [
      ...new Set(
        ofType(state, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
          .filter(({ inputs }) => inputs.description === SSH_RULE.caller)
          .map(({ inputs }) => (inputs.cidrIpv4 ?? inputs.cidrIpv6) as string),
      ),
    ].sort(),
  };
}

function recordedRegion(state: StackState, region: string): RegionPin | undefined {
  const here = (type: string) => ofType(state, type).filter(({ inputs }) => inputs.region === region);
  const vpcs = here("aws:ec2/vpc:Vpc");
  const [group] = here("aws:ec2/securityGroup:SecurityGroup");
  if (vpcs.length > 0) {
    const zones = here("aws:ec2/subnet:Subnet").map(({ inputs }) => inputs.availabilityZone as string);
    return zones.length === 0 ? undefined : { network: "create", availabilityZones: zones.sort(), securityGroups: [] };
  }
  const nodes = state.nodes.filter(({ pin }) => pin.pool.region === region);
  if (!group || nodes.length === 0) return undefined;
  const [instance] = here("aws:ec2/instance:Instance");
  const groups = (instance?.inputs.vpcSecurityGroupIds as string[] | undefined) ?? [];
  return {
    network: "existing",
    vpcId: group.inputs.vpcId as string,
    subnets: Object.fromEntries(nodes.map(({ pin, subnetId }) => [pin.pool.availabilityZone, subnetId])),
    securityGroups: groups.filter((id) => id !== group.id),
  };
}

function ofType(state: StackState, type: string): StateResource[] {
  return state.resources.filter((resource) => resource.type === type);
}

/**
 * Does what is recorded still fit what the configuration asks for? A node keeps its pool and image; machine types,
 * markets and network are the user's to change, and a change of them decides anew. A node in another region than its
 * own was made as that region's nodes are, and is judged by that region's settings.
 */
export function keeps(pin: NodePin | undefined, region: RegionPin | undefined, config: FleetConfig): boolean {
  const wanted = config.regions.find(({ name }) => name === pin?.pool.region);
  if (!pin || !region || !wanted) return false;
  const { instanceType, market } = pin.pool;
  return (
    wanted.machineTypes.includes(instanceType) &&
    config.markets.includes(market) &&
    networkFits(region, config.network) &&
    imageFits(pin.ami, wanted.image)
  );
}

/** An existing network is kept as recorded unless another one is named; a made one only fits `create`. */
export function networkFits(pin: RegionPin, network: string): boolean {
  if (network === "create") return pin.network === "create";
  return pin.network === "existing" && (network === "default" || pin.vpcId === network);
}

/** A named image follows its distribution and is decided once; an AMI id is what the user says it is. */
function imageFits(ami: string, image: string): boolean {
  return !image.startsWith("ami-") || ami === image;
}

/** Pins put together: what is kept, what was decided now, and what could not be. */
export function pinsOf(parts: {
  nodes: Record<string, NodePin>;
  launches: Record<string, string>;
  regions: Record<string, RegionPin>;
  unplaced: Record<string, string>;
  ssh: Pins["ssh"];
}): Pins {
  const used = new Set(Object.values(parts.nodes).map(({ pool }) => pool.region));
  return {
    version: 1,
    regions: Object.fromEntries(
      Object.entries(parts.regions)
        .filter(([region]) => used.has(region))
        .sort(byKey),
    ),
    nodes: Object.fromEntries(Object.entries(parts.nodes).sort(byKey)),
    launches: Object.fromEntries(
      Object.entries(parts.launches)
        .filter(([name]) => name in parts.nodes)
        .sort(byKey),
    ),
    unplaced: parts.unplaced,
    ssh: parts.ssh,
  };
}

/** The pins with a slot in another place. A region's pin stays as it was decided. */
export function placed(pins: Pins, name: string, { node, region }: { node: NodePin; region: RegionPin }): Pins {
  return {
    ...pins,
    nodes: { ...pins.nodes, [name]: node },
    regions: { [node.pool.region]: region, ...pins.regions },
  };
}

/** The pins without some slots. @param reasons why each has no place, by slot name */
export function unplaced(pins: Pins, reasons: Readonly<Record<string, string>>): Pins {
  return {
    ...pins,
    nodes: Object.fromEntries(Object.entries(pins.nodes).filter(([name]) => !(name in reasons))),
    unplaced: { ...pins.unplaced, ...reasons },
  };
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);

import { EVERYWHERE, EVERYWHERE_V6, isOwnRule } from "../aws/network";
import { AwsType } from "../aws/resource-types";
import { isWithin } from "../config/cidr";
import type {
  Drift,
  DriftKind,
  FoundDrift,
  Place,
  Recorded,
  SeenRegion,
  SeenRoute,
  SeenRule,
  SeenTable,
} from "./types";
import { removal, routeWords, ruleWords } from "./words";

/** What a comparison finds of a recorded resource; undefined: it is as it is recorded, or could not be looked at. */
type Finding = Pick<Drift, "kind" | "was" | "is" | "heals"> &
  Partial<Pick<FoundDrift, "id" | "properties" | "inTheWay">>;

const MADE_AGAIN = "`up` makes it again";
const CHANGED_BACK = "`up` changes it back";
const TAKEN_AWAY = "`up` takes it away";
const REPLACED = "`up` replaces its node, and asks first";

/** How each kind of resource is compared. To compare another one, add a row. */
const COMPARISONS: Readonly<Record<string, (recorded: Recorded, seen: SeenRegion) => Finding | undefined>> = {
  [AwsType.instance]: instanceDrift,
  [AwsType.ingressRule]: ruleDrift,
  [AwsType.egressRule]: ruleDrift,
  [AwsType.route]: routeDrift,
  [AwsType.association]: associationDrift,
  [AwsType.internetGateway]: gatewayDrift,
  [AwsType.routeTable]: ({ id }, { tables, present }) =>
    removed("route-table", id, present ?? (tables && new Set(tables.map((table) => table.id)))),
  [AwsType.securityGroup]: ({ id }, { present }) => removed("security-group", id, present),
  [AwsType.subnet]: ({ id }, { present }) => removed("subnet", id, present),
  [AwsType.vpc]: ({ id }, { present }) => removed("vpc", id, present),
};

/**
 * Compares what is recorded of one region with what there is, both ways. The same on both sides is no drift, and neither
 * is what could not be looked at.
 * @param recorded the fleet's resources of that region alone
 */
export function driftIn(place: Place, recorded: readonly Recorded[], seen: SeenRegion): FoundDrift[] {
  const { region } = place;
  const changed = recorded.flatMap((resource): FoundDrift[] => {
    const { urn, id, type, node } = resource;
    const finding = COMPARISONS[type]?.(resource, seen);
    return finding
      ? [{ properties: [], inTheWay: [], region, id, urn, ...(node === undefined ? {} : { node }), ...finding }]
      : [];
  });
  const replaced = new Set(changed.flatMap(({ inTheWay }) => inTheWay));
  const added = [...addedRules(place, recorded, seen), ...addedToTables(place, recorded, seen)];
  return [
    ...changed,
    ...added.map((drift) => ({
      ...drift,
      region,
      was: null,
      heals: replaced.has(drift.id) ? "`up` puts its own in the place of it" : drift.heals,
      properties: [],
      inTheWay: [],
    })),
  ];
}

/** An instance is still there, and does not run. */
export function isStopped({ kind, is }: Pick<Drift, "kind" | "is">): boolean {
  return kind === "instance" && is !== null && STOPPED.has(is);
}

/** EC2's words for the states of an instance that stands still, and may be started again. */
export const STOPPED: ReadonlySet<string> = new Set(["stopping", "stopped"]);
const ENDED: ReadonlySet<string> = new Set(["shutting-down", "terminated"]);

function removed(kind: DriftKind, id: string, present: ReadonlySet<string> | undefined): Finding | undefined {
  if (present === undefined || present.has(id)) return undefined;
  return { kind, was: id, is: null, heals: MADE_AGAIN };
}

function instanceDrift({ id, inputs }: Recorded, { instances }: SeenRegion): Finding | undefined {
  if (instances === undefined) return undefined;
  const found = instances.get(id);
  const was = "running";
  if (found === undefined || ENDED.has(found.state))
    return { kind: "instance", was, is: found?.state ?? null, heals: MADE_AGAIN };
  if (STOPPED.has(found.state)) return { kind: "instance", was, is: found.state, heals: REPLACED };
  const wanted = listOf(inputs.vpcSecurityGroupIds);
  // One that has no interface yet has no groups either.
  if (wanted.length === 0 || found.groups.length === 0 || isSameSet(wanted, found.groups)) return undefined;
  return {
    kind: "security-groups",
    was: sortedWords(wanted),
    is: sortedWords(found.groups),
    heals: CHANGED_BACK,
    properties: ["vpcSecurityGroupIds"],
  };
}

function ruleDrift(recorded: Recorded, { rules }: SeenRegion): Finding | undefined {
  if (rules === undefined) return undefined;
  const wanted = recordedRule(recorded);
  const found = rules.find(({ id }) => id === recorded.id);
  const was = ruleWords(wanted);
  const properties = found === undefined ? [] : differing(wanted, found);
  if (found && properties.length === 0) return undefined;
  return {
    kind: "rule",
    was,
    is: found ? ruleWords(found) : null,
    heals: found ? CHANGED_BACK : MADE_AGAIN,
    properties,
    inTheWay: inTheWayOf(recorded, { rules }),
  };
}

function routeDrift({ inputs }: Recorded, { tables }: SeenRegion): Finding | undefined {
  const table = tables?.find(({ id }) => id === inputs.routeTableId);
  // Of a table that is gone, that is told.
  if (table === undefined) return undefined;
  const wanted = recordedRoute(inputs);
  const found = table.routes.find(({ destination }) => destination === wanted.destination);
  if (found?.target === wanted.target) return undefined;
  return {
    kind: "route",
    id: `${table.id} ${wanted.destination}`,
    was: routeWords(wanted),
    is: found ? routeWords(found) : null,
    heals: found ? CHANGED_BACK : MADE_AGAIN,
    properties: found ? ["gatewayId"] : [],
  };
}

function associationDrift({ id, inputs }: Recorded, { tables }: SeenRegion): Finding | undefined {
  if (tables === undefined) return undefined;
  const subnet = textOf(inputs.subnetId);
  const all = associationsIn(tables);
  if (all.some((one) => one.id === id && one.table === inputs.routeTableId)) return undefined;
  const others = all.filter((one) => one.subnet === subnet);
  const words = (table: string): string => `${subnet} goes by ${table}`;
  return {
    kind: "association",
    was: words(textOf(inputs.routeTableId)),
    is: others[0] ? words(others[0].table) : null,
    heals: MADE_AGAIN,
    inTheWay: inTheWayOf({ id, type: AwsType.association, inputs }, { tables }),
  };
}

const associationsIn = (tables: readonly SeenTable[]): { id: string; subnet: string; table: string }[] =>
  tables.flatMap((table) => table.associations.map((one) => ({ ...one, table: table.id })));

/**
 * Ids of what stands in the place of something that is to be as its inputs say: AWS takes only one rule for the same
 * traffic, and one table for a subnet.
 */
export function inTheWayOf(
  resource: Pick<Recorded, "id" | "type" | "inputs">,
  { rules = [], tables = [] }: Pick<SeenRegion, "rules" | "tables">,
): string[] {
  const rulesAlike = () => rules.filter((rule) => isSameTraffic(rule, recordedRule(resource)));
  const standing = {
    [AwsType.ingressRule]: rulesAlike,
    [AwsType.egressRule]: rulesAlike,
    [AwsType.association]: () =>
      associationsIn(tables).filter((one) => one.subnet === textOf(resource.inputs.subnetId)),
  }[resource.type];
  return (standing?.() ?? []).flatMap(({ id }) => (id === resource.id ? [] : [id]));
}

function gatewayDrift({ id, inputs }: Recorded, { gateways }: SeenRegion): Finding | undefined {
  if (gateways === undefined) return undefined;
  const vpcs = gateways.get(id);
  const vpc = textOf(inputs.vpcId);
  if (vpcs === undefined) return { kind: "gateway", was: id, is: null, heals: MADE_AGAIN };
  // Recorded as attached to none, it was not finished, and is no more than it was.
  if (vpc === "" || vpcs.includes(vpc)) return undefined;
  const is = vpcs.length === 0 ? "attached to no VPC" : `attached to ${sortedWords(vpcs)}`;
  return { kind: "gateway", was: `attached to ${vpc}`, is, heals: "`up` attaches it again", properties: ["vpcId"] };
}

type Added = Pick<Drift, "kind" | "id" | "is" | "heals">;

/** Is a rule such as AWS puts into every new group: everything out? */
export function isDefaultRule({ isEgress, protocol, cidrIpv4, cidrIpv6, description }: SeenRule): boolean {
  const leadsEverywhere = cidrIpv4 === EVERYWHERE || cidrIpv6 === EVERYWHERE_V6;
  return isEgress && protocol === "-1" && leadsEverywhere && description === undefined;
}

/**
 * Ids of the fleet's groups that were not finished: with no way out of ours yet, and so no node, they may have the rules
 * that AWS puts into every new group.
 */
export function unfinishedGroups(recorded: readonly Pick<Recorded, "type" | "id" | "inputs">[]): ReadonlySet<string> {
  const finished = new Set(
    recorded.flatMap(({ type, inputs }) => {
      if (type === AwsType.egressRule) return [textOf(inputs.securityGroupId)];
      return type === AwsType.instance ? listOf(inputs.vpcSecurityGroupIds) : [];
    }),
  );
  const groups = recorded.filter(({ type, id }) => type === AwsType.securityGroup && !finished.has(id));
  return new Set(groups.map(({ id }) => id));
}

function addedRules(place: Place, recorded: readonly Recorded[], { rules = [] }: SeenRegion): Added[] {
  const known = idsOf(recorded);
  const unfinished = unfinishedGroups(recorded);
  const isTakenAway = (rule: SeenRule): boolean =>
    isOwnRule(rule.description) || (isDefaultRule(rule) && unfinished.has(rule.group));
  return rules
    .filter(({ id, group }) => known.has(group) && !known.has(id))
    .map((rule) => ({
      kind: "rule",
      id: rule.id,
      is: ruleWords(rule),
      // A rule such as ours was made by a run that did not come to record it.
      heals: isTakenAway(rule) ? TAKEN_AWAY : removal.rule(place, rule),
    }));
}

function addedToTables(place: Place, recorded: readonly Recorded[], { tables = [] }: SeenRegion): Added[] {
  const known = idsOf(recorded);
  const routes = recorded.filter(({ type }) => type === AwsType.route);
  return tables
    .filter(({ id }) => known.has(id))
    .flatMap((table): Added[] => {
      const own = routes.filter(({ inputs }) => inputs.routeTableId === table.id).map(({ inputs }) => inputs);
      const isKnown = (route: SeenRoute): boolean =>
        own.some((inputs) => recordedRoute(inputs).destination === route.destination);
      return [
        ...table.routes
          .filter((route) => route.isMade && !isKnown(route))
          .map((route): Added => {
            const id = `${table.id} ${route.destination}`;
            return { kind: "route", id, is: routeWords(route), heals: removal.route(place, table.id, route) };
          }),
        ...table.associations
          .filter(({ id }) => !known.has(id))
          .map(
            ({ id, subnet }): Added => ({
              kind: "association",
              id,
              is: `${subnet} goes by ${table.id}`,
              heals: TAKEN_AWAY,
            }),
          ),
      ];
    });
}

/** A rule's inputs as AWS would show them. */
function recordedRule({ id, type, inputs }: Pick<Recorded, "id" | "type" | "inputs">): SeenRule {
  const ports =
    inputs.ipProtocol === "-1" ? {} : { fromPort: numberOf(inputs.fromPort), toPort: numberOf(inputs.toPort) };
  return {
    id,
    group: textOf(inputs.securityGroupId),
    isEgress: type === AwsType.egressRule,
    protocol: textOf(inputs.ipProtocol),
    ...ports,
    cidrIpv4: textOf(inputs.cidrIpv4) || undefined,
    cidrIpv6: textOf(inputs.cidrIpv6) || undefined,
    description: textOf(inputs.description) || undefined,
  };
}

function recordedRoute(inputs: Recorded["inputs"]): Pick<SeenRoute, "destination" | "target"> {
  return {
    destination: textOf(inputs.destinationCidrBlock) || textOf(inputs.destinationIpv6CidrBlock),
    target: textOf(inputs.gatewayId),
  };
}

/** Our word and the provider's for each property of a rule, and whether two values of it are one. */
const RULE_PROPERTIES: readonly [keyof SeenRule, string, (a: unknown, b: unknown) => boolean][] = [
  ["protocol", "ipProtocol", Object.is],
  ["fromPort", "fromPort", Object.is],
  ["toPort", "toPort", Object.is],
  ["cidrIpv4", "cidrIpv4", isSameBlock],
  ["cidrIpv6", "cidrIpv6", isSameBlock],
  ["referencedGroup", "referencedSecurityGroupId", Object.is],
  ["prefixList", "prefixListId", Object.is],
  ["description", "description", Object.is],
];

function differing(wanted: SeenRule, found: SeenRule): string[] {
  return RULE_PROPERTIES.flatMap(([own, provider, isSame]) => (isSame(wanted[own], found[own]) ? [] : [provider]));
}

/** AWS takes two rules for one when only their descriptions differ, and refuses the second. */
function isSameTraffic(a: SeenRule, b: SeenRule): boolean {
  return a.group === b.group && a.isEgress === b.isEgress && differing(a, b).every((name) => name === "description");
}

/** One block may be written in several ways. */
function isSameBlock(a: unknown, b: unknown): boolean {
  if (typeof a !== "string" || typeof b !== "string") return a === b;
  return isWithin(a, b) && isWithin(b, a);
}

const idsOf = (recorded: readonly Recorded[]): ReadonlySet<string> => new Set(recorded.map(({ id }) => id));

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}

const sortedWords = (ids: readonly string[]): string => [...ids].sort().join(", ");

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

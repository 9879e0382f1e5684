import type { Filter } from "@aws-sdk/client-ec2";
import type { Cloud } from "../clients";
import { kindOf, RESOURCE_KINDS, type FleetKind, type KindName, type KnownKind, type Listed } from "./kinds";

/** Something that exists in AWS. */
export interface CloudObject<Kind extends KindName = KindName> extends Listed {
  kind: Kind;
  region: string;
  /** The VPC because of which it was found; absent for what was found by its tags or its ID. */
  vpc?: string;
}

/** Something such as a fleet of ours makes. */
export type FleetObject = CloudObject<FleetKind>;

export function isFleetObject(object: CloudObject): object is FleetObject {
  return kindOf(object.kind).madeByFleet === true;
}

/** Everything of these kinds in a region, all kinds in parallel. A filter without values lists nothing, and is not asked. */
export async function listKinds<Kind extends KindName>(
  cloud: Cloud,
  region: string,
  kinds: readonly KnownKind<Kind>[],
  filtersOf: (kind: KnownKind<Kind>) => Filter[],
): Promise<CloudObject<Kind>[]> {
  const client = cloud.ec2(region);
  const found = await Promise.all(
    kinds.map(async (row) => {
      const filters = filtersOf(row);
      if (filters.some(({ Values }) => Values?.length === 0)) return [];
      return (await row.list(client, filters)).map((one): CloudObject<Kind> => ({ kind: row.kind, region, ...one }));
    }),
  );
  return found.flat();
}

/** All that lies in a VPC, or that has a tag; with `values`: one of these in it (`*` at the end stands for anything). */
export type ResourceQuery = { vpc: string } | { tag: string; values?: string[] };

/** Everything of every kind that one of these finds, each once. @throws what AWS said */
export async function findResources(
  cloud: Cloud,
  region: string,
  queries: readonly ResourceQuery[],
): Promise<CloudObject[]> {
  const answers = await Promise.all(
    queries.map((query) => ("vpc" in query ? inVpc(cloud, region, query.vpc) : withTag(cloud, region, query))),
  );
  return [...new Map(answers.flat().map((object) => [object.id, object])).values()];
}

/** Where a kind has several filters, each stands for a call of its own. */
async function inVpc(cloud: Cloud, region: string, vpc: string): Promise<CloudObject[]> {
  const calls = RESOURCE_KINDS.flatMap((row) =>
    (row.vpcFilters ?? []).map((Name) => listKinds(cloud, region, [row], () => [{ Name, Values: [vpc] }])),
  );
  return (await Promise.all(calls)).flat().map((object) => ({ ...object, vpc }));
}

function withTag(
  cloud: Cloud,
  region: string,
  { tag, values }: { tag: string; values?: string[] },
): Promise<CloudObject[]> {
  const filter = values ? { Name: `tag:${tag}`, Values: values } : { Name: "tag-key", Values: [tag] };
  return listKinds(cloud, region, RESOURCE_KINDS, () => [filter]);
}

/** The same thing as AWS shows it now; undefined: AWS lists none with this ID. @throws what AWS said */
export async function lookAgain(
  cloud: Cloud,
  { kind, region, id }: Pick<CloudObject, "kind" | "region" | "id">,
): Promise<Listed | undefined> {
  const { list, idFilter } = kindOf(kind);
  const all = await list(cloud.ec2(region), idFilter === undefined ? [] : [{ Name: idFilter, Values: [id] }]);
  return all.find((one) => one.id === id);
}

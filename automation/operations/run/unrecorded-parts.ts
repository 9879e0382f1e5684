import { AwsType } from "../../../fleet/aws/resource-types";
import { unfinishedGroups } from "../../../fleet/drift/compare";
import { wordsOf } from "../../../fleet/errors";
import { deleteWithin } from "../../../cloud/resources/delete";
import { networkLook, type NetworkLook, type NetworkPart } from "../../../cloud/resources/network-parts";
import type { Session } from "../../session";

/** How long AWS may hold back a rule or a route. */
const PART_PATIENCE_MS = 30_000;

/** Looks at the groups and networks that the record holds in these regions. */
export function networksOfRecorded({ cloud, state }: Session, regions: readonly string[]): Promise<NetworkLook[]> {
  const idsIn = (region: string, type: string) =>
    state.resources.flatMap((resource) =>
      resource.type === type && resource.inputs.region === region && resource.id !== "" ? resource.id : [],
    );
  return Promise.all(
    regions.map((region) =>
      networkLook(cloud, {
        region,
        groups: idsIn(region, AwsType.securityGroup),
        vpcs: idsIn(region, AwsType.vpc),
      }),
    ),
  );
}

/**
 * Parts in AWS such as a run of ours makes that the record does not have, and the rules that AWS put into a group that a
 * run could not empty: asking for them again would be refused for ever.
 */
export function unrecordedParts({ state }: Session, parts: NetworkPart[]): NetworkPart[] {
  const ids = new Set(state.resources.map(({ id }) => id));
  const unfinished = unfinishedGroups(state.resources);
  const tablesWithRoute = new Set(
    state.resources.filter(({ type }) => type === AwsType.route).map(({ inputs }) => inputs.routeTableId),
  );
  return parts.filter(
    ({ id, holder, isOurs, isDefault }) =>
      ((isOurs && ids.has(holder)) || (isDefault && unfinished.has(holder))) &&
      (id === undefined ? !tablesWithRoute.has(holder) : !ids.has(id)),
  );
}

/**
 * Removes parts, and tells of each; one that AWS keeps is told of and stays.
 * @param why they are removed, after their names
 */
export async function removeParts(
  session: Session,
  parts: readonly NetworkPart[],
  why = "made and never recorded",
): Promise<void> {
  await Promise.all(
    parts.map(async ({ kind, region, holder, remove }) => {
      try {
        await deleteWithin({ deadline: Date.now() + PART_PATIENCE_MS, signal: session.interrupts.hard }, remove);
        session.reporter.emit({
          type: "message",
          level: "warning",
          subject: "recovery",
          message: `removed ${article(kind)} of ${holder} in ${region}: ${why}`,
        });
      } catch (error) {
        session.reporter.emit({
          type: "message",
          level: "warning",
          subject: region,
          message: `${article(kind)} of ${holder}, ${why}, could not be removed: ${wordsOf(error)}`,
        });
      }
    }),
  );
}

const article = (kind: NetworkPart["kind"]): string => `${kind === "association" ? "an" : "a"} ${kind}`;

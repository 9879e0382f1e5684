import { AwsType } from "../../../fleet/aws/resource-types";
import { wordsOf } from "../../../fleet/errors";
import { deleteWithin } from "../../cloud/resources/delete";
import { networkParts, type NetworkPart } from "../../cloud/resources/network-parts";
import type { Session } from "../../session";

/** How long AWS may hold back a rule or a route. */
const PART_PATIENCE_MS = 30_000;

/** The parts of the groups and tables that the record holds in these regions. A region that does not answer has none. */
export async function partsOfRecorded({ cloud, state }: Session, regions: readonly string[]): Promise<NetworkPart[]> {
  const idsIn = (region: string, type: string) =>
    state.resources.flatMap((resource) =>
      resource.type === type && resource.inputs.region === region && resource.id !== "" ? resource.id : [],
    );
  const parts = await Promise.all(
    regions.map((region) =>
      networkParts(cloud, {
        region,
        groups: idsIn(region, AwsType.securityGroup),
        tables: idsIn(region, AwsType.routeTable),
      }).catch(() => []),
    ),
  );
  return parts.flat();
}

/** Parts in AWS that the record does not have: asking for them again would be refused for ever. */
export function unrecordedParts({ state }: Session, parts: NetworkPart[]): NetworkPart[] {
  const ids = new Set(state.resources.map(({ id }) => id));
  const tablesWithRoute = new Set(
    state.resources.filter(({ type }) => type === AwsType.route).map(({ inputs }) => inputs.routeTableId),
  );
  return parts.filter(
    ({ id, holder }) => ids.has(holder) && (id === undefined ? !tablesWithRoute.has(holder) : !ids.has(id)),
  );
}

/** Removes parts, and tells of each; one that AWS keeps is told of and stays. */
export async function removeParts(session: Session, parts: NetworkPart[]): Promise<void> {
  await Promise.all(
    parts.map(async ({ kind, region, holder, remove }) => {
      try {
        await deleteWithin({ deadline: Date.now() + PART_PATIENCE_MS, signal: session.interrupts.hard }, remove);
        session.reporter.emit({
          type: "message",
          level: "warning",
          subject: "recovery",
          message: `removed a ${kind} of ${holder} in ${region}: made and never recorded`,
        });
      } catch (error) {
        session.reporter.emit({
          type: "message",
          level: "warning",
          subject: region,
          message: `a ${kind} of ${holder}, made and never recorded, could not be removed: ${wordsOf(error)}`,
        });
      }
    }),
  );
}

import { driftIn } from "../../../fleet/drift/compare";
import type { Drift, Recorded, SeenRegion } from "../../../fleet/drift/types";
import { AwsType } from "../../../fleet/aws/resource-types";
import { wordsWithCause } from "../../../fleet/errors";
import { awsError } from "../../../cloud/errors";
import { kindOf } from "../../../cloud/resources/kinds";
import type { NetworkLook } from "../../../cloud/resources/network-parts";
import { groupsOf, type Instance } from "../../../cloud/resources/kinds/compute";
import type { Session } from "../../session";
import { partsSeen, recordedIn, shown, tellUnknown, tellUnlooked } from "../run/drift";
import { networksOfRecorded } from "../run/unrecorded-parts";

/** What was done outside this tool, as far as it is known. */
export interface DriftFound {
  /** To what is recorded, or put beside it. */
  drift: Drift[];
  /** Regions of which not everything is known: AWS refused a call, or a run is at work, which differs from its record. */
  driftUnknown: string[];
}

/**
 * What was done outside this tool, for whom it is only shown: three calls a region at most, whatever the number of nodes.
 * What is refused is told of as a warning, and nothing is said of it.
 * @param instances the fleet's by region, ended ones too; a region that is not there is not looked at
 */
export async function lookForDrift(
  session: Session,
  instances: ReadonlyMap<string, readonly Instance[]>,
): Promise<DriftFound> {
  const regions = [...instances.keys()].filter((region) => session.state.regions.includes(region)).sort();
  const [networks, attachments] = await Promise.all([
    networksOfRecorded(session, regions),
    Promise.all(regions.map((region) => gatewaysIn(session, region))),
  ]);
  tellUnlooked(session, { networks });
  const unknown = regions.filter((_, at) => isUnknown(networks[at]) || attachments[at] === "unknown");
  const drift = regions.flatMap((region, at) => {
    const gateways = attachments[at] === "unknown" ? undefined : attachments[at];
    const seen: SeenRegion = {
      ...partsSeen(networks[at]),
      gateways,
      instances: new Map(
        (instances.get(region) ?? []).map((instance) => [
          instance.InstanceId,
          { state: instance.State?.Name ?? "unknown", groups: groupsOf(instance) },
        ]),
      ),
    };
    return driftIn({ region, awsCli: session.cloud.cli }, recordedIn(session.state, region), seen).map(shown);
  });
  const unlooked = session.state.regions.filter((region) => !instances.has(region));
  return { drift, driftUnknown: [...unlooked, ...unknown].sort() };
}

const isUnknown = (network: NetworkLook | undefined): boolean =>
  network?.rules.failure !== undefined || network?.tables.failure !== undefined;

/** The VPCs of each gateway that is recorded; undefined where there is none. */
async function gatewaysIn(
  session: Session,
  region: string,
): Promise<ReadonlyMap<string, readonly string[]> | "unknown" | undefined> {
  const isGateway = ({ type }: Recorded): boolean => type === AwsType.internetGateway;
  const Values = recordedIn(session.state, region)
    .filter(isGateway)
    .map(({ id }) => id);
  if (Values.length === 0) return undefined;
  const { list, idFilter } = kindOf("internet-gateway");
  try {
    const found = await list(session.cloud.ec2(region), [{ Name: idFilter, Values }]);
    return new Map(found.map(({ id, attachedTo = [] }) => [id, attachedTo]));
  } catch (error) {
    tellUnknown(session, region, [wordsWithCause(awsError(error, `DescribeInternetGateways in ${region}`))]);
    return "unknown";
  }
}

import type { FleetConfig } from "../../../fleet/config";
import { errorInfo, isSpotError, wordsOf } from "../../../fleet/errors";
import { slotsOf } from "../../../fleet/plan/slots";
import { loadDefinition } from "../../../project/definition";
import { describeInstances } from "../../../cloud/resources/inventory";
import { recordedPins } from "../plan/recorded-pins";
import { tellUnknown } from "../run/drift";
import type { Session } from "../../session";
import { keyPairOf } from "../plan/decide";
import { Offers } from "../../../cloud/offerings/offers";
import { findingOf, regionReport, type Finding, type RegionReport } from "../plan/region-checks";
import { isAtWork } from "./under-way";
import { lookForDrift, type DriftFound } from "./look-for-drift";

export interface Preflight extends DriftFound {
  account: string;
  arn: string;
  /** What concerns no region: keys, payload, user data. */
  local: Finding[];
  regions: RegionReport[];
}

export interface CheckRequest {
  config: FleetConfig;
  configFile: string;
}

/**
 * Asks AWS everything that an `up` would trip over, all regions in parallel, and changes nothing. A region that cannot
 * be used is a finding and stops no other.
 * @throws SpotError E_CREDENTIALS, which concerns every region
 */
export async function preflight(session: Session, request: CheckRequest): Promise<Preflight> {
  const { config } = request;
  const offers = new Offers(session.cloud, config, recordedPins(session.state, config.network));
  const slots = slotsOf(config);
  const wanted = config.regions.filter(({ count }) => count > 0);
  const [found, regions] = await Promise.all([
    driftNow(session),
    Promise.all(
      wanted.map(({ name }) =>
        regionReport(
          session,
          config,
          name,
          slots.filter(({ homeRegion }) => homeRegion === name).length,
          offers,
          "check",
        ),
      ),
    ),
  ]);
  const { account, arn } = session.identity;
  return { account, arn, local: local(session, request), regions, ...found };
}

/** A region that does not answer is told of by its report. */
async function driftNow(session: Session): Promise<DriftFound> {
  if (isAtWork(session)) return { drift: [], driftUnknown: session.state.regions };
  const found = await Promise.all(
    session.state.regions.map((region) =>
      describeInstances(session.cloud, session.lineage, region).then(
        (instances) => [[region, instances] as const],
        (error: unknown) => {
          tellUnknown(session, region, [wordsOf(error)]);
          return [];
        },
      ),
    ),
  );
  return lookForDrift(session, new Map(found.flat()));
}

/** What this machine must have: keys, a payload that can be uploaded, user data that EC2 takes. */
function local(session: Session, { config, configFile }: CheckRequest): Finding[] {
  const tried = (check: string, attempt: () => void): Finding[] => {
    try {
      attempt();
      return [];
    } catch (error) {
      if (isSpotError(error) && error.problems.length > 0)
        return error.problems.map((problem) => findingOf(check, errorInfo(problem)));
      return [findingOf(check, errorInfo(error))];
    }
  };
  return [
    // A pair of the fleet's own is made with its first node; before that there is nothing to check.
    ...tried("keys", () => {
      if (config.ssh.privateKeyPath || session.state.nodes.length > 0) keyPairOf(session, config);
    }),
    ...tried("payload", () => {
      const definition = loadDefinition({ config, configFile, stack: session.target.stack, lineage: session.lineage });
      const [slot] = definition.slots;
      if (slot) definition.userDataOf(slot, "0".repeat(64), "ssh-ed25519 A", "0".repeat(64));
    }),
  ];
}

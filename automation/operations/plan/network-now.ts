import type { FleetConfig } from "../../../fleet/config";
import { errorInfo, isSpotError, type ErrorInfo } from "../../../fleet/errors";
import type { RegionPin } from "../../../fleet/model";
import { networkNow } from "../../../cloud/offerings/network-now";
import type { Session } from "../../session";
import { networkFits } from "../../../fleet/plan/pins";
import type { RecordedPins } from "./recorded-pins";

/**
 * The networks that are kept, as the configuration has them now: with the security groups that it names. AWS is asked
 * only where the record cannot tell what a name stands for.
 * @returns `faults`: why a region has to stay as it is recorded, by region
 * @throws SpotError E_CREDENTIALS (which concerns every region)
 */
export async function networksNow(
  session: Session,
  config: FleetConfig,
  recorded: RecordedPins,
): Promise<{ regions: Record<string, RegionPin>; faults: Map<string, ErrorInfo> }> {
  const regions = { ...recorded.regions };
  const faults = new Map<string, ErrorInfo>();
  await Promise.all(
    config.regions.map(async ({ name }) => {
      const kept = (recorded.networks[name] ?? []).filter((pin) => networkFits(pin, config.network));
      try {
        const pin = await networkNow(session.cloud, config, name, kept);
        if (pin) regions[name] = pin;
      } catch (error) {
        if (isSpotError(error) && error.code === "E_CREDENTIALS") throw error;
        const fault = errorInfo(error);
        if (fault.code === "E_NETWORK") faults.set(name, fault);
        else tellUnanswered(session, name, fault);
      }
    }),
  );
  return { regions, faults };
}

/** An answer that did not come says nothing of the groups: the region keeps those that it has. */
function tellUnanswered({ reporter }: Session, region: string, error: ErrorInfo): void {
  reporter.emit({
    type: "message",
    level: "warning",
    subject: region,
    message: `its security groups stay as they are recorded: ${error.message}`,
    error,
  });
}

import { keptNetworks } from "../../../cloud/offerings/kept-networks";
import type { FleetConfig } from "../../../fleet/config";
import type { ErrorInfo } from "../../../fleet/errors";
import type { Session } from "../../session";
import type { RecordedPins } from "./recorded-pins";

/** The networks that are kept, as the configuration has them now; what AWS does not answer is told. @throws as `keptNetworks` */
export function networksNow(
  session: Session,
  config: FleetConfig,
  recorded: RecordedPins,
): ReturnType<typeof keptNetworks> {
  return keptNetworks(session.cloud, config, recorded, (region, error) => tellUnanswered(session, region, error));
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

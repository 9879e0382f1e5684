/** What AWS says of a spot instance's request. */
export interface SpotRequest {
  id: string;
  /** `open`, `active`, `closed`, `cancelled`, `failed` or `disabled`. */
  state: string;
  /** The status code: `fulfilled`, `marked-for-termination`, … */
  status: string;
}

/**
 * What the codes mean that a request can have once it was fulfilled, in words that go on after a node's name. Source: EC2
 * User Guide, "Spot request status codes" and "State changes for a Spot request".
 */
const MEANINGS: ReadonlyMap<string, string> = new Map([
  ["marked-for-termination", "AWS ends it within two minutes"],
  ["marked-for-stop", "AWS stops it within two minutes"],
  ["marked-for-stop-by-experiment", "an experiment of AWS FIS stops it within two minutes"],
  ["instance-terminated-no-capacity", "AWS takes its capacity back"],
  ["instance-terminated-by-price", "its spot price rose above the price limit"],
  ["instance-terminated-by-experiment", "an experiment of AWS FIS ends it"],
  ["instance-terminated-by-schedule", "the time that was asked for is over"],
  ["instance-terminated-by-service", "AWS ended it while it was stopped"],
  ["instance-terminated-launch-group-constraint", "another instance of its launch group ended"],
  ["instance-terminated-by-user", "it was terminated by a user"],
  ["spot-instance-terminated-by-user", "it was terminated by a user"],
  ["instance-stopped-no-capacity", "AWS took its capacity back"],
  ["instance-stopped-by-price", "its spot price rose above the price limit"],
  ["instance-stopped-by-user", "it was stopped by a user"],
  ["instance-stopped-by-experiment", "an experiment of AWS FIS stopped it"],
  ["request-canceled-and-instance-running", "its spot request was cancelled; the instance goes on running"],
]);

/** What a status means for the instance; undefined for one that is in order, and for a code that AWS added since. */
export const spotStatusText = ({ status }: SpotRequest): string | undefined => MEANINGS.get(status);

/** States in which an instance is still there to be interrupted. */
const STANDING: ReadonlySet<string> = new Set(["pending", "running"]);

/**
 * Has AWS announced that it takes an instance back? It marks the request, or closes it at once with the code of the end
 * while the instance runs on for its two minutes (the note to the last table of "State changes for a Spot request").
 * @param instanceState EC2's
 */
export function isInterruptionPending({ status }: SpotRequest, instanceState: string): boolean {
  return STANDING.has(instanceState) && /^(marked-for-|instance-(terminated|stopped)-(?!by-user))/.test(status);
}

import type { ErrorInfo } from "../../../fleet/errors";
import type { FleetObject } from "../../../cloud/resources/find";
import type { HeldVpc } from "../../../cloud/resources/strangers";
import type { UnexplainedObject } from "../../session/orphans";

/** What is to end; nothing named: the whole fleet. */
export interface DownRequest {
  /** Patterns of node names: their instances alone, the network stays. */
  nodes?: string;
  /** Everything in this region. */
  region?: string;
  /** Looks in every region of the account, not in those of record and settings only. */
  allRegions?: boolean;
  /** The orchestrator that is told of ended nodes. */
  clusterApi?: string;
}

export interface DownResult {
  account: string;
  /** Objects that were there before, instances and the rest. */
  found: FleetObject[];
  /** What listing again still shows; empty is the proof. */
  leftovers: FleetObject[];
  /** What carries the fleet ID and is another stack's: left alone. */
  others: FleetObject[];
  /** Of the leftovers, what neither the record nor a run of ours explains: left alone until the user names it. */
  unexplained: UnexplainedObject[];
  /** Fleets of the stack's name whose record is not in this place: looked for where it has none of its own. */
  namesakes: Namesake[];
  /** Regions that were listed at the end, and answered. */
  regions: string[];
  /** Those are all that the account has enabled. */
  everywhere: boolean;
  /** VPCs that cannot go because of what somebody else has in them; they and their network stay. */
  held: HeldVpc[];
  /** Regions that could not be looked at, so that nothing is proven about them. */
  notLookedAt: { region: string; error: ErrorInfo; everUsed: boolean }[];
  failures: ErrorInfo[];
  /** A part was ended, and the rest of the fleet stands. */
  partial: boolean;
  /** Where a state that could not be read is kept, when there was one. */
  setAside?: string;
}

/** A fleet that another place may own: by its tags alone, it cannot be told whose it is. */
export interface Namesake {
  lineage: string;
  objects: FleetObject[];
}

/** What a result holds where there is nothing to say, without the account and what was listed. */
export function nothingFound(): Omit<DownResult, "account" | "regions" | "everywhere" | "notLookedAt"> {
  return {
    found: [],
    leftovers: [],
    others: [],
    unexplained: [],
    namesakes: [],
    held: [],
    failures: [],
    partial: false,
  };
}

/** A region that is closed to us and that the fleet never used proves nothing, and needs no proof. */
export function isProven({ leftovers, notLookedAt }: Pick<DownResult, "leftovers" | "notLookedAt">): boolean {
  return leftovers.length === 0 && notLookedAt.every(({ everUsed }) => !everUsed);
}

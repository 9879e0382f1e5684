import type { Caller, CloudFacts } from "../../../fleet/checks";
import { wordsWithCause } from "../../../fleet/errors";
import { detectPublicAddress } from "../../../cloud/public-address";
import { nodeFacts } from "../../../cloud/resources/node-facts";
import type { StateNode } from "../../engine/state";
import type { Session } from "../../session";

/** What AWS says now of some nodes. */
export type FactsOf = (nodes: readonly StateNode[]) => Promise<(node: StateNode) => CloudFacts>;

/** Asks AWS once a region. A region that does not answer is a fact of its own. Who asks is found out once. */
export function cloudFacts(session: Session): FactsOf {
  let caller: Promise<Caller | undefined> | undefined;
  return async (nodes) => {
    const about = { account: session.identity.account, caller: await (caller ??= detectPublicAddress(session.target)) };
    const regions = [...new Set(nodes.map(({ pin }) => pin.pool.region))];
    const found = await Promise.all(
      regions.map(async (region): Promise<[string, Map<string, CloudFacts> | string]> => {
        const facts = await nodeFacts(session.cloud, session.lineage, region, about).catch((error: unknown) =>
          wordsWithCause(error),
        );
        return [region, facts];
      }),
    );
    const byRegion = new Map(found);
    return ({ instanceId, pin }) => {
      const facts = byRegion.get(pin.pool.region);
      return typeof facts === "string" ? { ...about, unanswered: facts } : (facts?.get(instanceId) ?? about);
    };
  };
}

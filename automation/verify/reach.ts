import type { ClientFacts } from "../../fleet/checks";
import type { DiagnosisStep } from "../../fleet/checks/diagnosis";
import { wordsOf } from "../../fleet/errors";
import { ConnectError } from "../ssh/connect";
import type { NodeConnection } from "../ssh/connection";
import type { VerifyTarget } from "./runner";

/** The connection, or why there is none; and what trying told. */
export type Reach =
  | { connection: NodeConnection; facts: ClientFacts }
  | { connection?: undefined; facts: ClientFacts; failure: string; diagnosis: DiagnosisStep[] };

/**
 * Opens a node's connection within the time given; where that fails, looks at everything on the way there. Never throws.
 * @param isLate asked when it failed: only for want of time, which says nothing of the node
 */
export async function reach(target: VerifyTarget, deadlineMs: number, isLate: () => boolean): Promise<Reach | "late"> {
  const address = target.ref.address ?? "no address";
  try {
    return { connection: await target.connect(deadlineMs), facts: { address } };
  } catch (error) {
    if (isLate()) return "late";
    const stage = error instanceof ConnectError ? error.stage : "banner";
    const cause = error instanceof Error && error.cause !== undefined ? ` ${wordsOf(error.cause)}` : "";
    const failure = `${wordsOf(error)}${cause}`;
    return {
      failure,
      // What cannot be found out must not hide what failed.
      diagnosis: (await target.diagnose?.(stage, failure).catch(() => [])) ?? [],
      facts: {
        address,
        ...(stage === "banner" ? { bannerFailure: failure } : {}),
        ...(stage === "host-key" ? { hostKeyFailure: failure } : {}),
      },
    };
  }
}

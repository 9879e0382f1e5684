import { kindOf } from "../../fleet/plan/resource-changes";
import { isOfAws } from "../../fleet/aws/resource-types";
import { INSTANCE_TYPE, nodeNameOf } from "../../automation/engine/state";
import { urnParts } from "../../automation/engine/events";
import type { Workbench } from "../support/workbench";
import type { Kind } from "./witness";

/** What plain `pulumi preview` would do: nodes by name, everything else by URN. Or why it tells nothing. */
export async function plainPreview(bench: Workbench): Promise<Map<string, Kind> | { refused: string }> {
  const { code, stdout, stderr } = await bench.pulumi("preview", "--json");
  if (code !== 0) return { refused: stdout + stderr };
  const { steps } = JSON.parse(stdout) as { steps: { op: string; urn: string }[] };
  const listed = new Map<string, Kind>();
  for (const { op, urn } of steps) {
    // Of a replacement this form of the plan tells the whole only.
    const { type, name } = urnParts(urn);
    const kind = op === "replace" ? "replace" : kindOf({ op });
    if (kind === undefined || !isOfAws(type)) continue;
    const key = type === INSTANCE_TYPE ? nodeNameOf(name) : urn;
    // In another market a node is another resource: one goes and one comes.
    listed.set(key, listed.has(key) && listed.get(key) !== kind ? "replace" : kind);
  }
  return listed;
}

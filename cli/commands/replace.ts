import { SpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import type { ExitCode } from "../../fleet/errors/exit-codes";
import type { CommandContext } from "../runtime/context";
import { runUp } from "./up";

export async function run(context: CommandContext): Promise<ExitCode> {
  const [nodes] = context.positionals;
  if (nodes === undefined)
    throw new SpotError("E_USAGE", {
      message: "`replace` needs nodes, e.g. us-west-2-0 or 'us-west-2-*'",
      next: "Run `list` to see what there is.",
      step: outside("correct-command-line"),
    });
  return runUp(context, { nodes, replace: "all" });
}

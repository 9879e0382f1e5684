import type { ExitCode } from "../../fleet/errors/exit-codes";
import type { CommandContext } from "../runtime/context";
import { runUp } from "./up";

export async function run(context: CommandContext): Promise<ExitCode> {
  return runUp(context, { nodes: context.positionals[0], replace: "broken" });
}

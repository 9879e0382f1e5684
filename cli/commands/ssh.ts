import type { ExitCode } from "../../fleet/errors/exit-codes";
import { runSsh } from "../../automation/ssh/openssh";
import { firstWord, type CommandContext } from "../runtime/context";
import { nodeNamed, onNodes, remoteCommand } from "../runtime/on-nodes";

/** A login by the machine's own `ssh`, which answers with its exit code. */
export async function run(context: CommandContext): Promise<ExitCode> {
  return onNodes(context, async ({ session, fleet }) => {
    const node = nodeNamed(session, firstWord(context));
    const login = await (await fleet()).login(node);
    return (await runSsh(login, {
      command: context.rest.length > 0 ? remoteCommand(context.rest) : undefined,
      stdin: "terminal",
      env: session.target.env,
    })) as ExitCode;
  });
}

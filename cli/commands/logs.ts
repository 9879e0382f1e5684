import type { ExitCode } from "../../fleet/errors/exit-codes";
import { paths } from "../../fleet/layout";
import { killedWithStdin } from "../../automation/ssh/remote-shell";
import { runSsh } from "../../automation/ssh/openssh";
import { firstWord, type CommandContext } from "../runtime/context";
import { nodeNamed, onNodes } from "../runtime/on-nodes";

/** What a node writes about itself (instance/README.md), and the journal of our units and the user's. */
const FILES = `/var/log/cloud-init-output.log ${paths.deploymentLog} ${paths.startupLog}`;
const UNITS = "-u 'spot-*' -u 'bacalhau*' -u sensor";
const LINES = 200;

export async function run(context: CommandContext): Promise<ExitCode> {
  return onNodes(context, async ({ session, fleet }) => {
    const node = nodeNamed(session, firstWord(context));
    const login = await (await fleet()).login(node);
    const command = context.options.follow
      ? killedWithStdin(
          `sudo -n sh -c "tail -n 20 -F ${FILES} 2>/dev/null & journalctl -n 20 -f --no-pager ${UNITS} & wait"`,
        )
      : `sudo -n sh -c "for f in ${FILES}; do [ -e \\$f ] || continue; echo \\"==> \\$f <==\\"; tail -n ${LINES} \\$f; echo; done; echo '==> journal <=='; journalctl -n ${LINES} --no-pager ${UNITS}"`;
    return (await runSsh(login, {
      command,
      stdin: context.options.follow ? "open" : "terminal",
      env: session.target.env,
    })) as ExitCode;
  });
}

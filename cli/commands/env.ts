import { ExitCode } from "../../fleet/errors/exit-codes";
import { beginStack } from "../../automation/operations/plan/prepare-stack";
import { isUnrecorded, openPlace } from "../../automation/session";
import { exclusively } from "../../automation/session/run-lock";
import type { CommandContext } from "../runtime/context";
import { withSessions } from "../runtime/with-session";

/** Prints the variables in which a run of the engine differs from the caller's shell, as `export` lines. */
export async function run(context: CommandContext): Promise<ExitCode> {
  const { terminal, env } = context;
  const founds = context.options.create === true;
  return withSessions(context, { needs: "place", founds, starts: founds }, async ({ options, open, reporter }) => {
    if (founds)
      await open(async (session) => {
        if (!session.stackExists || isUnrecorded(session)) await exclusively(session, () => beginStack(session));
      });
    const place = await openPlace(options);
    place.cloud.close();
    if (!place.stackExists)
      reporter.emit({
        type: "message",
        level: "warning",
        subject: "stack",
        message: `there is no stack ${place.target.stack} yet: \`up\` makes it, or \`env --create\` for plain Pulumi`,
      });
    const wanted: NodeJS.ProcessEnv = { ...place.target.env, PULUMI_STACK: place.target.stack };
    for (const name of [...new Set([...Object.keys(wanted), ...Object.keys(env)])].sort()) {
      if (wanted[name] === env[name]) continue;
      terminal.stdout.write(
        wanted[name] === undefined ? `unset ${name}\n` : `export ${name}=${quoted(wanted[name])}\n`,
      );
    }
    return ExitCode.ok;
  });
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

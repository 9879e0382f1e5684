import { ExitCode } from "../../fleet/errors/exit-codes";
import { openPlace } from "../../automation/session";
import type { CommandContext } from "../runtime/context";
import { withSessions } from "../runtime/with-session";

/** Prints the variables in which a run of the engine differs from the caller's shell, as `export` lines. */
export async function run(context: CommandContext): Promise<ExitCode> {
  const { terminal, env } = context;
  return withSessions(context, { needs: "place" }, async ({ options }) => {
    const place = await openPlace(options);
    place.cloud.close();
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

import { SpotError } from "../../fleet/errors";
import { ExitCode } from "../../fleet/exit-codes";
import { packageRoot } from "../../project/package-root";
import { sandboxStatus, stopSandbox } from "../../sandbox/control";
import { pathsOf } from "../paths";
import { forgetSandbox, sandboxHome } from "../target";
import { jsonLine } from "../ui/json";
import type { CommandContext } from "./context";

export async function run({ positionals, options, terminal, env }: CommandContext): Promise<ExitCode> {
  const home = sandboxHome({ projectDir: packageRoot(), paths: pathsOf(env), env });
  const actions: Record<string, () => Promise<{ document: unknown; text: string }>> = {
    async status() {
      const status = await sandboxStatus(home);
      return {
        document: status ?? null,
        text: status ? `${status.mode} sandbox at ${status.endpoint}, process ${status.pid}, network ${status.network}, ${status.instances} instances` : "No sandbox is running.",
      };
    },
    async down() {
      const { stopped } = await stopSandbox(home);
      forgetSandbox(home);
      return { document: { stopped }, text: stopped ? "The sandbox is ended, with everything in it." : "No sandbox was running." };
    },
  };
  const name = positionals[0] ?? "status";
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (!action) throw new SpotError("E_USAGE", { message: `\`sandbox ${name}\` is not known`, next: `Use one of: ${Object.keys(actions).join(", ")}.` });
  const { document, text } = await action();
  if (options.json) jsonLine(terminal, document);
  else terminal.stdout.write(`${text}\n`);
  return ExitCode.ok;
}

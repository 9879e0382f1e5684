import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { readStackSettings } from "../../automation/engine/stack-config";
import { pathsOf } from "../../automation/target/paths";
import { targetPlace } from "../../automation/target";
import { shortName } from "../../fleet/identity/ownership";
import type { CommandContext } from "../runtime/context";
import { placeFrom } from "../runtime/place";

/**
 * The nodes of the fleet that a half-typed command line is about, from the stack's own file: nobody is asked. Where
 * nothing is known, or what is typed so far makes no sense, there are none: a shell that completes shows no error.
 * @param typed the words after the program's name
 */
export function knownNodes(context: CommandContext, typed: readonly string[]): string[] {
  // bash takes `--stack=x` apart at the equals sign.
  const words = typed.join(" ").replaceAll(" = ", "=").split(" ");
  const inSandbox =
    words[0] === "sandbox" || words.some((word) => word === "--sandbox" || word.startsWith("--sandbox="));
  try {
    const options = {
      ...context.options,
      config: valueOf("--config", words),
      sandbox: inSandbox ? ("hosts" as const) : undefined,
    };
    const { stack } = targetPlace({
      ...options,
      stack: valueOf("--stack", words) ?? placeFrom({ ...context, options }).stack,
      projectDir: packageRoot(),
      paths: pathsOf(context.env),
      env: context.env,
    });
    return Object.keys(
      readStackSettings(path.join(packageRoot(), `Pulumi.${shortName(stack)}.yaml`)).pins?.nodes ?? {},
    );
  } catch {
    return [];
  }
}

function valueOf(option: string, words: readonly string[]): string | undefined {
  const at = words.findIndex((word) => word === option || word.startsWith(`${option}=`));
  return words[at] === option ? words[at + 1] : words[at]?.slice(option.length + 1);
}

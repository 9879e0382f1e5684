import { SpotError, type ErrorInfo } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { shellQuote } from "../../fleet/text/shell-quote";
import type { SandboxProvider } from "../../sandbox/control";
import type { PulumiCli } from "./pulumi-cli";

/**
 * The AWS provider cannot be used.
 * @param cause the engine's words, or ours where we looked ourselves
 * @param provider of a sandbox; undefined on AWS, where it is always the official one
 */
export function providerError(
  cause: string,
  { command }: Pick<PulumiCli, "command">,
  provider: SandboxProvider | undefined,
): SpotError {
  const message = "Pulumi's AWS provider cannot be used";
  return new SpotError("E_PROVIDER", { message, cause, ...wayOut(cause, command, provider) });
}

/** What to do about it, which depends on the provider that it is. */
function wayOut(text: string, cli: string, provider: SandboxProvider | undefined): Pick<ErrorInfo, "next" | "step"> {
  if (!provider) return { next: providerWay(text, cli), step: outside("mend-connection", again()) };
  if (provider.kind === "official")
    return {
      next: `Install it anew (\`${installCommand(cli, `v${provider.version}`)}\`), or go on with the stand-in: stop the sandbox (\`npm run sandbox -- down\`; its instances are lost) and set SPOT_SANDBOX_PROVIDER=stand-in.`,
      step: outside("install-tool", again()),
    };
  return {
    next: "Restore sandbox/provider, which belongs to this project (`git checkout sandbox/provider`), and run `npm run build`.",
    step: outside("correct-file", again()),
  };
}

/** The CLI by its own path: one that this program made for itself is not on the user's PATH. */
function providerWay(text: string, cli: string): string {
  const version = /\bv\d+\.\d+\.\d+\b/.exec(text)?.[0];
  const install = installCommand(cli, version);
  return `Let this machine reach get.pulumi.com (behind a proxy: HTTPS_PROXY), then run \`${install}\`. Without a way there, add \`--file ARCHIVE\`: the same file, fetched on another machine.`;
}

function installCommand(cli: string, version: string | undefined): string {
  return [
    shellQuote(cli),
    "plugin install resource aws",
    ...(version === undefined ? [] : [version]),
    "--reinstall",
  ].join(" ");
}

import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { SpotError, wordsOf } from "../../fleet/errors";
import { SANDBOX_VARIABLE } from "../../fleet/plan/stack-config";
import type { Reporter } from "../../fleet/report/events";
import { again, outside } from "../../fleet/steps";
import { shellQuote } from "../../fleet/text/shell-quote";
import { providerKinds, type ProviderKind, type SandboxProvider } from "../../sandbox/control";
import { tryWriteFile } from "../../system/atomic-file";
import { readJson } from "../../system/json-file";
import type { InstalledProvider } from "../engine/provider-probe";
import { knownCli, obtainPulumiCli, type PulumiCli } from "../engine/pulumi-cli";
import { withProgress } from "../engine/pulumi-cli/progress";
import { expectReachable } from "../engine/pulumi-cli/reachable";
import { run } from "../engine/pulumi-cli/run";
import type { Paths } from "./paths";

/** The setting that forces either. */
const VARIABLE = "SPOT_SANDBOX_PROVIDER";
const PROGRAM = "pulumi-resource-aws";
/** Whoever waits for a sandbox is not kept longer by a question that cannot be asked. */
const REACHABLE_MS = 4_000;
const DOWNLOAD_TIMEOUT_MS = 20 * 60_000;

/** What the SDK's programs ask the engine for: that version and no other. */
export function providerVersion(): string {
  const { version } = JSON.parse(readFileSync(require.resolve("@pulumi/aws/package.json"), "utf8")) as {
    version: string;
  };
  return version;
}

/** What `SPOT_SANDBOX_PROVIDER` asks for; undefined where it is unset. @throws SpotError E_USAGE */
export function providerKindIn({ [VARIABLE]: given }: NodeJS.ProcessEnv): ProviderKind | undefined {
  if (!given) return undefined;
  const kind = providerKinds.find((known) => known === given);
  if (kind) return kind;
  throw new SpotError("E_USAGE", {
    message: `${VARIABLE} is ${given}; it takes ${providerKinds.join(" or ")}`,
    next: "Correct or unset it.",
    step: outside("set-environment", again()),
  });
}

interface ChoiceOptions {
  env: NodeJS.ProcessEnv;
  paths: Paths;
  reporter: Reporter;
  report: (detail: string) => void;
  signal?: AbortSignal;
}

/**
 * The provider for a sandbox that is to start: the official one where the user has it, else the stand-in. A person at
 * the terminal is asked, once for each version, whether to download the official one.
 * @throws SpotError E_USAGE; E_PROVIDER when the official one is demanded and not there
 */
export async function chooseProvider(options: ChoiceOptions): Promise<SandboxProvider> {
  const wanted = providerKindIn(options.env);
  const standIn: SandboxProvider = { kind: "stand-in", version: providerVersion() };
  if (wanted === "stand-in") return standIn;
  const found = installed(options.env) ?? (await offered(options, wanted === "official"));
  if (found) return found;
  if (wanted === undefined) return standIn;
  const cli = knownCli(options.paths.cache, options.env);
  throw new SpotError("E_PROVIDER", {
    message: `${VARIABLE} asks for Pulumi's AWS provider ${providerVersion()}, which is not in ${pluginFolder(options.env)}`,
    next: `Install it (\`${[cli, ...installArguments()].map(shellQuote).join(" ")}\`), or unset ${VARIABLE}.`,
    step: outside("install-tool", again()),
  });
}

/** Where the engine keeps what is the user's. In a shell of `spot env` the variable names the sandbox's own place. */
function pulumiHome({ PULUMI_HOME, HOME, [SANDBOX_VARIABLE]: sandbox }: NodeJS.ProcessEnv): string {
  return path.resolve((!sandbox && PULUMI_HOME) || path.join(HOME ?? os.homedir(), ".pulumi"));
}

const pluginFolder = (env: NodeJS.ProcessEnv): string => path.join(pulumiHome(env), "plugins");

function installed(env: NodeJS.ProcessEnv): SandboxProvider | undefined {
  const folder = path.join(pluginFolder(env), `resource-aws-v${providerVersion()}`);
  // Beside a folder that is not whole yet the engine has a file of this name.
  const isWhole = existsSync(path.join(folder, PROGRAM)) && !existsSync(`${folder}.partial`);
  return isWhole ? { kind: "official", version: providerVersion(), folder } : undefined;
}

/** The provider that the engine will start on AWS, where the user has it; else the engine fetches it. */
export function providerOnAws(env: NodeJS.ProcessEnv): InstalledProvider | undefined {
  return installedIn(installed(env));
}

/** The one that serves a sandbox; the stand-in is this project's own, and needs no proof. */
export const providerOfSandbox = ({ provider }: { provider: SandboxProvider }): InstalledProvider | undefined =>
  installedIn(provider);

function installedIn({ folder, version }: Partial<SandboxProvider> = {}): InstalledProvider | undefined {
  return folder === undefined || version === undefined ? undefined : { file: path.join(folder, PROGRAM), version };
}

const installArguments = (): string[] => ["plugin", "install", "resource", "aws", `v${providerVersion()}`];

const ARCHITECTURES: Partial<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Downloads the official provider where a person says yes to it. Whoever said no is not asked again. */
async function offered(options: ChoiceOptions, isDemanded: boolean): Promise<SandboxProvider | undefined> {
  const { env, paths, reporter, report, signal } = options;
  if (env.CI || reporter.isAttended?.() !== true) return undefined;
  const answers = path.join(paths.state, "offered-provider.json");
  if (!isDemanded && (readJson(answers) as { version?: string } | undefined)?.version === providerVersion())
    return undefined;
  const archive = `${PROGRAM}-v${providerVersion()}-${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}.tar.gz`;
  report("looking for Pulumi's AWS provider");
  const size = await expectReachable(`https://get.pulumi.com/releases/plugins/${archive}`, {
    withinMs: REACHABLE_MS,
    signal,
  }).then(
    (bytes) => (bytes === undefined ? "" : `, ${Math.round(bytes / 1e6)} MB`),
    (error: unknown) => {
      signal?.throwIfAborted();
      return new Error(wordsOf(error));
    },
  );
  // Offline: the stand-in does, and the question is for another day.
  if (size instanceof Error) return undefined;
  const message = `The sandbox can run on Pulumi's own AWS provider ${providerVersion()} instead of a stand-in for it. Download it into ${pluginFolder(env)}${size}?`;
  if (!(await reporter.confirm({ message, answeredBy: "nothing", unattended: false }))) {
    tryWriteFile(answers, `${JSON.stringify({ version: providerVersion() })}\n`);
    return undefined;
  }
  const cli = await obtainPulumiCli({ cacheDir: paths.cache, env, report, signal });
  const telling = (seconds: number): void =>
    report(`downloading Pulumi's AWS provider ${providerVersion()}: ${seconds} s`);
  const failure = await withProgress(telling, () => download(cli, options));
  const found = installed(env);
  if (found === undefined)
    reporter.emit({
      type: "message",
      level: "warning",
      subject: "sandbox",
      message: `Pulumi's AWS provider could not be downloaded: ${failure ?? `there is none in ${pluginFolder(env)}`}${isDemanded ? "" : "; the stand-in takes its place"}`,
    });
  return found;
}

/** @returns why it failed, if it did */
async function download({ command }: PulumiCli, { env, signal }: ChoiceOptions): Promise<string | undefined> {
  try {
    const own = { ...env, PULUMI_HOME: pulumiHome(env), PULUMI_SKIP_UPDATE_CHECK: "true" };
    await run(command, installArguments(), { env: own, timeoutMs: DOWNLOAD_TIMEOUT_MS, signal });
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    return wordsOf(error);
  }
}

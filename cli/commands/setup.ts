import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { awsRegionNames, awsRegions, isAwsRegion } from "../../fleet/aws/regions";
import { parseConfig } from "../../fleet/config";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { proposedRegions, setupText, type SetupAnswers } from "../../fleet/config/setup";
import { didYouMean } from "../../fleet/text/suggest";
import { ec2Endpoint, latencies } from "../../cloud/latency";
import { askText, isAttended } from "../output/console";
import { diffText } from "../output/diff";
import type { CommandContext } from "../runtime/context";
import { configPath } from "../runtime/place";

/** How long `setup` listens for the nearest regions; the farthest answer within half of it. */
const LATENCY_DEADLINE_MS = 1000;

/** Writes a config.yaml by a few questions. Of AWS it opens connections at most, so it needs no credentials. */
export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal, env } = context;
  const file = configPath(context);
  const interactive = !options.defaults && isAttended(terminal);
  const { regions, because } = proposedRegions(
    await regionLatencies(env),
    Intl.DateTimeFormat().resolvedOptions().timeZone,
  );
  terminal.stderr.write(`Regions proposed ${because}.\n`);
  const proposal: SetupAnswers = { regions, count: 3, machineType: "t3.medium", privateKey: undefined };
  const answers = interactive ? await askAll(context, proposal) : proposal;
  const text = setupText(answers);
  const before = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  if (before === text) {
    terminal.stdout.write(`${file} is so already.\n`);
    return ExitCode.ok;
  }
  terminal.stderr.write(
    `${before === undefined ? `${file}:\n\n${text}` : `${file} exists. What would change:\n\n${diffText(before, text)}`}\n`,
  );
  await permit(context, { file, exists: before !== undefined, interactive });
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw new SpotError("E_USAGE", {
      message: `${file} cannot be written`,
      cause,
      next: "Name a file in a folder that exists and that you may write to.",
      step: outside("correct-command-line"),
    });
  }
  terminal.stdout.write(`Wrote ${file}. Next: \`npm run up -- --sandbox\` to try it here, \`npm run up\` for AWS.\n`);
  return ExitCode.ok;
}

/** Of the regions that every account has. An endpoint of the user's choice stands for all of them: no latency to tell. */
async function regionLatencies(env: NodeJS.ProcessEnv): Promise<Map<string, number>> {
  if (env.AWS_ENDPOINT_URL || env.AWS_ENDPOINT_URL_EC2) return new Map();
  return latencies(
    awsRegionNames.filter((name) => !awsRegions[name].optIn),
    LATENCY_DEADLINE_MS,
    ec2Endpoint,
  );
}

/** An existing file is never overwritten unasked: not by --defaults either, only by a yes. */
async function permit(
  { options, terminal }: CommandContext,
  { file, exists, interactive }: { file: string; exists: boolean; interactive: boolean },
): Promise<void> {
  if (options.yes || (!exists && !interactive)) return;
  if (!interactive)
    throw new SpotError("E_DECLINED", {
      message: `${file} exists and was left as it is`,
      next: "Give --yes to overwrite it, or another file with --config.",
      step: again("--yes"),
    });
  const answer = await askText(terminal, exists ? "Overwrite it? [y/N] " : "Write it? [Y/n] ");
  const yes = answer === "" ? !exists : /^y(es)?$/i.test(answer ?? "");
  if (!yes) throw new SpotError("E_DECLINED", `${file} was not written`);
}

interface SetupQuestion<T> {
  text: string;
  proposed: string;
  /** The value, or what is wrong with the answer. */
  read: (answer: string) => { value: T } | { problem: string };
}

async function askAll(context: CommandContext, proposal: SetupAnswers): Promise<SetupAnswers> {
  const regions = await answered(context, {
    text: "Regions, separated by commas",
    proposed: proposal.regions.join(","),
    read: readRegions,
  });
  const count = await answered<number>(context, {
    text: "Nodes in all",
    proposed: String(proposal.count),
    read: (answer) =>
      /^[1-9]\d*$/.test(answer) && Number(answer) <= 1000
        ? { value: Number(answer) }
        : { problem: "a whole number from 1 to 1000" },
  });
  const machineType = await answered(context, { text: "Machine type", proposed: proposal.machineType, read: readType });
  const privateKey = await answered(context, {
    text: "Your SSH private key (none: a pair is made for the fleet)",
    proposed: "none",
    read: readKey,
  });
  return { regions, count, machineType, privateKey };
}

async function answered<T>({ terminal }: CommandContext, { text, proposed, read }: SetupQuestion<T>): Promise<T> {
  for (;;) {
    const answer = await askText(terminal, `${text} [${proposed}]: `);
    if (answer === undefined) throw new SpotError("E_DECLINED", "the questions were broken off; nothing was written");
    const result = read(answer || proposed);
    if ("value" in result) return result.value;
    terminal.stderr.write(`  ${result.problem}\n`);
  }
}

function readRegions(answer: string): { value: string[] } | { problem: string } {
  const names = [...new Set(answer.split(/[\s,]+/).filter(Boolean))];
  const unknown = names.find((name) => !isAwsRegion(name));
  if (unknown !== undefined) return { problem: `${unknown} is not a region${didYouMean(unknown, awsRegionNames)}` };
  if (names.length === 0) return { problem: "at least one region" };
  const optIn = names.filter((name) => isAwsRegion(name) && awsRegions[name].optIn);
  return optIn.length > 0
    ? {
        problem: `${optIn.join(", ")} must be enabled in your account first; choose another, or add it to the file later`,
      }
    : { value: names };
}

/** The configuration's own rules judge the answer. */
function readType(answer: string): { value: string } | { problem: string } {
  const { problems } = parseConfig(
    setupText({ regions: ["us-east-1"], count: 1, machineType: answer, privateKey: undefined }),
    "config.yaml",
  );
  const [problem] = problems ?? [];
  return problem ? { problem: problem.message.replace(/^\S+: /, "") } : { value: answer };
}

function readKey(answer: string): { value: string | undefined } | { problem: string } {
  if (answer === "none") return { value: undefined };
  const file = answer.startsWith("~/") ? path.join(homedir(), answer.slice(2)) : path.resolve(answer);
  return existsSync(file) ? { value: answer } : { problem: `${file} does not exist` };
}

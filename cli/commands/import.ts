import path from "node:path";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { pluralize } from "../../fleet/text/words";
import { packageRoot } from "../../project/package-root";
import { cloudOf } from "../../cloud/clients";
import {
  endLegacy,
  lookAtLegacy,
  readLegacyState,
  stillThere,
  type LegacyListing,
} from "../../automation/operations/cleanup/import";
import { pathsOf } from "../../automation/target/paths";
import { resolveTarget } from "../../automation/target";
import { exitCodeOf } from "../output/exit-code";
import { jsonLine } from "../output/json";
import { tableText, widthOf } from "../output/table";
import { firstWord, type CommandContext } from "../runtime/context";
import { reporterFor } from "../runtime/reporter";
import { interruptible } from "../runtime/signals";

/** The instances are listed, and ended after a yes; they never become nodes of a fleet here: nothing about them is proven. */
export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal, env } = context;
  const reporter = reporterFor(context, "answer");
  const entries = readLegacyState(path.resolve(firstWord(context)));
  return interruptible(reporter, async (interrupts) => {
    const target = await resolveTarget({
      sandbox: options.sandbox,
      profile: options.profile,
      projectDir: packageRoot(),
      paths: pathsOf(env),
      env,
      reporter,
      start: false,
    });
    const cloud = cloudOf(target, interrupts.hard);
    try {
      const listing = await lookAtLegacy(cloud, entries);
      if (!options.json) terminal.stdout.write(`${listingText(listing, widthOf(terminal.stdout))}\n`);
      const there = listing.instances.filter(stillThere);
      const question = { message: `End ${pluralize(there.length, "instance")} for good?`, unattended: false };
      const yes = there.length > 0 && (await reporter.confirm(question));
      const failed = [...listing.failedRegions, ...(yes ? await endLegacy(cloud, there) : [])];
      const ended = yes ? there.filter(({ region }) => !failed.some((one) => one.region === region)) : [];
      if (options.json)
        jsonLine(context, { ...listing, failedRegions: failed, ended: ended.map(({ instanceId }) => instanceId) });
      else terminal.stdout.write(`${verdict(there.length, ended.length, yes)}\n`);
      for (const { region, error } of failed)
        reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
      return exitCodeOf(
        failed.map(({ error }) => error),
        there.length - ended.length,
      );
    } finally {
      cloud.close();
    }
  });
}

function listingText({ instances }: LegacyListing, width: number): string {
  if (instances.length === 0) return "The file lists no instances.";
  return tableText(
    ["INSTANCE", "REGION", "TYPE", "STATE", "ADDRESS"],
    instances.map(({ instanceId, region, instanceType, state, address }) => [
      instanceId,
      region,
      instanceType ?? "-",
      state,
      address ?? "-",
    ]),
    width,
  );
}

function verdict(there: number, ended: number, yes: boolean): string {
  if (there === 0) return "None of them runs any more: nothing to end.";
  return yes
    ? `${ended} of ${pluralize(there, "instance")} ${ended === 1 ? "is" : "are"} ending. Their networks and groups: \`cleanup-vpcs --legacy\`.`
    : `Still there and left as it was: ${pluralize(there, "instance")}; --yes ends them without a question.`;
}

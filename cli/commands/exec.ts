import { PassThrough } from "node:stream";
import { errorInfoOf, SpotError, type ErrorInfo } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { pluralize } from "../../fleet/text/words";
import { killedWithStdin } from "../../automation/ssh/remote-shell";
import { nodesNamed } from "../../automation/operations/nodes/verify-fleet";
import { jsonLine } from "../output/json";
import { nodePrefix } from "../output/lines";
import type { CommandContext } from "../runtime/context";
import { onNodes, remoteCommand } from "../runtime/on-nodes";

/** For one command on one node. */
const DEADLINE_MS = 600_000;
const CONNECT_MS = 20_000;
const NODES_AT_A_TIME = 24;

const INTERRUPTED = {
  message: "the command was interrupted, and ended on every node on which it still ran",
  next: "Run it again if it may run twice: some nodes may have finished it.",
  step: again(),
};

interface Executed {
  node: string;
  instanceId: string;
  address?: string;
  code?: number;
  stdout?: string;
  stderr?: string;
  error?: ErrorInfo;
}

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal, rest } = context;
  if (rest.length === 0)
    throw new SpotError("E_USAGE", {
      message: "`exec` needs a command behind `--`",
      next: "For example: npm run exec -- -- uptime",
      step: outside("correct-command-line"),
    });
  const command = remoteCommand(rest);
  return onNodes(
    context,
    async ({ session, fleet }) => {
      const { default: pMap } = await import("p-map");
      const nodes = nodesNamed(session, options.node);
      const targets = await (await fleet()).targets(nodes);
      const executed = await pMap(
        targets,
        async ({ ref, connect }): Promise<Executed> => {
          const about = {
            node: ref.name,
            instanceId: ref.instanceId,
            ...(ref.address === undefined ? {} : { address: ref.address }),
          };
          try {
            await using connection = await connect(CONNECT_MS);
            const result = {
              ...about,
              ...(await connection.run(killedWithStdin(command), {
                deadlineMs: DEADLINE_MS,
                stdin: new PassThrough(),
              })),
            };
            if (!options.json)
              for (const line of outputLines(result)) terminal.stdout.write(`${nodePrefix(ref)} ${line}\n`);
            return result;
          } catch (error) {
            return { ...about, error: errorInfoOf(ref.name, error) };
          }
        },
        { concurrency: NODES_AT_A_TIME },
      );
      if (options.json) jsonLine(context, { command, nodes: executed });
      else terminal.stdout.write(`${summary(executed)}\n`);
      return executed.every(({ code }) => code === 0) ? ExitCode.ok : ExitCode.partial;
    },
    INTERRUPTED,
  );
}

function outputLines({ stdout, stderr }: Executed): string[] {
  return [stdout, stderr].flatMap((text) => (text ? text.replace(/\n$/, "").split("\n") : []));
}

function summary(executed: Executed[]): string {
  const failed = executed.filter(({ code }) => code !== 0);
  const why = ({ code, error }: Executed) => (error ? error.message : `exit code ${code ?? "unknown"}`);
  return [
    `${executed.length - failed.length} of ${pluralize(executed.length, "node")}: exit code 0.`,
    ...failed.map((node) => `  ${node.node}: ${why(node)}`),
  ].join("\n");
}

import { SpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { Tag } from "../../fleet/model";
import { pluralize } from "../../fleet/text/words";
import { packageRoot } from "../../project/package-root";
import {
  giveNotice,
  providerTitle,
  sandboxInstances,
  sandboxStatus,
  stopSandbox,
  type SandboxInstance,
} from "../../sandbox/control";
import { pathsOf } from "../../automation/target/paths";
import { forgetSandbox, sandboxHome } from "../../automation/target";
import { jsonLine } from "../output/json";
import type { CommandContext, ParsedOptions } from "../runtime/context";

interface Action {
  takesNode: boolean;
  run(home: string, node: string, options: ParsedOptions): Promise<{ document: unknown; text: string }>;
}

const actions: Record<string, Action> = {
  status: {
    takesNode: false,
    async run(home) {
      const status = await sandboxStatus(home);
      return {
        document: status ?? null,
        text: status
          ? `${status.mode} sandbox at ${status.endpoint}, served by ${providerTitle(status.provider)}, process ${status.pid}, network ${status.network}, ${pluralize(status.instances, "instance")}`
          : "No sandbox is running.",
      };
    },
  },
  interrupt: {
    takesNode: true,
    async run(home, node, { seconds }) {
      const { id } = await instanceOf(home, node);
      const at = await giveNotice(home, {
        instanceId: id,
        kind: "interruption",
        ...(seconds === undefined ? {} : { seconds: wholeSeconds(seconds) }),
      });
      return {
        document: { instanceId: id, endsAt: at },
        text: `${node} (${id}) has its interruption notice and ends at ${at.toISOString()}.`,
      };
    },
  },
  rebalance: {
    takesNode: true,
    async run(home, node, { seconds }) {
      if (seconds !== undefined)
        throw new SpotError("E_USAGE", {
          message: "a rebalance recommendation ends nothing, so --seconds has no meaning with it",
        });
      const { id } = await instanceOf(home, node);
      const at = await giveNotice(home, { instanceId: id, kind: "rebalance" });
      return {
        document: { instanceId: id, recommendedAt: at },
        text: `${node} (${id}) has a rebalance recommendation of ${at.toISOString()}; it goes on running.`,
      };
    },
  },
  down: {
    takesNode: false,
    async run(home) {
      const { stopped } = await stopSandbox(home);
      forgetSandbox(home);
      return {
        document: { stopped },
        text: stopped ? "The sandbox is ended, with everything in it." : "No sandbox was running.",
      };
    },
  },
};

export async function run(context: CommandContext): Promise<ExitCode> {
  const { positionals, options, terminal, env } = context;
  const home = sandboxHome({ projectDir: packageRoot(), paths: pathsOf(env), env });
  const [name = "status", node] = positionals;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (!action)
    throw new SpotError("E_USAGE", {
      message: `\`sandbox ${name}\` is not known`,
      next: `Use one of: ${Object.keys(actions).join(", ")}.`,
      step: outside("correct-command-line"),
    });
  if (action.takesNode !== (node !== undefined)) {
    throw new SpotError("E_USAGE", {
      message: action.takesNode
        ? `\`sandbox ${name}\` needs a node: its name or its instance id`
        : `\`sandbox ${name}\` takes no node`,
    });
  }
  if (options.seconds !== undefined && !action.takesNode)
    throw new SpotError("E_USAGE", { message: `\`sandbox ${name}\` takes no --seconds` });
  const { document, text } = await action.run(home, node ?? "", options);
  if (options.json) jsonLine(context, document);
  else terminal.stdout.write(`${text}\n`);
  return ExitCode.ok;
}

/** The running instance behind a node's name or an instance id. */
async function instanceOf(home: string, node: string): Promise<SandboxInstance> {
  const running = (await sandboxInstances(home)).filter(({ state }) => state === "running" || state === "pending");
  const found = running.filter(({ id, tags }) => id === node || tags[Tag.node] === node);
  const [only] = found;
  if (only && found.length === 1) return only;
  // Two stacks of one sandbox may have nodes of one name.
  if (only)
    throw new SpotError("E_NOT_FOUND", {
      message: `${node} names ${found.length} running instances`,
      next: `Give one instance id: ${found.map(({ id }) => id).join(", ")}.`,
      step: outside("correct-command-line"),
    });
  const names = running.map(({ id, tags }) => tags[Tag.node] ?? id).sort();
  throw new SpotError("E_NOT_FOUND", {
    message: `no node ${node} runs in the sandbox`,
    next: names.length > 0 ? `There are: ${names.join(", ")}.` : "Nothing runs in it.",
    step: outside("correct-command-line"),
  });
}

function wholeSeconds(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new SpotError("E_USAGE", { message: `--seconds ${text}: not a whole number of seconds` });
}

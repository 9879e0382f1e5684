import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { parseCommandLine } from "../../../cli/parse";
import { placeOptionsOf } from "../../../cli/output/steps";
import { commandNamed } from "../../../cli/runtime/command";
import { COMMANDS } from "../../../cli/table";
import { awsFailures } from "../../../fleet/aws/error-codes";
import { checks, checksFor } from "../../../fleet/checks";
import { errorCatalogue, errorInfoOf, SpotError, type Advice } from "../../../fleet/errors";
import { actions, AGAIN, stepFor, stepText, type CommandStep } from "../../../fleet/steps";
import { packageRoot } from "../../../project/package-root";

const PLACE = ["sandbox", "stack", "profile", "config"] as const;

/** Words that a text has in the place of what only its reader knows. */
const EXAMPLES: readonly [RegExp, string][] = [[/^ID$/, "0123456789abcdef"]];

/** Why the words are no command line of this program; undefined when they are one. */
function faultOf(words: readonly string[]): string | undefined {
  const typed = words.map((word) => EXAMPLES.find(([pattern]) => pattern.test(word))?.[1] ?? word);
  try {
    parseCommandLine(typed, {});
    return undefined;
  } catch (error) {
    return `${words.join(" ")}: ${(error as Error).message}`;
  }
}

/** The command lines of this program that a text names between backticks. */
function commandsIn(text: string): string[][] {
  return [...text.matchAll(/`([^`]+)`/g)].flatMap(([, quoted = ""]) => {
    const words = quoted.replace(/^(npx )?spot |^npm run /, "").split(" ");
    const isCalled = /^(npx )?spot |^npm run /.test(quoted) && words[0] !== "build" && words[0] !== "docs";
    const isCommand = commandNamed(words[0] ?? "", COMMANDS) !== undefined;
    return isCalled || isCommand ? [words[1] === "--" ? [words[0] ?? "", ...words.slice(2)] : words] : [];
  });
}

/** What is wrong with an advice: a step that is none, or that the text does not name. */
function faultsOf({ next, step }: Advice): string[] {
  const command: CommandStep | undefined = "command" in step ? step : step.then;
  const named = commandsIn(next);
  const ofText = named.flatMap((words) => faultOf(words) ?? []);
  const ofAction =
    "action" in step && !Object.hasOwn(actions, step.action) ? [`${step.action}: is no action of the table`] : [];
  if (command === undefined || command.command === AGAIN) return [...ofText, ...ofAction];
  const fault = faultOf([command.command, ...command.args]);
  const isNamed = named.some(
    ([name, ...words]) =>
      name === command.command && command.args.every((word) => words.join(" ").includes(word.replace(/=.*/, ""))),
  );
  return [
    ...ofText,
    ...ofAction,
    ...(fault === undefined ? [] : [fault]),
    ...(isNamed ? [] : [`\`${command.command}\` is the step, and the text does not name it: ${next}`]),
  ];
}

const advised: [string, Advice][] = [
  ...checks.map(({ id, next, step }): [string, Advice] => [id, { next, step }]),
  ...Object.entries(errorCatalogue),
  ...Object.entries(awsFailures),
];

describe("steps", () => {
  it("of every check, error and answer of AWS are real commands with real options, or actions of the table", () => {
    assert.deepEqual(
      advised.flatMap(([name, advice]) => faultsOf(advice).map((fault) => `${name}: ${fault}`)),
      [],
    );
  });

  it("are refused by this test when a command, an option or an action does not exist, or the text names another one", () => {
    const faulty: Advice[] = [
      { next: "`repare` it.", step: { command: "repare", args: [] } },
      { next: "Run `up --stak=a`.", step: { command: "up", args: ["--stak=a"] } },
      { next: "Run `up`.", step: { action: "pray" as keyof typeof actions } },
      { next: "Run `up`.", step: { command: "replace", args: ["NODE"] } },
      { next: "Run `spot mend NODE`.", step: { action: "report" } },
    ];
    for (const advice of faulty) assert.notDeepEqual(faultsOf(advice), [], JSON.stringify(advice));
  });

  it("of a check of the user's own are such steps, too", () => {
    const own = {
      name: "a",
      subject: { kind: "command", command: "true" },
      deadlineSeconds: 1,
      retrySeconds: 0,
    } as const;
    const [check] = checksFor({ checks: [{ ...own, severity: "fail" }] }).slice(-1);
    assert.equal(check?.id, "U-a");
    assert.deepEqual(faultsOf(check), []);
  });

  it("say why no command can do what is to be done outside the program", () => {
    for (const [name, { what, why }] of Object.entries(actions)) {
      assert.match(what, /^[A-Z].*\.$/, name);
      assert.match(why, /^[A-Z].*\.$/, name);
    }
  });

  it("begin with no log to be read: that is a hint beside them", () => {
    for (const [name, { next }] of advised) assert.doesNotMatch(next, /^Read /, name);
  });

  it("take the options that lead them to the same fleet", () => {
    const commands = advised.flatMap(([, { step }]) => {
      const command: CommandStep | undefined = "command" in step ? step : step.then;
      return command === undefined || command.command === AGAIN ? [] : [command.command];
    });
    for (const name of new Set([...commands, "preview", "sandbox", "setup"])) {
      const taken = PLACE.filter((option) => commandNamed(name, COMMANDS)?.options.includes(option));
      assert.deepEqual(placeOptionsOf[name] ?? PLACE, taken, name);
    }
  });

  it("leave to the user what was declined: the same command would only ask again", () => {
    assert.deepEqual(new SpotError("E_DECLINED", "nothing was changed").step, { action: "decide" });
  });

  it("have the node's name where one stands for it", () => {
    assert.deepEqual(stepFor("a-0", { command: "replace", args: ["NODE", "--yes"] }), {
      command: "replace",
      args: ["a-0", "--yes"],
    });
    const then = { command: "replace", args: ["NODE"] };
    assert.deepEqual(stepFor("a-0", { action: "mend-network", then }), {
      action: "mend-network",
      then: { command: "replace", args: ["a-0"] },
    });
    const { next, step } = errorInfoOf("a-0", new SpotError("E_HOST_KEY", "its key is another one"));
    assert.deepEqual(step, { command: "replace", args: ["a-0"] });
    assert.match(next, /^`replace a-0` /);
    assert.equal(stepText({ command: "replace", args: ["a 0"] }), "npx spot replace 'a 0'");
  });

  /** Every place in the code that says what to do in a case at hand: its words, and the step as it is written. */
  function overrides(): { at: string; next: string; step: string }[] {
    const folders = ["automation", "cli", "fleet", "project", "sandbox"];
    const files = folders.flatMap((folder) =>
      readdirSync(path.join(packageRoot(), folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => path.join(folder, file)),
    );
    return files.flatMap((file) => {
      const text = readFileSync(path.join(packageRoot(), file), "utf8");
      if (!text.includes("next:")) return [];
      const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
      const found: { at: string; next: string; step: string }[] = [];
      const visit = (node: ts.Node): void => {
        if (ts.isObjectLiteralExpression(node)) {
          const valueOf = (name: string): string | undefined =>
            node.properties
              .flatMap((one) => (ts.isPropertyAssignment(one) && one.name.getText() === name ? [one] : []))
              .map((one) => one.initializer.getText())[0];
          const [next, step] = [valueOf("next"), valueOf("step")];
          const at = `${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
          if (next !== undefined && step !== undefined) found.push({ at, next: next.replaceAll("\\`", "`"), step });
        }
        ts.forEachChild(node, visit);
      };
      visit(source);
      return found;
    });
  }

  it("in the cases at hand are real commands, and the words beside them name them", () => {
    const found = overrides();
    assert.ok(found.length > 150, String(found.length));
    const faults = found.flatMap(({ at, next, step }) => {
      const isText = /^["`]/.test(next);
      const text = next.replace(/\$\{[^}]*\}/g, "ID").slice(1, -1);
      const ofText = isText ? commandsIn(text).flatMap((words) => faultOf(words) ?? []) : [];
      const calls = [...step.matchAll(/\bspot\("([\w-]+)"/g)].map(([, name = ""]) => name);
      const ofStep = calls.flatMap((name) =>
        commandNamed(name, COMMANDS) === undefined
          ? [`${name}: is no command`]
          : isText && !commandsIn(text).some(([first]) => first === name)
            ? [`\`${name}\` is the step, and the text does not name it: ${text}`]
            : [],
      );
      return [...ofText, ...ofStep].map((fault) => `${at}: ${fault}`);
    });
    assert.deepEqual(faults, []);
  });
});

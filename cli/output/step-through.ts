import { createInterface, type Interface } from "node:readline";
import type { Check, NodeExpectation } from "../../fleet/checks";
import type { NodeRef } from "../../fleet/model";
import type { CheckResult } from "../../automation/verify/result";
import type { NextStep, Position } from "../../automation/verify/runner";
import { coloursFor, type Terminal } from "./console";
import { commandText, resultLines } from "./verification";

const KEYS: Record<string, NextStep> = { "": "next", r: "repeat", s: "skip-next", q: "quit" };

/**
 * Takes a person through the list: shows the command before it runs, then what was expected and what came back, then
 * waits. Answers come line by line, so that they can also be piped in; at their end it stops.
 */
export class StepThrough {
  private readonly lines: Interface;
  private readonly answers: AsyncIterator<string>;
  private node: string | undefined;
  private closed = false;

  /** @param commandOn what a person types to run a command on a node of this fleet */
  constructor(
    private readonly terminal: Terminal,
    private readonly commandOn: (node: string) => string,
  ) {
    this.lines = createInterface({ input: terminal.stdin, terminal: false });
    this.answers = this.lines[Symbol.asyncIterator]();
  }

  /** Shows what is about to be run, and how far the list has come. */
  readonly before = (ref: NodeRef, check: Check, expectation: NodeExpectation, { check: at, node }: Position): void => {
    const { bold, dim } = coloursFor(this.terminal.stdout, this.terminal.env);
    if (ref.name !== this.node) {
      this.node = ref.name;
      this.write(
        `\n${bold(`${ref.name} (${ref.instanceId ?? "no instance"}, ${ref.address ?? "no address"})`)}\n${dim(`to run a command there yourself: ${this.commandOn(ref.name)}`)}\n`,
      );
    }
    const where = check.where === "cloud" || check.where === "client" ? "here" : "node";
    const position = `${at.number} of ${at.of}${node.of > 1 ? `, ${ref.name} (node ${node.number} of ${node.of})` : ""}`;
    this.write(
      `\n${dim(position)}\n${bold(`${check.id} ${check.title}`)}\n${commandText(where, check.command(expectation))}\n`,
    );
  };

  /** Shows the result and waits for what to do. */
  readonly after = async (_node: NodeRef, result: CheckResult): Promise<NextStep> => {
    const colours = coloursFor(this.terminal.stdout, this.terminal.env);
    const paint = {
      ok: colours.green,
      failed: colours.red,
      unknown: colours.yellow,
      warning: colours.yellow,
      info: colours.cyan,
      skipped: colours.dim,
    }[result.status];
    this.write(
      `${resultLines({ ...result, command: undefined }).join("\n")}\n  ${paint(result.status.toUpperCase())}\n`,
    );
    for (;;) {
      this.write("  Enter: next   r: repeat   s: skip the next   q: quit > ");
      const answer = await this.answers.next();
      if (answer.done) return "quit";
      this.write(this.terminal.stdin.isTTY ? "" : "\n");
      const step = KEYS[answer.value.trim().toLowerCase()];
      if (step !== undefined) return step;
    }
  };

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.lines.close();
  }

  private write(text: string): void {
    this.terminal.stdout.write(text);
  }
}

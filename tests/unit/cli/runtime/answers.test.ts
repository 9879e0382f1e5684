import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import type { CommandContext, ParsedOptions } from "../../../../cli/runtime/context";
import { reporterFor } from "../../../../cli/runtime/reporter";
import { COMMANDS } from "../../../../cli/table";

describe("--yes", () => {
  let home: string;
  beforeEach(() => (home = mkdtempSync(path.join(os.tmpdir(), "spot-answers-"))));
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  /** Asks a question as a command does; nobody is there to answer. */
  async function answer(command: string, given: Partial<ParsedOptions>, answeredBy?: "take-over"): Promise<boolean> {
    const stream = () => Object.assign(new PassThrough(), { isTTY: false });
    const terminal = {
      stdin: stream(),
      stdout: stream(),
      stderr: stream(),
      env: {},
    } as unknown as CommandContext["terminal"];
    const context: CommandContext = {
      command,
      args: [],
      positionals: [],
      rest: [],
      terminal,
      env: { HOME: home, SPOT_SANDBOX_HOME: home },
      options: { sandbox: "api", yes: false, json: false, verbose: false, debug: false, ...given },
    };
    const reporter = reporterFor(context, "answer");
    try {
      return await reporter.confirm({ message: "End the fleet?", unattended: false, answeredBy });
    } finally {
      context.end?.(0);
    }
  }

  it("is taken for the answer by every command that asks, in every form of output", async () => {
    const asking = COMMANDS.filter(({ options }) => options.includes("yes"));
    assert.ok(asking.length > 5, "--yes");
    for (const { name } of asking) {
      for (const form of [{}, { json: true }, { quiet: true }]) {
        assert.equal(await answer(name, { ...form, yes: true }), true, `${name} with --yes`);
        assert.equal(await answer(name, form), false, `${name} without`);
      }
    }
  });

  it("is no answer where a question has an option of its own: --take-over is, for that question alone", async () => {
    const asking = COMMANDS.filter(({ options }) => options.includes("take-over"));
    assert.deepEqual(
      asking.map(({ name }) => name),
      ["up", "down", "replace", "repair", "recover", "allow-me", "cleanup-vpcs"],
    );
    for (const { name } of asking) {
      for (const form of [{}, { json: true }, { quiet: true }]) {
        assert.equal(await answer(name, { ...form, yes: true }, "take-over"), false, `${name} with --yes`);
        assert.equal(await answer(name, { ...form, "take-over": true }, "take-over"), true, `${name} with --take-over`);
        assert.equal(await answer(name, { ...form, "take-over": true }), false, `${name}: another question`);
      }
    }
  });
});

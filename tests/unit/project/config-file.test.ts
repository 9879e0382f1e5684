import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { namedPlace } from "../../../cli/runtime/place";
import { SpotError } from "../../../fleet/errors";
import { ExitCode } from "../../../fleet/errors/exit-codes";
import { loadConfig, readConfig } from "../../../project/config-file";

describe("readConfig", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "config-"));
    file = path.join(folder, "config.yaml");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const refusal = (content?: string | Buffer): SpotError => {
    if (content !== undefined) writeFileSync(file, content);
    try {
      readConfig(file);
    } catch (error) {
      assert.ok(error instanceof SpotError);
      return error;
    }
    assert.fail("the file was accepted");
  };

  it("makes every path absolute: ~ is the home, the rest is relative to the file's folder (L37)", () => {
    writeFileSync(
      file,
      "aws: {private_ssh_key_path: ~/.ssh/id, files_directory: data, scripts_directory: /s}\nregions: [us-west-2: {}]\n",
    );
    const config = loadConfig(path.relative(process.cwd(), file));
    assert.equal(config.ssh.privateKeyPath, path.join(homedir(), ".ssh/id"));
    assert.equal(config.ssh.publicKeyPath, path.join(homedir(), ".ssh/id.pub"));
    assert.equal(config.filesDirectory, path.join(folder, "data"));
    assert.equal(config.scriptsDirectory, "/s");
  });

  it("hands on warnings", () => {
    writeFileSync(file, "aws: {startup_script: x}\nregions: [us-west-2: {}]\n");
    assert.equal(readConfig(file).warnings.length, 1);
  });

  it("says that a file is missing, or is no file", () => {
    const error = refusal();
    assert.deepEqual([error.code, error.exitCode], ["E_CONFIG_MISSING", ExitCode.usage]);
    assert.match(error.next, /--config/);
    assert.throws(() => readConfig(folder), { code: "E_CONFIG_MISSING" });
  });

  it("says of a dead link that it is one", () => {
    symlinkSync("share/config.yaml", file);
    const error = refusal();
    assert.deepEqual(
      [error.code, error.cause],
      ["E_CONFIG_MISSING", "it is a link to share/config.yaml, which is not there"],
    );
    assert.match(error.next, /^Mount or restore what the link leads to/);
  });

  describe("for the stack alone, where no file was asked for by name", () => {
    it("does without a file, and reads one that is there", () => {
      assert.deepEqual(namedPlace(file, {}), {});
      assert.throws(() => namedPlace(file, { config: file }), { code: "E_CONFIG_MISSING" });
      writeFileSync(file, "stack: prod\nregions: [us-west-2: {}]\n");
      assert.equal(namedPlace(file, {}).stack, "prod");
    });

    for (const [what, make, code] of [
      ["a dead link", () => symlinkSync("share/config.yaml", file), "E_CONFIG_MISSING"],
      ["a folder", () => mkdirSync(file), "E_CONFIG_MISSING"],
      ["no YAML", () => writeFileSync(file, "stack: prod\nregions: [\n"), "E_CONFIG_SYNTAX"],
      ["a value that cannot work", () => writeFileSync(file, "stack: prod\nregions: 1\n"), "E_CONFIG_INVALID"],
    ] as const) {
      it(`takes ${what} for no reason to act on the usual stack`, () => {
        make();
        assert.throws(
          () => namedPlace(file, {}),
          (error: SpotError) =>
            error.code === code && error.next.endsWith("Or name the stack with --stack: then the file is not needed."),
        );
        assert.deepEqual(namedPlace(file, { stack: "prod" }), {});
      });
    }
  });

  it("carries every problem, each with its place", () => {
    const error = refusal("stack: a b\nregions: [us-wset-2: {}]\n");
    assert.deepEqual([error.code, error.problems.length], ["E_CONFIG_INVALID", 2]);
    assert.deepEqual(error.location, { file, line: 1, column: 8 });
    assert.equal(error.message, `${file} has 2 problems`);
  });

  it("tells YAML's faults from those of values", () => {
    assert.equal(refusal("regions: [\n").code, "E_CONFIG_SYNTAX");
    assert.equal(refusal("regions: 1\n").code, "E_CONFIG_INVALID");
  });

  it("refuses what is not UTF-8", () => {
    assert.match(refusal(Buffer.from([0x61, 0xff])).message, /not UTF-8/);
  });
});

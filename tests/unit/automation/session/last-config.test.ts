import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { isSpotError } from "../../../../fleet/errors";
import type { Question } from "../../../../fleet/report/events";
import {
  lastConfigText,
  otherConfigWords,
  parseLastConfig,
  type OtherConfig,
} from "../../../../fleet/config/last-config";
import { stateFilesOf } from "../../../../automation/engine/state-files";
import { forgetConfig, rememberConfig, settleConfig, wordsOnConfig } from "../../../../automation/session/last-config";
import { pathsOf } from "../../../../automation/target/paths";
import type { Session } from "../../../../automation/session";
import { targetPlace, type Target } from "../../../../automation/target";

describe("which configuration changed a default stack last (O8)", () => {
  let dir: string;
  let asked: Question[];
  beforeEach(() => {
    dir = mkdtempSync(path.join(realpathSync(os.tmpdir()), "spot-last-config-"));
    asked = [];
    for (const folder of ["a", "b"]) {
      mkdirSync(path.join(dir, folder));
      writeFileSync(at(folder), "regions: []\n");
    }
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const at = (folder: string) => path.join(dir, folder, "config.yaml");
  const backend = () => path.join(dir, "backend");
  const memory = (stack = "fleet") => path.join(backend(), ".pulumi/stacks/spot-deployer", `${stack}.json.last-config`);

  /** As much of a session as is looked at. */
  function session(
    configFile: string,
    given: { target?: Partial<Target>; backendUrl?: string; answer?: boolean } = {},
  ): Session {
    const target = { kind: "aws", stack: "fleet", isChosen: false, ...given.target };
    const stateFiles = stateFilesOf(given.backendUrl ?? pathToFileURL(backend()).href, target.stack);
    const reporter = {
      emit: () => undefined,
      confirm: (question: Question) => (asked.push(question), Promise.resolve(given.answer ?? false)),
    };
    return { configFile, target, stack: { stateFiles }, stackExists: true, reporter } as unknown as Session;
  }
  const isAsked = (configFile: string, given?: Parameters<typeof session>[1]) =>
    wordsOnConfig(session(configFile, given)) !== undefined;
  const remember = (configFile: string, given?: Parameters<typeof session>[1]) =>
    rememberConfig(session(configFile, given));

  it("nothing is remembered: nothing is asked, and asking writes nothing down", async () => {
    await settleConfig(session(at("a")));
    assert.deepEqual([asked, existsSync(memory())], [[], false]);
  });

  it("another one is asked about, by a question that --yes does not answer; no answer is a refusal with the ways out", async () => {
    remember(at("a"));
    assert.equal(readFileSync(memory(), "utf8"), lastConfigText(at("a")));
    assert.equal(statSync(memory()).mode & 0o777, 0o600);
    await settleConfig(session(at("a")));
    assert.equal(asked.length, 0);
    await assert.rejects(settleConfig(session(at("b"))), (error: unknown) => {
      assert.ok(isSpotError(error));
      assert.deepEqual([error.code, error.exitCode], ["E_CONFIG_OTHER", 2]);
      assert.equal(error.message, `stack fleet was last changed with ${at("a")}; this is ${at("b")}`);
      for (const way of ["--stack NEW", "--take-over", `--config ${at("a")}`])
        assert.ok(error.next.includes(way), error.next);
      return true;
    });
    assert.deepEqual(
      asked.map(({ unattended, answeredBy }) => [unattended, answeredBy]),
      [[false, "take-over"]],
    );
    await settleConfig(session(at("b"), { answer: true }));
    assert.equal(readFileSync(memory(), "utf8"), lastConfigText(at("a")), "a yes changes nothing yet");
    remember(at("b"));
    assert.deepEqual([isAsked(at("b")), isAsked(at("a"))], [false, true]);
    forgetConfig(session(at("b")));
    assert.deepEqual([isAsked(at("a")), existsSync(memory())], [false, false]);
  });

  it("a stack that was chosen is not asked about, but who shares the default one is told of the change", () => {
    remember(at("a"));
    assert.equal(isAsked(at("b"), { target: { isChosen: true } }), false);
    remember(at("b"), { target: { isChosen: true } });
    assert.equal(isAsked(at("a")), true);
    remember(at("b"), { target: { isChosen: true, stack: "organization/spot-deployer/fleet" } });
    assert.equal(isAsked(at("b")), false);
  });

  it("stacks of other names, and backends that are no folder, remember nothing", () => {
    remember(at("a"), { target: { stack: "staging", isChosen: true } });
    assert.equal(existsSync(memory("staging")), false);
    for (const backendUrl of ["s3://bucket", "https://api.pulumi.com", ""]) {
      remember(at("a"), { backendUrl });
      assert.equal(isAsked(at("b"), { backendUrl }), false);
    }
    remember(at("a"), { target: { kind: "sandbox", stack: "sandbox" } });
    assert.equal(isAsked(at("b"), { target: { kind: "sandbox", stack: "sandbox" } }), true, "the sandbox asks too");
  });

  it("spellings of one path, over links or not, are one configuration", () => {
    symlinkSync(path.join(dir, "a"), path.join(dir, "link"));
    symlinkSync(at("a"), path.join(dir, "b/alias.yaml"));
    for (const [last, now, other] of [
      [at("a"), path.join(dir, "b/../a/config.yaml"), false],
      [at("a"), at("link"), false],
      [at("link"), at("a"), false],
      [at("a"), path.join(dir, "b/alias.yaml"), false],
      [path.join(dir, "link/none.yaml"), path.join(dir, "a/none.yaml"), false],
      [path.join(dir, "no/folder/none.yaml"), path.join(dir, "no/other/none.yaml"), true],
      [at("a"), path.join(dir, "a/staging.yaml"), true],
    ] as const) {
      remember(last);
      assert.equal(isAsked(now), other, `${last}, then ${now}`);
    }
    remember(at("link"));
    rmSync(path.join(dir, "link"));
    symlinkSync(path.join(dir, "b"), path.join(dir, "link"));
    assert.equal(isAsked(at("link")), false, "the same path, whose link leads elsewhere now");
  });

  it("a configuration that was moved is asked about once, and said to be gone", () => {
    remember(at("a"));
    renameSync(path.join(dir, "a"), path.join(dir, "c"));
    const words = wordsOnConfig(session(at("c")));
    assert.match(words!.question, /which is not there any more; this is .*c\/config\.yaml\. Take the stack over/);
    assert.match(words!.next, /If it was moved here/);
  });

  it("what is damaged is not taken for nobody's: it is asked about, and named", () => {
    mkdirSync(path.dirname(memory()), { recursive: true });
    for (const text of ["", "{", "null", "[]", '{"configFile": 1}', '{"configFile": ""}', "\u0000"]) {
      writeFileSync(memory(), text);
      assert.equal(parseLastConfig(text), undefined);
      assert.ok(wordsOnConfig(session(at("a")))?.fact.includes(memory()), text);
    }
    remember(at("a"));
    assert.equal(isAsked(at("a")), false, "taken over, it is whole again");
    rmSync(memory());
    mkdirSync(memory());
    assert.ok(wordsOnConfig(session(at("a")))?.fact.includes(memory()), "a folder in its place");
    assert.throws(
      () => remember(at("a")),
      (error: unknown) =>
        isSpotError(error) &&
        error.code === "E_BACKEND" &&
        error.message.includes(memory()) &&
        error.next.includes(path.dirname(memory())),
    );
  });

  it("a place that cannot be written stops the command before it changes anything, and names it", function () {
    if (process.getuid?.() === 0) writeFileSync(backend(), "no folder");
    else {
      mkdirSync(backend());
      chmodSync(backend(), 0o500);
    }
    assert.throws(
      () => remember(at("a")),
      (error: unknown) => isSpotError(error) && error.code === "E_BACKEND" && error.cause !== undefined,
    );
  });

  it("a stack is chosen by its name on the command line or in config.yaml, and by PULUMI_STACK outside the sandbox", () => {
    const chosen = (given: { stack?: string; sandbox?: "api" }, env: NodeJS.ProcessEnv = {}) => {
      const { stack, isChosen } = targetPlace({ projectDir: dir, paths: pathsOf({ HOME: dir }), env, ...given });
      return [stack, isChosen];
    };
    assert.deepEqual(chosen({}), ["fleet", false]);
    assert.deepEqual(chosen({}, { PULUMI_STACK: "" }), ["fleet", false]);
    assert.deepEqual(chosen({ stack: "fleet" }), ["fleet", true]);
    assert.deepEqual(chosen({}, { PULUMI_STACK: "fleet" }), ["fleet", true]);
    assert.deepEqual(chosen({ sandbox: "api" }, { PULUMI_STACK: "fleet" }), ["sandbox", false]);
    assert.deepEqual(chosen({ sandbox: "api", stack: "sandbox" }), ["sandbox", true]);
  });

  it("a path that a shell would take apart is quoted where it is to be typed", () => {
    const other: OtherConfig = { kind: "there", file: "/home/me/my fleet/config.yaml" };
    assert.match(otherConfigWords(other, "fleet", "/b").next, /--config '\/home\/me\/my fleet\/config\.yaml'/);
  });
});

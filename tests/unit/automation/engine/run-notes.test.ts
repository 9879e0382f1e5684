import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { KeptState } from "../../../../automation/engine/kept-state";
import { RunNotes } from "../../../../automation/engine/run-notes";
import type { PendingOperation } from "../../../../automation/engine/state";

const FLEET = "0123456789abcdef";
const step = (urn: string, id = "", node = "us-west-2-0") => ({
  urn,
  type: "aws:ec2/instance:Instance",
  id,
  inputs: { region: "us-west-2", tags: { "spot-deployer:node": node } },
});
const pending = (urn: string, creating = true): PendingOperation => ({ ...step(urn), region: "us-west-2", creating });

describe("what runs write down", () => {
  let dir: string;
  let file: string;
  /** The notes as the next process finds them. */
  const next = (): RunNotes => new RunNotes(file);
  const begun = (): RunNotes => {
    const notes = next();
    notes.begin(FLEET, { "us-west-2": ["i-0"] });
    return notes;
  };
  const attempts = () =>
    next()
      .of(FLEET)
      .map((note) => note.attempts.map(({ urn, id }) => (id === undefined ? urn : `${urn}=${id}`)));

  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-notes-"));
    file = path.join(dir, "below/runs.jsonl");
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it("what was there, and each creation before it is known how it ends, for the next process to read", () => {
    const notes = begun();
    notes.attempt(step("a"));
    notes.attempt(step("b"));
    notes.made(step("b", "i-2"));
    notes.attempt(step("c"));
    notes.refused(step("c"));
    notes.deleted(step("d", "i-9"));
    const [note] = next().of(FLEET);
    assert.deepEqual(
      { seen: note!.seen, deleted: note!.deleted, ended: note!.ended },
      { seen: { "us-west-2": ["i-0"] }, deleted: ["i-9"], ended: false },
    );
    assert.deepEqual(attempts(), [["a", "b=i-2"]]);
    assert.deepEqual(note!.attempts[0], {
      urn: "a",
      type: "aws:ec2/instance:Instance",
      region: "us-west-2",
      node: "us-west-2-0",
    });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(next().of("fedcba9876543210"), [], "another fleet's are not this one's");
  });

  it("a run whose creations are all recorded leaves nothing; one that lost something leaves it", () => {
    const whole = begun();
    whole.attempt(step("a"));
    whole.made(step("a", "i-1"));
    whole.end(new Set(["i-1"]));
    assert.equal(existsSync(file), false);
    const lost = begun();
    lost.attempt(step("a"));
    lost.made(step("a", "i-1"));
    lost.attempt(step("b"));
    lost.end(new Set(["i-1"]));
    assert.deepEqual(attempts(), [["a=i-1", "b"]]);
    lost.attempt(step("late"));
    assert.deepEqual(attempts(), [["a=i-1", "b"]], "after its end nothing more is of this run");
  });

  it("what a killed run left pending is taken over; of a run that came to its end, nothing is", () => {
    begun().attempt(step("a"));
    next().adopt(FLEET, [pending("a"), pending("b"), pending("c", false)]);
    assert.deepEqual(
      attempts(),
      [["a", "b"]],
      "what is noted already is not noted twice, and a deletion makes nothing",
    );
    const ended = begun();
    ended.attempt(step("d"));
    ended.end(new Set());
    next().adopt(FLEET, [pending("of a plain pulumi up")]);
    assert.deepEqual(attempts(), [["a", "b"], ["d"]]);
  });

  it("the next run ends one that never came to its end: what is pending after that is not that one's", () => {
    begun().attempt(step("a"));
    begun().end(new Set());
    next().adopt(FLEET, [pending("of a plain pulumi up")]);
    assert.deepEqual(attempts(), [["a"]]);
  });

  it("an orphan that was found uses its attempt up, and makes the run no younger", () => {
    begun().attempt(step("a"));
    const { last } = next().of(FLEET)[0]!;
    next().found(FLEET, { type: "aws:ec2/instance:Instance", region: "us-west-2", node: "us-west-2-0", id: "i-1" });
    next().settle();
    const [note] = next().of(FLEET);
    assert.deepEqual([note!.attempts.map(({ id }) => id), note!.last, note!.looked], [["i-1"], last, true]);
  });

  it("stay until nothing can come to light late, and until then only", () => {
    begun().attempt(step("a"));
    next().settle();
    assert.deepEqual(attempts(), [["a"]]);
    writeFileSync(
      file,
      readFileSync(file, "utf8").replaceAll(
        /"at":"[^"]+"/g,
        `"at":"${new Date(Date.now() - 11 * 60_000).toISOString()}"`,
      ),
    );
    next().settle();
    assert.equal(existsSync(file), false);
  });

  it("a line that a kill cut off spoils no other", () => {
    begun().attempt(step("a"));
    appendFileSync(file, '\n{"run":"x","at":"20');
    const again = begun();
    again.attempt(step("b"));
    assert.deepEqual(attempts(), [["a"], ["b"]]);
  });

  it("where nothing can be written, nothing is begun", () => {
    writeFileSync(path.join(dir, "below"), "a file where the folder should be");
    assert.throws(begun, { code: "E_BACKEND", message: /this run's notes cannot be written: .*runs\.jsonl/ });
  });
});

describe("the copy of the last whole state", () => {
  const exported = (id: string) => ({
    version: 3,
    deployment: {
      resources: [{ urn: "urn:pulumi:fleet::spot-deployer::aws:ec2/vpc:Vpc::us-west-2", id, custom: true }],
    },
  });
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-kept-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it("is for its owner's eyes, and is replaced as a whole", () => {
    const kept = new KeptState(path.join(dir, "below/state.json"));
    assert.equal(kept.read(), undefined);
    kept.keep(exported("vpc-1"));
    kept.keep(exported("vpc-2"));
    assert.deepEqual(
      kept.read()!.state.resources.map(({ id }) => id),
      ["vpc-2"],
    );
    assert.equal(statSync(kept.file).mode & 0o777, 0o600);
  });

  it("that is damaged is none", () => {
    const kept = new KeptState(path.join(dir, "state.json"));
    writeFileSync(kept.file, '{"version":3,"deploy');
    assert.equal(kept.read(), undefined);
  });

  it("that cannot be written is an error that names it, and leaves the one before", () => {
    const kept = new KeptState(path.join(dir, "below/state.json"));
    kept.keep(exported("vpc-1"));
    mkdirSync(`${kept.file}.${process.pid}.tmp`);
    assert.throws(() => kept.keep(exported("vpc-2")), {
      code: "E_BACKEND",
      message: /copy of the stack's state cannot be written/,
    });
    assert.deepEqual(
      kept.read()!.state.resources.map(({ id }) => id),
      ["vpc-1"],
    );
  });
});

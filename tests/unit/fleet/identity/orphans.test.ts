import assert from "node:assert/strict";
import { sortedByNotes, type Attempt, type RunNote, type Unrecorded } from "../../../../fleet/identity/orphans";

const BEGAN = new Date("2026-11-25T12:00:00Z");
const later = (minutes: number): Date => new Date(BEGAN.getTime() + minutes * 60_000);

const INSTANCE = "aws:ec2/instance:Instance";
const VPC = "aws:ec2/vpc:Vpc";
const slot = { type: INSTANCE, region: "us-west-2", node: "us-west-2-0" };
const network = { type: VPC, region: "us-west-2" };

const attempt = (more: Partial<Attempt> = {}): Attempt => ({ urn: "urn:1", ...slot, ...more });
const run = (more: Partial<RunNote> = {}): RunNote => ({
  began: BEGAN,
  last: later(2),
  seen: { "us-west-2": [] },
  attempts: [attempt()],
  deleted: [],
  ended: false,
  looked: false,
  ...more,
});
const instance = (id: string, more: Partial<Unrecorded> = {}): Unrecorded => ({
  id,
  created: later(1),
  ...slot,
  ...more,
});

const OTHER_TIME = "it is not from the time of the run that tried to make one";
/** Weeks later. */
const NOW = later(30_000);

/** Ids that are explained, and the reasons of the others. */
function judged(objects: Unrecorded[], runs: RunNote[]): [string[], Record<string, string>] {
  const { explained, unexplained } = sortedByNotes(objects, runs, NOW);
  assert.equal(explained.length + unexplained.length, objects.length, "each object is judged once");
  return [
    explained.map(({ id }) => id).sort(),
    Object.fromEntries(unexplained.map(({ object, reason }) => [object.id, reason])),
  ];
}

describe("what explains an object that the record does not hold", () => {
  const rows: {
    name: string;
    objects: Unrecorded[];
    runs: RunNote[];
    explained?: string[];
    reasons?: Record<string, string>;
  }[] = [
    { name: "an attempt of the same kind and name", objects: [instance("i-1")], runs: [run()], explained: ["i-1"] },
    { name: "no run: nothing", objects: [instance("i-1")], runs: [], reasons: { "i-1": "no run tried to make it" } },
    {
      name: "another node's attempt: nothing",
      objects: [instance("i-1")],
      runs: [run({ attempts: [attempt({ node: "us-west-2-1" })] })],
      reasons: { "i-1": "no run tried to make it" },
    },
    {
      name: "another region's attempt: nothing",
      objects: [instance("i-1")],
      runs: [run({ attempts: [attempt({ region: "eu-west-1" })] })],
      reasons: { "i-1": "no run tried to make it" },
    },
    {
      name: "another kind's attempt: nothing (a restored volume with a node's tags)",
      objects: [{ ...instance("vol-1"), type: "aws:ebs/volume:Volume" }],
      runs: [run()],
      reasons: { "vol-1": "no run tried to make it" },
    },
    {
      name: "what was there when the run began: nothing",
      objects: [instance("i-1")],
      runs: [run({ seen: { "us-west-2": ["i-1"] } })],
      reasons: { "i-1": OTHER_TIME },
    },
    {
      name: "what AWS made before the run began: nothing, in a region that did not answer then either",
      objects: [instance("i-1", { created: later(-20) })],
      runs: [run({ seen: {} })],
      reasons: { "i-1": OTHER_TIME },
    },
    {
      name: "a clock that is three minutes ahead changes nothing",
      objects: [instance("i-1", { created: later(-3) })],
      runs: [run()],
      explained: ["i-1"],
    },
    {
      name: "more such things than attempts: none of them",
      objects: [instance("i-1"), instance("i-2")],
      runs: [run()],
      reasons: {
        "i-1": "there are 2 such things for 1 attempt to make one",
        "i-2": "there are 2 such things for 1 attempt to make one",
      },
    },
    {
      name: "two attempts: two things",
      objects: [instance("i-1"), instance("i-2")],
      runs: [run({ attempts: [attempt(), attempt()] })],
      explained: ["i-1", "i-2"],
    },
    {
      name: "an attempt each of two runs",
      objects: [instance("i-1"), instance("i-2")],
      runs: [run(), run({ began: later(2) })],
      explained: ["i-1", "i-2"],
    },
    {
      name: "an old copy beside the one that was made: the copy is none",
      objects: [instance("i-1"), instance("i-2", { created: later(-60) })],
      runs: [run()],
      explained: ["i-1"],
      reasons: { "i-2": OTHER_TIME },
    },
    {
      name: "an attempt that succeeded: no further instance",
      objects: [instance("i-2")],
      runs: [run({ attempts: [attempt({ id: "i-1" })] })],
      reasons: { "i-2": "no run tried to make it" },
    },
    {
      name: "the very id that a run was given, however old",
      objects: [instance("i-1", { created: later(-60) })],
      runs: [run({ attempts: [attempt({ id: "i-1" })] })],
      explained: ["i-1"],
    },
    {
      name: "the very id that a run had deleted, by the engine's word",
      objects: [instance("i-1", { created: later(-60) })],
      runs: [run({ attempts: [], deleted: ["i-1"] })],
      explained: ["i-1"],
    },
    {
      name: "a copy that was made a quarter of an hour after the run, however late it is looked for",
      objects: [instance("i-1", { created: later(20) })],
      runs: [run()],
      reasons: { "i-1": OTHER_TIME },
    },
    { name: "a run's own, found weeks later", objects: [instance("i-1")], runs: [run()], explained: ["i-1"] },
    {
      name: "a network that shows itself weeks after everything was looked at: nothing",
      objects: [{ id: "vpc-2", ...network }],
      runs: [run({ looked: true, attempts: [{ urn: "urn:2", ...network }] })],
      reasons: { "vpc-2": OTHER_TIME },
    },
    {
      name: "a network that nobody looked for since the run",
      objects: [{ id: "vpc-2", ...network }],
      runs: [run({ attempts: [{ urn: "urn:2", ...network }] })],
      explained: ["vpc-2"],
    },
    {
      name: "a second network beside the one that a run has recorded and ended with: nothing",
      objects: [{ id: "vpc-2", ...network }],
      runs: [run({ ended: true, attempts: [{ urn: "urn:2", ...network, id: "vpc-1" }] })],
      reasons: { "vpc-2": "no run tried to make it" },
    },
    {
      name: "a network that was asked for again, though the first call had made one",
      objects: [{ id: "vpc-2", ...network }],
      runs: [run({ attempts: [{ urn: "urn:2", ...network, id: "vpc-1" }] })],
      explained: ["vpc-2"],
    },
    {
      name: "a network in a region that did not answer when the run began: nothing",
      objects: [{ id: "vpc-2", ...network }],
      runs: [run({ seen: {}, attempts: [{ urn: "urn:2", ...network }] })],
      reasons: { "vpc-2": OTHER_TIME },
    },
  ];
  for (const { name, objects, runs, explained = [], reasons = {} } of rows) {
    it(name, () => assert.deepEqual(judged(objects, runs), [explained, reasons]));
  }
});

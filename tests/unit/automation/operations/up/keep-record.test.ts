import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { writeStackSettings, type StackSettings } from "../../../../../automation/engine/stack-config";
import { EMPTY_STATE, type StackState } from "../../../../../automation/engine/state";
import { keepRecord } from "../../../../../automation/operations/up/keep-record";
import type { Session } from "../../../../../automation/session";
import { NO_PINS, type FleetRecord } from "../../../../../fleet/plan/stack-config";

const NODE = "us-west-2-0";
const PIN = {
  ami: "ami-1",
  pool: {
    region: "us-west-2",
    availabilityZone: "us-west-2a",
    instanceType: "t3.medium",
    market: "spot" as const,
  },
};
const LAUNCH = "0123456789abcdef";
const SETTINGS: FleetRecord = {
  lineage: "0123456789abcdef",
  configFile: "config.yaml",
  account: "123456789012",
  providerRegion: "us-west-2",
  pins: { ...NO_PINS, nodes: { [NODE]: PIN }, launches: { [NODE]: LAUNCH } },
};

describe("the state's record of the fleet", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), "spot-record-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** How often the engine was run, and what was said. */
  async function kept(
    record: FleetRecord | undefined,
    {
      settings = SETTINGS,
      resources = [{ urn: "urn:x" }],
      interrupted = false,
      write = () => Promise.resolve({ ok: true, failures: [], programErrors: [] as string[] }),
    }: {
      settings?: Partial<StackSettings>;
      resources?: object[];
      interrupted?: boolean;
      write?: () => Promise<{ ok: boolean; failures: never[]; programErrors: string[] }>;
    } = {},
  ): Promise<{ runs: number; told: string[] }> {
    const configFile = path.join(folder, "Pulumi.s.yaml");
    writeStackSettings(configFile, settings);
    const told: string[] = [];
    let runs = 0;
    const state = { ...EMPTY_STATE, record, resources, nodes: [{ name: NODE }] } as unknown as StackState;
    await keepRecord({
      state,
      interrupts: { hard: interrupted ? AbortSignal.abort() : new AbortController().signal },
      reporter: { emit: ({ message }: { message: string }) => void told.push(message) },
      stack: {
        configFile,
        readState: () => Promise.resolve(state),
        writeRecord: () => {
          runs += 1;
          return write();
        },
      },
    } as unknown as Session);
    return { runs, told };
  }

  for (const [what, record, runs] of [
    ["there is none", undefined, 1],
    ["it says what the settings say", SETTINGS, 0],
    ["a node is to be somewhere else", { ...SETTINGS, pins: { ...SETTINGS.pins, nodes: {} } }, 1],
    ["a node was launched again", { ...SETTINGS, pins: { ...SETTINGS.pins, launches: { [NODE]: "f".repeat(16) } } }, 1],
    ["the account has become known", { ...SETTINGS, account: undefined }, 1],
    ["only a reason is another one", { ...SETTINGS, pins: { ...SETTINGS.pins, unplaced: { x: "full" } } }, 0],
    [
      "only a node that is not there would be launched by another name",
      { ...SETTINGS, pins: { ...SETTINGS.pins, launches: { [NODE]: LAUNCH, "us-west-2-1": "f".repeat(16) } } },
      0,
    ],
    ["only the region is another one in which the provider asks", { ...SETTINGS, providerRegion: "eu-west-1" }, 0],
  ] as [string, FleetRecord | undefined, number][]) {
    it(`is ${runs === 0 ? "left as it is" : "written"} where ${what}`, async () =>
      assert.deepEqual(await kept(record), { runs, told: [] }));
  }

  it("is not begun where nothing is recorded, or the run is to stop at once", async () => {
    assert.deepEqual(await kept(undefined, { resources: [] }), { runs: 0, told: [] });
    assert.deepEqual(await kept(undefined, { interrupted: true }), { runs: 0, told: [] });
  });

  for (const [what, write, why] of [
    ["refuses", () => Promise.resolve({ ok: false, failures: [], programErrors: ["no provider"] }), "no provider"],
    ["is stopped", () => Promise.resolve({ ok: false, failures: [], programErrors: [] }), "the engine was stopped"],
    ["cannot run", () => Promise.reject(new Error("no provider")), "no provider"],
  ] as [string, () => Promise<{ ok: boolean; failures: never[]; programErrors: string[] }>, string][]) {
    it(`fails no run where the engine ${what}: the next one writes it`, async () => {
      const { runs, told } = await kept(undefined, { write });
      assert.deepEqual([runs, told.length], [1, 1]);
      assert.match(told[0]!, new RegExp(`not up to date: .*${why}.*The next \`up\` brings it up to date\\.$`));
    });
  }
});

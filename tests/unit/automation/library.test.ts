import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Fleet, isSpotError, type FleetEvent } from "../../../automation";

describe("the fleet as a library", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-library-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const fleetOf = (text: string, events: FleetEvent[] = []) => {
    const config = path.join(dir, "config.yaml");
    writeFileSync(config, text);
    return new Fleet({
      config,
      sandbox: "api",
      env: { PATH: process.env.PATH, SPOT_SANDBOX_HOME: path.join(dir, "none"), HOME: dir },
      reporter: { emit: (event) => void events.push(event), confirm: () => Promise.resolve(false) },
    });
  };

  it("refuses a broken configuration with every problem, before anything is started", async () => {
    const events: FleetEvent[] = [];
    await assert.rejects(fleetOf("regions:\n  - nowhere-1: {}\nfoo: 1\n", events).up(), (error: unknown) => {
      assert.ok(isSpotError(error) && error.code === "E_CONFIG_INVALID");
      assert.equal(error.problems.length, 2);
      return true;
    });
    assert.deepEqual(events, []);
  });

  it("says that there is no sandbox to read from, and starts none for that", async () => {
    await assert.rejects(fleetOf("regions:\n  - us-west-2: {}\n").list(), { code: "E_NOT_FOUND" });
  });
});

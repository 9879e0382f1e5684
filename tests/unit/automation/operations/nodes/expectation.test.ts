import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expectationOf } from "../../../../../automation/operations/nodes/expectation";
import type { Session } from "../../../../../automation/session";
import { readConfig } from "../../../../../project/config-file";
import { loadDefinition, type FleetDefinition } from "../../../../../project/definition";
import { pinOf, recorded, REGION } from "../up/scripted-run";

const FIRST = `${REGION}-0`;
const PIN = pinOf("ami-1");
const ssh = { allow: [], callers: [], publicKey: "ssh-ed25519 AAAA" };

describe("what is expected of a node", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-expectation-"));
    mkdirSync(path.join(dir, "files"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function defined(more = ""): FleetDefinition {
    const configFile = path.join(dir, "config.yaml");
    writeFileSync(configFile, `regions:\n  - ${REGION}: {machine_type: t3.medium}\n${more}`);
    return loadDefinition({ config: readConfig(configFile).config, configFile, stack: "dev", lineage: "l" });
  }

  /** Of a node that was made of one definition, and is held against another. */
  function expected(made: FleetDefinition, here: FleetDefinition, name = FIRST) {
    const { generation } = made.launchSpec(made.slots[0]!, PIN, ssh.publicKey);
    const session = { lineage: "l", cloud: { cli: "aws" } } as unknown as Session;
    const node = { ...recorded(name, PIN), generation };
    return expectationOf(session, here, ssh, { node, address: undefined, token: "0".repeat(64) });
  }

  it("tells whether it was made of the files and the configuration that are here", () => {
    const made = defined();
    assert.equal(expected(made, defined()).isAsDesired, true);
    assert.equal(expected(made, defined("packages: [jq]\n")).isAsDesired, false);
    writeFileSync(path.join(dir, "files", "added"), "1");
    assert.equal(expected(made, defined()).isAsDesired, false);
  });

  it("is none that is desired where the configuration names no such node any more", () => {
    const made = defined();
    assert.equal(expected(made, made, `${REGION}-7`).isAsDesired, false);
  });

  it("tells whether the addresses of callers may be let in", () => {
    assert.equal(expected(defined(), defined("ssh: {allow: [auto]}\n")).mayAdmitCallers, true);
    assert.equal(expected(defined(), defined("ssh: {allow: [198.18.0.1/32]}\n")).mayAdmitCallers, false);
  });
});

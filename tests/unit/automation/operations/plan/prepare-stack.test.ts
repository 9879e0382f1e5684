import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { EMPTY_STATE, type StackState } from "../../../../../automation/engine/state";
import { beginStack } from "../../../../../automation/operations/plan/prepare-stack";
import type { Session } from "../../../../../automation/session";
import { AwsType } from "../../../../../fleet/aws/resource-types";
import { SpotError } from "../../../../../fleet/errors";

const LINEAGE = "0123456789abcdef";
const HOLDING = { resources: [{ urn: "urn:x", type: AwsType.vpc }] } as unknown as Partial<StackState>;
const SALT = "encryptionsalt: v1:abc\n";

describe("a stack before it is filled", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), "spot-stack-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** What is done to the engine's stack, whether a passphrase was made, and what the settings say then. */
  async function begun(
    stackExists: boolean,
    {
      state = {},
      settings = "",
      sealed,
      isOfService = false,
    }: { state?: Partial<StackState>; settings?: string; sealed?: SpotError; isOfService?: boolean } = {},
  ): Promise<{ done: string[]; hasPassphrase: boolean; text: string }> {
    const configFile = path.join(folder, "Pulumi.s.yaml");
    if (settings !== "") writeFileSync(configFile, settings);
    const passphrase = path.join(folder, "passphrase");
    const done: string[] = [];
    await beginStack({
      projectDir: folder,
      configFile: path.join(folder, "config.yaml"),
      keys: folder,
      lineage: LINEAGE,
      stackExists,
      settings: {},
      state: { ...EMPTY_STATE, ...state },
      identity: { account: "123456789012", region: "us-west-2" },
      target: { stack: "s", foreignEndpoints: {}, env: { PULUMI_CONFIG_PASSPHRASE_FILE: passphrase } },
      stack: {
        configFile,
        stateFiles: isOfService ? undefined : {},
        sealed: () => Promise.resolve(sealed),
        ensure: () => Promise.resolve(void done.push("made")),
        remove: () => Promise.resolve(void done.push("removed")),
      },
    } as unknown as Session);
    return { done, hasPassphrase: existsSync(passphrase), text: readFileSync(configFile, "utf8") };
  }

  it("is made with a passphrase, and with settings that say whose it is", async () => {
    const { done, hasPassphrase, text } = await begun(false);
    assert.deepEqual([done, hasPassphrase], [["made"], true]);
    assert.match(text, new RegExp(`lineage: ${LINEAGE}[^]*configFile: config.yaml`));
  });

  it("is made anew where it holds nothing and what it was encrypted with is lost, salt and all", async () => {
    const { done, hasPassphrase, text } = await begun(true, { settings: `${SALT}config:\n  aws:region: us-east-1\n` });
    assert.deepEqual([done, hasPassphrase], [["removed", "made"], true]);
    assert.doesNotMatch(text, /encryptionsalt/);
    assert.match(text, /aws:region: us-east-1/, "what is the user's own stays");
  });

  for (const [where, given] of [
    ["somebody keeps secrets in its settings", { settings: `${SALT}config:\n  mine:\n    secure: v1:zzz\n` }],
    ["a service keeps it", { isOfService: true }],
  ] as const) {
    it(`stays where ${where}`, async () => assert.deepEqual((await begun(true, given)).done, []));
  }

  it("stays, and gets no passphrase, where it holds something whose secrets another key opens", async () => {
    const { done, hasPassphrase } = await begun(true, { state: HOLDING });
    assert.deepEqual([done, hasPassphrase], [[], false]);
  });

  it("is refused where it holds something that nothing here opens", async () => {
    const lost = new SpotError("E_PASSPHRASE", "incorrect passphrase");
    await assert.rejects(begun(true, { state: HOLDING, sealed: lost }), { code: "E_KEY_LOST" });
    assert.ok(!existsSync(path.join(folder, "passphrase")));
  });
});

import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { changedShares, type Decider } from "../../../fleet/identity/generation";
import { parseGenerationTag, generationTag } from "../../../fleet/identity/launch";
import type { NodePin } from "../../../fleet/model";
import { loadConfig } from "../../../project/config-file";
import { loadDefinition } from "../../../project/definition";
import { packageRoot } from "../../../project/package-root";

const pin: NodePin = {
  ami: "ami-a",
  pool: { region: "us-west-2", availabilityZone: "us-west-2a", instanceType: "t3.medium", market: "spot" },
};

describe("the generation of a node", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-definition-"));
    mkdirSync(path.join(dir, "files"));
    writeFileSync(path.join(dir, "token"), "secret\n", { mode: 0o600 });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const SCRIPTS = "aws: {scripts_directory: scripts}";
  const BACALHAU =
    "bacalhau: {version: '1.6.0', token_file: token, download: {amd64: {url: 'https://example.org/b', sha256: 'SHA'}}}";
  function generation(lines: string[] = [], key = "ssh-ed25519 AAAA"): string {
    const file = path.join(dir, "config.yaml");
    const text = [...lines, "regions:", "  - us-west-2: {machine_type: t3.medium}", ""].join("\n");
    writeFileSync(file, text.replace("SHA", "0a".repeat(32)));
    const definition = loadDefinition({ config: loadConfig(file), configFile: file, stack: "dev", lineage: "l" });
    return definition.launchSpec(definition.slots[0]!, pin, key).generation;
  }

  const changes: [title: string, decider: Decider, before: string[], after: string[], change?: () => void][] = [
    ["a file of the user's", "files", [], [], () => writeFileSync(path.join(dir, "files/a"), "x")],
    [
      "a script of the user's",
      "files",
      [SCRIPTS],
      [SCRIPTS],
      () => chmodSync(path.join(dir, "scripts/node.py"), 0o755),
    ],
    ["who brings the scripts", "files", [], [SCRIPTS], () => chmodSync(path.join(dir, "scripts/node.py"), 0o755)],
    ["the packages", "settings", [], ["packages: [jq]"]],
    ["the launch", "settings", [], ["aws: {instance_storage_gb: 99}"]],
    ["the workloads", "settings", [], [BACALHAU]],
    ["the token", "settings", [BACALHAU], [BACALHAU], () => writeFileSync(path.join(dir, "token"), "other\n")],
  ];
  for (const [title, decider, before, after, change] of changes)
    it(`tells that ${title} changed`, () => {
      cpSync(path.join(packageRoot(), "instance/scripts"), path.join(dir, "scripts"), { recursive: true });
      const recorded = generation(before);
      change?.();
      assert.deepEqual(changedShares(recorded, generation(after)), [decider]);
    });

  it("tells whoever may log in apart from what the program and the files are", () =>
    assert.deepEqual(changedShares(generation(), generation([], "ssh-ed25519 BBBB")), ["settings"]));

  it("is the same for the same, and comes back whole from an instance's tag", () => {
    const name = generation();
    assert.deepEqual(changedShares(name, generation()), []);
    assert.deepEqual(parseGenerationTag(generationTag(name, "0123456789abcdef")), {
      generation: name,
      launch: "0123456789abcdef",
    });
    assert.match(name, /^[\w.]{43}$/, "what a tag's value may be");
  });
});

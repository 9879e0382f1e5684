import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { manifestText } from "../../fleet/node/payload";
import { readPayload } from "../../project/payload";

const scripts = path.resolve(__dirname, "../../../instance/scripts");

/** Loads the manifest with the node's own code, which computes the digest anew, and compares a folder with it. */
const CHECK = `
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import manifest
root = Path(sys.argv[2])
loaded = manifest.load(root / "manifest.json")
for difference in manifest.differences(loaded, root):
    print(difference)
`;

describe("the payload as the node reads it", () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(path.join(tmpdir(), "payload-"))));
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** Puts the payload where the manifest says, as an upload would. */
  function upload(): string {
    const places = { packageRoot: path.join(root, "package"), projectDir: path.join(root, "project") };
    for (const folder of ["scripts", "config", "services"])
      mkdirSync(path.join(places.packageRoot, "instance", folder), { recursive: true });
    writeFileSync(path.join(places.packageRoot, "instance/layout.json"), "{}");
    writeFileSync(path.join(places.packageRoot, "instance/scripts/deploy_services.py"), "print()", { mode: 0o755 });
    mkdirSync(path.join(places.projectDir, "files/empty"), { recursive: true });
    writeFileSync(path.join(places.projectDir, 'files/日本 "q" \\ ü\u{1f600}\uff5e'), "x", { mode: 0o644 });
    symlinkSync("日本", path.join(places.projectDir, "files/link"));

    const payload = readPayload(
      { scriptsDirectory: undefined, filesDirectory: undefined, bacalhau: undefined },
      places,
    );
    const there = path.join(root, "node");
    for (const entry of payload.manifest.entries) {
      const target = path.join(there, entry.path);
      mkdirSync(path.dirname(target), { recursive: true });
      if (entry.type === "link") symlinkSync(entry.target, target);
      else if (entry.type === "directory") mkdirSync(target, { recursive: true });
      else writeFileSync(target, bytesOf(payload.sources.get(entry.path)), { mode: Number.parseInt(entry.mode, 8) });
    }
    writeFileSync(path.join(there, "manifest.json"), manifestText(payload.manifest));
    return there;
  }
  const bytesOf = (source: string | Buffer | undefined): Buffer =>
    typeof source === "string" ? readFileSync(source) : (source ?? assert.fail("no content"));
  const differences = (there: string): string =>
    execFileSync("python3", ["-c", CHECK, scripts, there], { encoding: "utf8" });

  it("has the digest that Python computes, and no difference", () => {
    assert.equal(differences(upload()), "");
  });

  it("differs where a file does", () => {
    const there = upload();
    writeFileSync(path.join(there, "scripts/deploy_services.py"), "printX)");
    assert.match(differences(there), /^scripts\/deploy_services\.py: content differs/);
  });
});

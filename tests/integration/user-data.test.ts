import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { readUserDataTemplate, renderUserData } from "../../fleet/node/user-data";
import type { UserDataValues } from "../../fleet/node/user-data";
import { packageRoot } from "../../project/package-root";
import { ensureImage } from "../../sandbox/hosts/image";
import { describeHosts } from "../support/describe-hosts";
import { testCacheDir } from "../support/sandbox";

const text = readFileSync(path.join(packageRoot(), "instance/cloud-init/user-data.yaml"), "utf8");
const template = readUserDataTemplate(text);

const values: UserDataValues = {
  username: "ubuntu",
  sshPublicKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJ9Nq1yA0cYx8mYp7k5G5m0s9Qn3b1u2v3w4x5y6z7A someone@example"],
  packages: [],
  node: { stack: "dev", lineage: "0123456789abcdef", node: "us-west-2-0", generation: "fedcba9876543210" },
  hostKeyToken: "ab".repeat(32),
};

/** Texts that YAML 1.1 takes for something else when they are not quoted. */
const LOOKALIKES = [
  "no",
  "on",
  "0755",
  "1e5",
  "12:30:45",
  "~",
  "null",
  "# x",
  "a: b",
  "'\"",
  "- x",
  "{a}",
  "$&",
  "2026-01-01",
  "=",
];

/** cloud-init's own reading of what comes in: its schema, strictly; the shell scripts that it makes, through dash. */
const PROGRAM = [
  "import json, subprocess, sys, yaml",
  "from cloudinit import util",
  "from cloudinit.config.schema import get_schema, validate_cloudconfig_schema",
  "config = yaml.safe_load(sys.stdin)",
  "validate_cloudconfig_schema(config, schema=get_schema(), strict=True)",
  "for key in ('bootcmd', 'runcmd'):",
  "    subprocess.run(['dash', '-n'], input=util.shellify(config[key]).encode(), check=True)",
  "json.dump(config, sys.stdout)",
].join("\n");

/** The cloud-init of the image that hosts boot from looks at the user data. */
describeHosts("user data before cloud-init's own schema (L8)", () => {
  let image: string;
  before(async () => (image = await ensureImage(testCacheDir, () => undefined)));

  const validate = (rendered: string): { stdout: string; stderr: string } =>
    spawnSync("chroot", [image, "python3", "-B", "-c", PROGRAM], { input: rendered, encoding: "utf8" });

  for (const [name, packages] of Object.entries({ "no packages": [], "packages of any name": LOOKALIKES })) {
    it(`is valid with ${name}, its shell parts have no syntax error, and cloud-init reads what was meant`, () => {
      const rendered = renderUserData(template, { ...values, packages });
      const result = validate(rendered);
      assert.equal(result.stderr, "");
      assert.deepEqual(JSON.parse(result.stdout), parse(rendered, { version: "1.1" }));
    });
  }

  it("would be refused with a mistake in it", () => {
    const result = validate(renderUserData(template, values).replace("- ed25519", "- made-up"));
    assert.match(result.stderr, /ssh_genkeytypes/);
  });

  it("would be refused with a shell's mistake in it", () => {
    const rendered = renderUserData(
      readUserDataTemplate(text.replace("runcmd:\n", 'runcmd:\n  - "if [[ a ]]; then ("\n')),
      values,
    );
    assert.match(validate(rendered).stderr, /Syntax error/);
  });
});

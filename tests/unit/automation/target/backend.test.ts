import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { awsBackend, sandboxBackend } from "../../../../automation/target/backend";
import { pathsOf } from "../../../../automation/target/paths";

describe("where stacks are kept", () => {
  let home: string;
  beforeEach(() => (home = mkdtempSync(path.join(os.tmpdir(), "spot-target-"))));
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  const projectDir = "/project";
  const onAws = (env: NodeJS.ProcessEnv, configured?: string): string =>
    awsBackend({ env, configured, paths: pathsOf({ HOME: home }), projectDir });
  const inSandbox = (env: NodeJS.ProcessEnv) => sandboxBackend({ home, env, projectDir });

  it("on AWS: the environment's choice, then the configuration's, then a folder that is made", () => {
    assert.equal(onAws({ PULUMI_BACKEND_URL: "s3://a" }, "s3://b"), "s3://a");
    assert.equal(onAws({ PULUMI_BACKEND_URL: "" }, "s3://b"), "s3://b");
    const folder = path.join(home, ".local/state/spot-deployer/backend");
    assert.equal(onAws({}), `file://${folder}`);
    assert.ok(existsSync(folder));
  });

  it("a relative folder is one of the project's", () => {
    assert.equal(onAws({}, "file://./state?no_tmp_dir=false"), "file:///project/state?no_tmp_dir=false");
    assert.equal(onAws({}, "file://state"), "file:///project/state");
    for (const url of ["file:///state", "file://~/state", "https://example.org/./x"]) assert.equal(onAws({}, url), url);
  });

  it("in a sandbox: its home, with the user's settings for AWS and his login left out", () => {
    const folder = path.join(home, "backend");
    assert.deepEqual(inSandbox({ PULUMI_BACKEND_URL: "s3://a", PULUMI_ACCESS_TOKEN: "secret" }), {
      url: `file://${folder}`,
      folder,
      token: "",
      keys: "keys",
    });
  });

  it("in a sandbox: where SPOT_SANDBOX_BACKEND says, whose keys outlive the sandbox; a login is a service's alone", () => {
    const env = { PULUMI_ACCESS_TOKEN: "secret" };
    const keys = "keys-of-kept-stacks";
    assert.deepEqual(inSandbox({ ...env, SPOT_SANDBOX_BACKEND: "http://127.0.0.1:8080" }), {
      url: "http://127.0.0.1:8080",
      token: "secret",
      keys,
    });
    assert.deepEqual(inSandbox({ ...env, SPOT_SANDBOX_BACKEND: "file://state" }), {
      url: "file:///project/state",
      token: "",
      keys,
    });
    assert.throws(() => inSandbox({ SPOT_SANDBOX_BACKEND: "/state" }), { code: "E_USAGE" });
  });
});

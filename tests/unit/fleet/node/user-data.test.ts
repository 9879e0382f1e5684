import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { parse } from "yaml";
import { isSpotError } from "../../../../fleet/errors";
import { hostKeyProof } from "../../../../fleet/identity/host-key-proof";
import {
  assertUserDataSize,
  MAX_USER_DATA_BYTES,
  readUserDataTemplate,
  renderUserData,
} from "../../../../fleet/node/user-data";
import type { UserDataValues } from "../../../../fleet/node/user-data";
import { packageRoot } from "../../../../project/package-root";

const root = packageRoot();
const template = readUserDataTemplate(readFileSync(path.join(root, "instance/cloud-init/user-data.yaml"), "utf8"));

const values: UserDataValues = {
  username: "spot",
  sshPublicKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJ9Nq1yA0cYx8mYp7k5G5m0s9Qn3b1u2v3w4x5y6z7A someone@example"],
  packages: [],
  node: { stack: "dev", lineage: "0123456789abcdef", node: "us-west-2-0", generation: "fedcba9876543210" },
  hostKeyToken: "ab".repeat(32),
};

interface CloudConfig {
  user: { name: string; sudo: string };
  ssh_authorized_keys: string[];
  packages?: string[];
  package_update?: boolean;
  ssh_deletekeys: boolean;
  ssh_genkeytypes: string[];
  bootcmd: string[][];
  runcmd: string[][];
  write_files: { path: string; content: string }[];
}

/** As cloud-init reads it: YAML 1.1. */
const read = (rendered: string): CloudConfig => parse(rendered, { version: "1.1" }) as CloudConfig;
const render = (changes: Partial<UserDataValues> = {}): CloudConfig =>
  read(renderUserData(template, { ...values, ...changes }));
const fileOf = (config: CloudConfig, name: string): string =>
  config.write_files.find((file) => file.path === name)?.content ?? assert.fail(`no ${name}`);

/** Texts that YAML 1.1 takes for something else when they are not quoted. */
const lookalikes = [
  "no",
  "on",
  "y",
  "0755",
  "0o17",
  "1e5",
  "1.0e+5",
  "1_000",
  "12:30:45",
  "~",
  "null",
  ".inf",
  "# x",
  "a: b",
  "a #b",
  "'\"",
  "- x",
  "{a}",
  "$",
  "${username}",
  "$&",
  "@x",
  "2026-01-01",
  "=",
  "<<",
];

describe("user data", () => {
  it("begins with the line by which cloud-init knows it, and carries no comment and no placeholder", () => {
    const rendered = renderUserData(template, values);
    assert.match(rendered, /^#cloud-config\n/);
    assert.doesNotMatch(rendered.slice(1), /^\s*#/m);
    assert.doesNotMatch(rendered, /\$\{/);
  });

  it("is far below EC2's limit (L13)", () => {
    assert.ok(Buffer.byteLength(renderUserData(template, values)) < 4096);
  });

  it("says who logs in, with which keys (L37)", () => {
    const config = render({ username: "admin", sshPublicKeys: ["ssh-ed25519 AAAA a", "ssh-rsa BBBB b"] });
    assert.equal(config.user.name, "admin");
    assert.equal(config.user.sudo, "ALL=(ALL) NOPASSWD:ALL");
    assert.deepEqual(config.ssh_authorized_keys, ["ssh-ed25519 AAAA a", "ssh-rsa BBBB b"]);
  });

  it("leaves the package manager alone when no packages are asked for, and refreshes its lists when some are", () => {
    const none = render();
    assert.ok(!("packages" in none) && !("package_update" in none));
    const some = render({ packages: ["docker.io", "jq"] });
    assert.deepEqual([some.packages, some.package_update], [["docker.io", "jq"], true]);
  });

  it("tells the node who it is, without the secret", () => {
    const text = fileOf(render(), "/etc/spot-deployer/node.json");
    assert.deepEqual(JSON.parse(text), values.node);
  });

  it("carries the token in one place only: the command that proves the host key", () => {
    const rendered = renderUserData(template, values);
    assert.equal(rendered.split(values.hostKeyToken).length, 2);
    assert.equal(render().bootcmd[0]?.at(-1), values.hostKeyToken);
  });

  it("has one kind of host key, made once per instance", () => {
    const config = render();
    assert.deepEqual(
      config.bootcmd.map((command) => command.slice(0, 4)),
      [["cloud-init-per", "instance", "spot-host-key", "/usr/bin/python3"]],
    );
    assert.deepEqual([config.ssh_deletekeys, config.ssh_genkeytypes], [false, ["ed25519"]]);
    assert.match(
      fileOf(config, "/etc/ssh/sshd_config.d/00-spot-deployer.conf"),
      /^HostKey \/etc\/ssh\/ssh_host_ed25519_key$/m,
    );
  });

  it("gives commands as lists, so that no shell reads them (L8)", () => {
    const config = render();
    for (const command of [...config.bootcmd, ...config.runcmd]) {
      assert.ok(Array.isArray(command) && command.every((word) => typeof word === "string"), JSON.stringify(command));
    }
  });

  it("makes the upload directory the user's and waits for nothing (L1, L10)", () => {
    assert.deepEqual(render({ username: "admin" }).runcmd, [
      ["install", "-d", "-m", "0755", "-o", "admin", "/opt/uploaded_files"],
    ]);
  });

  it("has the deployment's unit as one that is never enabled (L9)", () => {
    const unit = fileOf(render(), "/etc/systemd/system/spot-deploy.service");
    assert.match(unit, /^ExecStart=\/usr\/bin\/python3 -B \/opt\/uploaded_files\/scripts\/deploy_services\.py$/m);
    assert.match(unit, /^ExecStopPost=.*spot-deploy\.result\.json/m);
    assert.doesNotMatch(unit, /\[Install\]/);
  });

  it("keeps the result of a deployment, and does not overwrite it with that of one that was refused", () => {
    const dir = mkdtempSync(path.join(tmpdir(), "spot-result-"));
    try {
      const file = path.join(dir, "spot-deploy.result.json");
      const script = /^ExecStopPost=\/usr\/bin\/python3 -c '(.*)'$/m
        .exec(fileOf(render(), "/etc/systemd/system/spot-deploy.service"))?.[1]
        ?.replace("/var/lib/spot-deployer", dir);
      const end = (SERVICE_RESULT: string, EXIT_STATUS: string): unknown => {
        execFileSync("python3", ["-c", script ?? assert.fail("no ExecStopPost")], {
          env: { SERVICE_RESULT, EXIT_CODE: "exited", EXIT_STATUS },
        });
        return JSON.parse(readFileSync(file, "utf8"));
      };
      const failed = { SERVICE_RESULT: "exit-code", EXIT_CODE: "exited", EXIT_STATUS: "1" };
      assert.deepEqual(end("exit-code", "1"), failed);
      assert.deepEqual(end("exit-code", "3"), failed);
      assert.deepEqual(end("success", "0"), { SERVICE_RESULT: "success", EXIT_CODE: "exited", EXIT_STATUS: "0" });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("brings every value through unchanged, whatever it looks like in YAML 1.1", function () {
    this.timeout(60_000);
    const awkward = fc.oneof(
      fc.constantFrom(...lookalikes),
      fc.string({ unit: "grapheme", minLength: 1 }),
      fc.stringMatching(/^[0-9a-f]{8}$/),
    );
    fc.assert(
      fc.property(awkward, fc.array(awkward, { minLength: 1 }), awkward, (name, list, token) => {
        const config = render({
          username: name,
          sshPublicKeys: list,
          packages: list,
          hostKeyToken: token,
          node: { ...values.node, node: name },
        });
        assert.equal(config.user.name, name);
        assert.deepEqual([config.ssh_authorized_keys, config.packages], [list, list]);
        assert.equal(config.bootcmd[0]?.at(-1), token);
        assert.equal(config.runcmd[0]?.[5], name);
        assert.equal((JSON.parse(fileOf(config, "/etc/spot-deployer/node.json")) as { node: string }).node, name);
      }),
    );
  });

  it("refuses a template with a placeholder that nobody fills", () => {
    assert.throws(
      () => renderUserData(readUserDataTemplate("a: x ${nobody} y"), values),
      /unknown placeholder: nobody/,
    );
    assert.throws(
      () => renderUserData(readUserDataTemplate("a: ${toString}"), values),
      /unknown placeholder: toString/,
    );
  });
});

describe("the size of user data (L13)", () => {
  const padded = (size: number): string => {
    const rendered = renderUserData(template, values);
    return rendered + "#".repeat(size - Buffer.byteLength(rendered));
  };

  it("may be the limit, not one byte more", () => {
    assertUserDataSize(padded(MAX_USER_DATA_BYTES));
    assert.throws(() => assertUserDataSize(padded(MAX_USER_DATA_BYTES + 1)), { code: "E_USER_DATA_TOO_LARGE" });
  });

  it("is counted in bytes, not in characters", () => {
    assert.throws(() => assertUserDataSize(`#cloud-config\na: ${"ü".repeat(8192)}\n`), {
      code: "E_USER_DATA_TOO_LARGE",
    });
  });

  it("names what is large, where the configuration says it", () => {
    const packages = Array.from({ length: 2000 }, (_, index) => `package-${index}`);
    const rendered = renderUserData(template, { ...values, packages });
    try {
      assertUserDataSize(rendered, (key) => ({ file: "config.yaml", line: key[0] === "packages" ? 1 : 9, column: 1 }));
      assert.fail("not refused");
    } catch (error) {
      assert.ok(isSpotError(error), String(error));
      assert.deepEqual(error.location, { file: "config.yaml", line: 1, column: 1 });
      assert.match(
        error.message,
        new RegExp(`has ${Buffer.byteLength(rendered)} bytes, .* packages \\(\\d+ bytes\\), bootcmd`),
      );
    }
  });
});

describe("the host key's proof", () => {
  it("covers exactly the token, the instance and the key", () => {
    const proof = hostKeyProof("ab12", "i-0abc", "AAAAC3Nz");
    assert.equal(proof, "3532ef8843ab261c6f30c2101438fccb97eec6454116d0a36f9345f87cf77eda");
    for (const other of [
      hostKeyProof("ab13", "i-0abc", "AAAAC3Nz"),
      hostKeyProof("ab12", "i-0abd", "AAAAC3Nz"),
      hostKeyProof("ab12", "i-0abc", "AAAAC3Ny"),
    ]) {
      assert.notEqual(other, proof);
    }
  });

  it("is what the node's own script computes", function () {
    const python = spawnSync("python3", ["--version"]);
    if (python.status !== 0) this.skip();
    const script = render().bootcmd[0]?.at(-2) ?? assert.fail("no script");
    // The two lines that compute, run on a key of our own; the files around them belong to a node.
    const line = script.split("\n").find((text) => text.startsWith("proof = ")) ?? assert.fail("no proof");
    const program = `import hmac, sys\ninstance, public = sys.argv[2:]\n${line}\nprint(proof, end="")`;
    const result = spawnSync("python3", ["-c", program, "ab12", "i-0abc", "AAAAC3Nz"], { encoding: "utf8" });
    assert.equal(result.stdout, hostKeyProof("ab12", "i-0abc", "AAAAC3Nz"), result.stderr);
  });
});

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { isSpotError } from "../../../fleet/errors";
import type { Payload } from "../../../fleet/node/payload";
import { loadConfig } from "../../../project/config-file";
import { packageRoot } from "../../../project/package-root";
import { readPayload } from "../../../project/payload";

const SHA256 = "0a".repeat(32);
const DOWNLOAD = `download: {amd64: {url: 'https://example.org/b', sha256: ${SHA256}}, arm64: {url: 'https://example.org/c', sha256: ${SHA256}}}`;

/** Keys of config.yaml, as written, and what a node is sent because of them. */
describe("what config.yaml sends to a node", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-config-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function payloadOf(...lines: string[]): Payload {
    const file = path.join(dir, "config.yaml");
    writeFileSync(file, [...lines, "regions:", "  - us-west-2:", ""].join("\n"));
    return readPayload(loadConfig(file), { packageRoot: packageRoot(), projectDir: dir });
  }
  const names = ({ manifest }: Payload): string[] => manifest.entries.map((entry) => entry.path);
  const bacalhauOf = (...settings: string[]): { payload: Payload; told: Record<string, unknown> } => {
    const payload = payloadOf("bacalhau:", '  version: "1.6.0"', ...settings.map((line) => `  ${line}`));
    return {
      payload,
      told: (JSON.parse(String(payload.sources.get("config/workloads.json"))) as { bacalhau: Record<string, unknown> })
        .bacalhau,
    };
  };

  it("Bacalhau's version, download by architecture, orchestrators, labels and allowed_paths", () => {
    const { told } = bacalhauOf(
      DOWNLOAD,
      "orchestrators: ['nats://h:4222']",
      "labels: {team: a}",
      "allowed_paths: [/d]",
    );
    assert.deepEqual(told, {
      enabled: true,
      version: "1.6.0",
      artifacts: {
        x86_64: { url: "https://example.org/b", sha256: SHA256 },
        aarch64: { url: "https://example.org/c", sha256: SHA256 },
      },
      orchestrators: ["nats://h:4222"],
      token_file: null,
      labels: { team: "a" },
      allowed_paths: ["/d"],
    });
  });

  it("nothing of Bacalhau's with enabled: false", () =>
    assert.deepEqual(bacalhauOf(DOWNLOAD, "enabled: false").told, { enabled: false }));

  it("the program that binary names, and the token of token_file", () => {
    for (const name of ["program", "token"]) {
      writeFileSync(path.join(dir, name), "#!/bin/sh\n");
      chmodSync(path.join(dir, name), 0o600);
    }
    writeFileSync(path.join(dir, "token"), "secret\n");
    const { payload } = bacalhauOf("binary: program", "token_file: token", "orchestrators: ['nats://h:4222']");
    assert.ok(
      names(payload).includes("programs/program") || names(payload).includes("programs/bacalhau"),
      names(payload).join(" "),
    );
    assert.equal(String(payload.sources.get("config/bacalhau-token")), "secret\n");
  });

  it("the files of files_directory, and the scripts of scripts_directory", () => {
    mkdirSync(path.join(dir, "mine"));
    writeFileSync(path.join(dir, "mine/hello.txt"), "hello");
    assert.ok(names(payloadOf("aws: {files_directory: mine}")).includes("files/hello.txt"));
    assert.throws(
      () => payloadOf("aws: {scripts_directory: mine}"),
      (error) =>
        isSpotError(error) &&
        error.problems.some(({ message }) => message.startsWith("scripts/deploy_services.py is missing")),
    );
  });
});

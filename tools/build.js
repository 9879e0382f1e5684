#!/usr/bin/env node
/**
 * Builds dist/ and stamps it with a digest of the sources it came from, so that a stale build is refused
 * instead of run (project/build-stamp.ts reads the stamp). Plain tsc: no bundler between the code and the reader.
 */
"use strict";
const { spawnSync } = require("node:child_process");
const path = require("node:path");
const fs = require("node:fs");

const root = path.resolve(__dirname, "..");
const tsc = spawnSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", root], { stdio: "inherit" });
if (tsc.status !== 0) process.exit(tsc.status ?? 1);

// What was compiled from a source that is gone would be run and tested still.
const output = path.join(root, "dist");
for (const file of fs.readdirSync(output, { recursive: true }).filter((name) => /\.(js|js\.map|d\.ts)$/.test(name))) {
  if (!fs.existsSync(path.join(root, file.replace(/\.(js|js\.map|d\.ts)$/, ".ts")))) fs.rmSync(path.join(output, file));
}

const { sourceDigest, STAMP_FILE } = require(path.join(root, "dist/project/build-stamp.js"));
fs.writeFileSync(path.join(root, STAMP_FILE), `${sourceDigest(root)}\n`);
fs.chmodSync(path.join(root, "dist/cli/main.js"), 0o755);

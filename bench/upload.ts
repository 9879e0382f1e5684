import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { uploadPayload } from "../automation/ssh/upload";
import { openFleet } from "../automation/operations/nodes/verify-fleet";
import { openSession } from "../automation/session";
import { loadConfig } from "../project/config-file";
import { packageRoot } from "../project/package-root";
import { readPayload } from "../project/payload";
import { FleetBench } from "../tests/support/fleet-bench";

/**
 * What an upload costs at its limits, on a booted host: a tree of many small files, and one as large as a payload may
 * nearly be. Time to read it and to send it, and the memory of both ends at their peaks. Needs root on Linux.
 */
const TREES = [
  { name: "5,000 files of 1 kB", files: 5_000, bytes: 1_000 },
  { name: "45 files of 10 MB", files: 45, bytes: 10_000_000 },
];
const SAMPLE_MS = 20;
const MIB = 1024 * 1024;

/** Where the node keeps the bench's uploads, beside the payload that it was deployed with. */
const PLACE = "/home/ubuntu/bench";

/** Watches this process's memory while work is done; answers its peak with what the work gave. */
async function withPeak<T>(work: () => Promise<T>): Promise<[T, number]> {
  let peak = process.memoryUsage.rss();
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), SAMPLE_MS);
  try {
    return [await work(), peak];
  } finally {
    clearInterval(timer);
  }
}

async function seconds<T>(work: () => Promise<T> | T): Promise<[T, number]> {
  const before = process.hrtime.bigint();
  const result = await work();
  return [result, Number(process.hrtime.bigint() - before) / 1e9];
}

/** Prints the highest memory, in kB, of the program on the node that takes the upload, when that has ended. */
const WATCH = `python3 -c '
import glob, time
peak, seen, end = 0, False, time.monotonic() + 300
while time.monotonic() < end:
    now = 0
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            words = open(folder + "/cmdline", "rb").read().split(b"\\0")
            if words[:2] == [b"python3", b"-c"] and b"${PLACE}" in words:
                status = open(folder + "/status").read()
                now = int(status.split("VmHWM:")[1].split()[0])
        except (OSError, IndexError):
            pass
    seen, peak = seen or now > 0, max(peak, now)
    if seen and now == 0:
        break
    time.sleep(0.02)
print(peak)
'`;

async function main(): Promise<void> {
  const scratch = mkdtempSync(path.join(os.tmpdir(), "spot-upload-"));
  try {
    await using bench = new FleetBench();
    bench.fleet({ "us-west-2": 1 });
    const up = await bench.spot(["up"]);
    if (up.code !== 0) throw new Error(up.stdout + up.stderr);
    const never = new AbortController().signal;
    const reporter = { emit: () => undefined, confirm: () => Promise.resolve(false) };
    const session = await openSession({
      projectDir: bench.root,
      configFile: bench.configFile,
      env: bench.env,
      reporter,
      interrupts: { soft: never, hard: never },
      sandbox: "hosts",
      stack: bench.stack,
      reading: true,
    });
    try {
      const config = loadConfig(bench.configFile);
      const [target] = await (await openFleet(session, { config, configFile: bench.configFile })).targets(
        session.state.nodes,
      );
      if (target === undefined) throw new Error("there is no node");
      const host = bench.host((await bench.ids())["us-west-2-0"]!);
      for (const { name, files, bytes } of TREES) {
        const directory = path.join(scratch, String(files));
        mkdirSync(directory);
        for (let i = 0; i < files; i++) {
          const folder = path.join(directory, `folder-${i % 50}`);
          mkdirSync(folder, { recursive: true });
          writeFileSync(path.join(folder, `file-${i}`), randomBytes(bytes));
        }
        const [payload, reading] = await seconds(() =>
          readPayload(
            { scriptsDirectory: undefined, filesDirectory: directory, bacalhau: undefined },
            { packageRoot: packageRoot(), projectDir: scratch },
          ),
        );
        const connection = await target.connect(30_000);
        try {
          const paths = {
            upload: PLACE,
            manifest: `${PLACE}/manifest.json`,
            deploymentSteps: `${PLACE}-steps`,
            deploymentComplete: `${PLACE}-complete.json`,
          };
          await connection.run(`mkdir ${PLACE}`, { deadlineMs: 30_000 });
          const watching = host.run(WATCH);
          const [[stored, sending], peak] = await withPeak(() =>
            seconds(() => uploadPayload(connection, payload, { paths })),
          );
          if (stored !== "stored") throw new Error(stored);
          const onNode = Number(await watching) * 1024;
          const [again, repeated] = await seconds(() => uploadPayload(connection, payload, { paths }));
          if (again !== "unchanged") throw new Error(again);
          process.stdout.write(
            `${name}, ${(payload.size / 1e6).toFixed(1)} MB: read ${reading.toFixed(1)} s, sent and proven ${sending.toFixed(1)} s (${(payload.size / 1e6 / sending).toFixed(0)} MB/s), asked again ${repeated.toFixed(2)} s; ` +
              `peak memory: client ${(peak / MIB).toFixed(0)} MiB, node ${(onNode / MIB).toFixed(0)} MiB\n`,
          );
          await connection.run(`rm -r ${PLACE}`, { deadlineMs: 30_000 });
        } finally {
          await connection.close();
        }
        rmSync(directory, { recursive: true });
      }
    } finally {
      session.cloud.close();
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});

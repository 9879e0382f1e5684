import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { sandboxStatus } from "../../sandbox/control";
import { homeFiles } from "../../sandbox/home/records";
import { OPERATOR, put } from "./policies";
import { control, removeSandbox } from "./sandbox";

/**
 * Sandboxes of the emulated API that earlier tests of this process are done with, reset for the next ones. Starting one
 * takes two to three seconds of CPU time.
 */
const idle: string[] = [];

/** Only mocha says when its last test has ended. Anything else that uses a bench ends each sandbox with it. */
const outliveTests = typeof globalThis.after === "function";
if (outliveTests) {
  after(async () => {
    for (const outcome of await Promise.allSettled(idle.splice(0).map(removeSandbox)))
      if (outcome.status === "rejected") throw outcome.reason;
  });
}

/** A home with nothing in it but, at most, a running sandbox that has been reset. */
export const takeHome = (): string => idle.pop() ?? mkdtempSync(path.join(os.tmpdir(), "spot sandbox "));

/** Resets a home's sandbox for another test; ends it where that cannot be done or no test will come. */
export async function giveBack(home: string): Promise<void> {
  if (outliveTests && (await isReset(home))) idle.push(home);
  else await removeSandbox(home);
}

async function isReset(home: string): Promise<boolean> {
  try {
    const sandbox = await sandboxStatus(home);
    if (sandbox === undefined || isUsed(home, sandbox.pid)) return false;
    await control(sandbox, "POST", "reset");
    // A reset goes back to the policies of its start, which were those of the command that started it.
    await put(sandbox, ...OPERATOR);
    const { sandbox: identity, daemon, log, policy } = homeFiles(home);
    const itsOwn = [identity, daemon, log, policy].map((file) => path.basename(file));
    await Promise.all(
      readdirSync(home)
        .filter((name) => !itsOwn.includes(name))
        .map((name) => rm(path.join(home, name), { recursive: true, force: true, maxRetries: 10 })),
    );
    return true;
  } catch {
    return false;
  }
}

/** Does anything but the sandbox itself still run that was started for it? A killed command may leave an engine behind. */
function isUsed(home: string, daemon: number): boolean {
  return readdirSync("/proc").some(
    (name) =>
      /^\d+$/.test(name) && Number(name) !== daemon && environmentOf(name).includes(`SPOT_SANDBOX_HOME=${home}`),
  );
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    // It ended while we looked, or is somebody else's.
    return [];
  }
}

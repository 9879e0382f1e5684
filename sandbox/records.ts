import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SandboxMode } from "./control";
import type { ProcessMark } from "./process";

/** What a sandbox keeps in its home. Each file is JSON, written whole or not at all. */
export const homeFiles = (home: string) => ({
  /** Survives stops: `SandboxRecord`. */
  sandbox: join(home, "sandbox.json"),
  /** While a daemon runs, and after it crashed: `DaemonRecord`. */
  daemon: join(home, "daemon.json"),
  /** Why the last daemon ended by itself: `ExitRecord`. */
  exit: join(home, "exit.json"),
  log: join(home, "daemon.log"),
  lock: join(home, "start.lock"),
  /** Fault rules to begin with; written by the user. */
  faults: join(home, "faults.json"),
  /** The host driver's records. */
  hosts: join(home, "hosts"),
});

/** The port is in the users' stack configuration, so it stays for the sandbox's life. */
export interface SandboxRecord {
  id: string;
  port: number;
}

export interface DaemonRecord extends ProcessMark {
  port: number;
  network: string;
  mode: SandboxMode;
  startedAt: string;
  moto: ProcessMark;
}

export interface ExitRecord {
  reason: string;
  at: string;
}

/** Undefined when the file is missing or not JSON: such a record is as good as none. */
export function readRecord<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } catch {
    return undefined;
  }
}

export function writeRecord(file: string, value: unknown): void {
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

export function removeRecord(file: string): void {
  rmSync(file, { force: true });
}

import { join } from "node:path";
import type { ProcessMark } from "../../system/process";

/**
 * `hosts` boots a real host per instance, all of one release; `images` does so of the release that the instance's image
 * names; `api` answers API calls only.
 */
export type SandboxMode = "hosts" | "images" | "api";

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
  /** IAM policies to begin with; written by the user. */
  policy: join(home, "policy.json"),
  /** The host driver's records. */
  hosts: join(home, "hosts"),
});

/** The port is in the users' stack configuration, so it stays for the sandbox's life. */
export interface SandboxRecord {
  id: string;
  port: number;
}

/** What serves a sandbox as Pulumi's AWS provider: the one that acts on AWS, or the project's stand-in for it. */
export const providerKinds = ["official", "stand-in"] as const;
export type ProviderKind = (typeof providerKinds)[number];

/** Chosen once, when a sandbox starts: what one of them has recorded is for the same one to change. */
export interface SandboxProvider {
  kind: ProviderKind;
  /** Of the official provider, or of the one that the stand-in imitates. */
  version: string;
  /** Of the official one: the folder that holds its program. */
  folder?: string;
}

/** In words, after "served by". */
export function providerTitle({ kind, version }: Pick<SandboxProvider, "kind" | "version">): string {
  return `${{ official: "Pulumi's AWS provider", "stand-in": "the stand-in for Pulumi's AWS provider" }[kind]} ${version}`.trim();
}

export interface DaemonRecord extends ProcessMark {
  port: number;
  network: string;
  mode: SandboxMode;
  /** Absent: of a version that had the stand-in alone. */
  provider?: SandboxProvider;
  startedAt: string;
  moto: ProcessMark;
}

export interface ExitRecord {
  reason: string;
  at: string;
}

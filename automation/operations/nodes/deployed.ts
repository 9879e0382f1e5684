import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { tryWriteFile } from "../../../system/atomic-file";

/** Instances that are remembered: more than a fleet has, so that none of its own is forgotten for the sake of former ones. */
const REMEMBERED = 2000;

/**
 * Instances that were seen deployed from this machine: one that does not answer any more is not on its way up. A cache:
 * deleted or unreadable, it costs a wait.
 */
export class DeployedInstances {
  private readonly file: string;

  constructor(scratch: string) {
    this.file = path.join(scratch, "deployed-instances.json");
  }

  has(instanceId: string): boolean {
    return this.read().includes(instanceId);
  }

  add(instanceId: string): void {
    const known = this.read();
    if (!known.includes(instanceId)) tryWriteFile(this.file, JSON.stringify([...known, instanceId].slice(-REMEMBERED)));
  }

  private read(): string[] {
    try {
      return existsSync(this.file) ? z.array(z.string()).parse(JSON.parse(readFileSync(this.file, "utf8"))) : [];
    } catch {
      return [];
    }
  }
}

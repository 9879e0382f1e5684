import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { shortName } from "../../fleet/identity/ownership";
import { PROJECT } from "../../fleet/plan/stack-config";
import { writeFileAtomic } from "../../system/atomic-file";
import { fileBackendRoot } from "./lock";
import type { ExportedState } from "./kept-state";
import { stateOf, type StackState } from "./state";

/** A state that was kept when the one was written that is damaged or gone: by the engine, or by us (kept-state.ts). */
export interface StateBackup {
  file: string;
  /** When it was written. */
  at: Date;
  state: StackState;
}

/** The files in which a file backend keeps one stack (engine: `.pulumi/stacks/PROJECT/STACK.json`, `.json.bak`). */
export interface StateFiles {
  state: string;
  /** Which configuration last changed the stack (automation/session/last-config.ts). The engine passes over names of this form. */
  lastConfig: string;
  /**
   * The state as the engine would export it, without the third of a second that starting the engine takes. Undefined
   * where only the engine can tell: no state, none of a form that is known here, or one that is damaged.
   */
  read(): StackState | undefined;
  /** The same, as a document. */
  exported(): ExportedState | undefined;
  /** Was no stack ever kept in this backend? The engine, which can only say the same, need not be asked. */
  isUnused(): boolean;
  /** Does the file hold a checkpoint? The engine takes an empty document for an empty stack, and would write over it. */
  isWhole(): boolean;
  /** The newest backup that can be read; undefined when there is none. */
  backup(): StateBackup | undefined;
  /** Puts a backup in the state's place. What stood there is kept beside it: answers where, when there was anything. */
  restore(backup: StateBackup & { exported?: ExportedState }): string | undefined;
  /**
   * Removes the attributes beside the state when a kill cut them off: the engine writes them in place, and then cannot
   * read the whole state that they describe. It needs none. True: there was something to remove.
   */
  dropCutAttributes(): boolean;
  /** Takes the state out of the engine's sight and keeps it: answers where, when there was anything. */
  setAside(): string | undefined;
}

/** Makes a folder the backend of one stack. @param latest its deployment, as an export of it has it */
export function writeNewBackend(folder: string, stack: string, latest: object): void {
  const stacks = path.join(folder, ".pulumi/stacks", PROJECT);
  mkdirSync(stacks, { recursive: true, mode: 0o700 });
  writeFileSync(path.join(folder, ".pulumi/meta.yaml"), "version: 1\n", { mode: 0o600 });
  writeFileSync(path.join(stacks, `${shortName(stack)}.json`), checkpointOf(stack, latest), { mode: 0o600 });
}

function checkpointOf(stack: string, latest: object): string {
  return JSON.stringify({
    version: KNOWN_VERSION,
    checkpoint: { stack: `organization/${PROJECT}/${shortName(stack)}`, latest },
  });
}

export function stateFilesOf(backendUrl: string, stack: string): StateFiles | undefined {
  if (!backendUrl.startsWith("file://")) return undefined;
  const root = fileBackendRoot(backendUrl);
  const state = path.join(root, ".pulumi/stacks", PROJECT, `${shortName(stack)}.json`);
  const attributes = (file: string) => `${file}.attrs`;
  const setAside = (): string | undefined => {
    if (!existsSync(state)) return undefined;
    const kept = `${state}.damaged-${new Date().toISOString().replaceAll(":", "")}`;
    renameSync(state, kept);
    rmSync(attributes(state), { force: true });
    return kept;
  };
  const exported = (): ExportedState | undefined => {
    const { version, checkpoint } = contentOf(state) ?? {};
    return version === KNOWN_VERSION && checkpoint?.latest ? { version, deployment: checkpoint.latest } : undefined;
  };
  return {
    state,
    lastConfig: `${state}.last-config`,
    read() {
      const document = exported();
      return document && stateOf(document);
    },
    exported,
    isUnused() {
      try {
        return !readdirSync(root).includes(".pulumi");
      } catch {
        return false;
      }
    },
    isWhole: () => !existsSync(state) || contentOf(state)?.checkpoint !== undefined,
    backup: () => readBackup(`${state}.bak`),
    restore({ file, exported: document }) {
      const content = document === undefined ? readFileSync(file) : checkpointOf(stack, document.deployment);
      let kept: string | undefined;
      writeFileAtomic(state, content, statSync(file).mode & 0o777, () => (kept = setAside()));
      return kept;
    },
    dropCutAttributes() {
      const file = attributes(state);
      if (!existsSync(file) || isJson(file)) return false;
      rmSync(file, { force: true });
      return true;
    },
    setAside,
  };
}

function readBackup(file: string): StateBackup | undefined {
  const latest = contentOf(file)?.checkpoint?.latest;
  return latest ? { file, at: statSync(file).mtime, state: stateOf({ deployment: latest }) } : undefined;
}

function isJson(file: string): boolean {
  try {
    JSON.parse(readFileSync(file, "utf8"));
    return true;
  } catch {
    return false;
  }
}

/** The form of a checkpoint that is read here as the engine reads it (its sdk/go/common/apitype, `CheckpointV3`). */
const KNOWN_VERSION = 3;

function contentOf(file: string): { version?: number; checkpoint?: { latest?: object } } | undefined {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as ReturnType<typeof contentOf> | null) ?? undefined;
  } catch {
    return undefined;
  }
}

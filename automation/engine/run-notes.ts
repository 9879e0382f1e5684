import { randomUUID } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { Tag } from "../../fleet/model";
import { LATE_MS, type Attempt, type Made, type RunNote } from "../../fleet/identity/orphans";
import { writeFileAtomic } from "../../system/atomic-file";
import type { EngineStep } from "./events";
import { unwritable } from "./kept-state";
import { tagsOf, type PendingOperation } from "./state";

/** A run's note as it is kept. */
export interface KeptNote extends RunNote {
  run: string;
  fleetId: string;
}

/** One line of the file. `later`: another run wrote it, who cleared up after this one. */
type Line = { run: string; at: string; later?: true } & (
  | { began: { fleetId: string; seen: RunNote["seen"] } }
  | { attempt: Made & { urn: string } }
  | { made: { urn: string; id: string } }
  | { refused: { urn: string } }
  | { deleted: string }
  | { ended: true }
  | { looked: true }
);

/**
 * What runs of this program write down before they create anything, beside the stack's record: the engine forgets a
 * creation that failed, even where AWS carried it out. One line an entry, appended: a kill costs the last one at most.
 */
export class RunNotes {
  private run: string | undefined;

  /** @param file of this stack's notes */
  constructor(readonly file: string) {}

  /** The notes of a fleet that are not settled yet. @throws SpotError E_BACKEND */
  of(fleetId: string): KeptNote[] {
    return notesIn(this.lines()).filter((note) => note.fleetId === fleetId);
  }

  /**
   * A run begins: from here on what it creates and deletes is noted. One before it that never came to its end is over:
   * what is pending in the record from now on is not that one's.
   * @throws SpotError E_BACKEND where nothing can be written
   */
  begin(fleetId: string, seen: RunNote["seen"]): void {
    for (const { run, ended } of this.of(fleetId))
      if (!ended) this.append({ run, at: now(), later: true, ended: true });
    this.run = randomUUID();
    this.write({ began: { fleetId, seen } });
  }

  /** A run of this process is under way. */
  get isOpen(): boolean {
    return this.run !== undefined;
  }

  /** The engine is about to create something. @throws SpotError E_BACKEND */
  attempt({ urn, type, inputs }: Pick<EngineStep, "urn" | "type" | "inputs">): void {
    if (typeof inputs.region === "string") this.write({ attempt: { urn, ...madeOf(type, inputs.region, inputs) } });
  }

  /** The engine created something. @throws SpotError E_BACKEND */
  made({ urn, id, inputs }: Pick<EngineStep, "urn" | "id" | "inputs">): void {
    if (typeof inputs.region === "string" && id !== "") this.write({ made: { urn, id } });
  }

  /** The engine had something deleted; AWS may show it again all the same. @throws SpotError E_BACKEND */
  deleted({ id }: Pick<EngineStep, "id">): void {
    if (id !== "") this.write({ deleted: id });
  }

  /** An attempt of an earlier run was this thing, which is ended now. @throws SpotError E_BACKEND */
  found(fleetId: string, { id, ...thing }: Made & { id: string }): void {
    for (const { run, attempts } of this.of(fleetId)) {
      const attempt = attempts.find(
        (one) =>
          one.id === undefined && one.type === thing.type && one.region === thing.region && one.node === thing.node,
      );
      if (attempt) {
        this.append({ run, at: now(), later: true, made: { urn: attempt.urn, id } });
        return;
      }
    }
  }

  /** AWS surely made nothing of an attempt. @throws SpotError E_BACKEND */
  refused({ urn }: Pick<EngineStep, "urn">): void {
    this.write({ refused: { urn } });
  }

  /**
   * Takes over what a killed run left pending in the record, before it is dropped there: that of the last run, if it
   * never came to its end. Any other is of a run that wrote no notes, and explains nothing.
   */
  adopt(fleetId: string, pending: readonly PendingOperation[]): void {
    const last = this.of(fleetId).at(-1);
    if (last === undefined || last.ended) return;
    const noted = new Set(last.attempts.flatMap(({ urn, id }) => (id === undefined ? urn : [])));
    for (const { urn, type, inputs, creating } of pending) {
      if (creating && !noted.has(urn) && typeof inputs.region === "string")
        this.append({
          run: last.run,
          at: now(),
          later: true,
          attempt: { urn, ...madeOf(type, inputs.region, inputs) },
        });
    }
  }

  /**
   * The run of this process is over. What it made is all in the record: then nothing of it is left to explain.
   * @param recorded ids that the record holds now
   */
  end(recorded: ReadonlySet<string>): void {
    if (this.run === undefined) return;
    this.write({ ended: true });
    const { run } = this;
    this.run = undefined;
    this.keep((note) => note.run !== run || note.attempts.some(({ id }) => id === undefined || !recorded.has(id)));
  }

  /**
   * Everything was looked at, and nothing is left that these notes explain: drops those of runs of which nothing can
   * come to light any more.
   */
  settle(): void {
    const run = this.run;
    this.keep((note) => note.run === run || note.last.getTime() > Date.now() - LATE_MS);
    for (const note of notesIn(this.lines()))
      if (note.run !== run && !note.looked) this.append({ run: note.run, at: now(), later: true, looked: true });
  }

  /** There is nothing left that could be explained: the notes go, and what follows in this run is not noted. */
  forget(): void {
    this.run = undefined;
    rmSync(this.file, { force: true });
  }

  private keep(isKept: (note: KeptNote) => boolean): void {
    const lines = this.lines();
    const dropped = new Set(notesIn(lines).flatMap((note) => (isKept(note) ? [] : [note.run])));
    if (dropped.size === 0) return;
    const left = lines.filter(({ run }) => !dropped.has(run));
    if (left.length === 0) rmSync(this.file, { force: true });
    else this.guarded(() => writeFileAtomic(this.file, left.map(textOf).join(""), 0o600));
  }

  private write(entry: DistributiveOmit<Line, "run" | "at">): void {
    if (this.run !== undefined) this.append({ run: this.run, at: now(), ...entry });
  }

  private append(line: Line): void {
    this.guarded(() => {
      mkdirSync(path.dirname(this.file), { recursive: true, mode: 0o700 });
      appendFileSync(this.file, textOf(line), { mode: 0o600 });
    });
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (cause) {
      throw unwritable("this run's notes", this.file, cause);
    }
  }

  /** A line that a kill cut off tells nothing. */
  private lines(): Line[] {
    if (!existsSync(this.file)) return [];
    let text: string;
    try {
      text = readFileSync(this.file, "utf8");
    } catch (cause) {
      throw new SpotError("E_BACKEND", {
        message: `the notes of earlier runs cannot be read: ${this.file}`,
        cause,
        next: "Make the file readable for you, then run the command again.",
        step: outside("free-file", again()),
      });
    }
    return text.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line) as Line];
      } catch {
        return [];
      }
    });
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

const now = (): string => new Date().toISOString();

/** A new line first: what a kill cut off spoils no other. */
const textOf = (line: Line): string => `\n${JSON.stringify(line)}`;

function madeOf(type: string, region: string, inputs: Record<string, unknown>): Made {
  const node = tagsOf(inputs)[Tag.node];
  return { type, region, ...(node === undefined ? {} : { node }) };
}

/** The runs of a file, the oldest first. */
function notesIn(lines: readonly Line[]): KeptNote[] {
  const notes = new Map<string, KeptNote & { attempts: Attempt[]; deleted: string[] }>();
  for (const line of lines) {
    const at = new Date(line.at);
    if ("began" in line)
      notes.set(line.run, {
        run: line.run,
        ...line.began,
        began: at,
        last: at,
        attempts: [],
        deleted: [],
        ended: false,
        looked: false,
      });
    const note = notes.get(line.run);
    if (note === undefined) continue;
    if (!line.later) note.last = at;
    if ("attempt" in line) note.attempts.push({ ...line.attempt });
    const open = (wanted: string) => note.attempts.find(({ urn, id }) => urn === wanted && id === undefined);
    if ("made" in line) {
      const attempt = open(line.made.urn);
      if (attempt) attempt.id = line.made.id;
    }
    if ("refused" in line) {
      const attempt = open(line.refused.urn);
      if (attempt) note.attempts.splice(note.attempts.indexOf(attempt), 1);
    }
    if ("deleted" in line) note.deleted.push(line.deleted);
    if ("ended" in line) note.ended = true;
    if ("looked" in line) note.looked = true;
  }
  return [...notes.values()];
}

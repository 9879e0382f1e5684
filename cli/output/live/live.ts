import type { FleetEvent, Question, Reporter } from "../../../fleet/report/events";
import { pluralize } from "../../../fleet/text/words";
import { ask, isTold, levelPaint, type Loudness, type Terminal, type TerminalLike } from "../console";
import { frame, lineText, clock, type FrameLine } from "./frame";
import { lineFormatter, formatLine, type LogLine } from "../lines";
import { countText, type Progress } from "../progress";
import { Screen } from "./screen";

/** A view that must be ended before anything else is written. */
export type View = Reporter & { end(): void };

const EVENTS_KEPT = 20;
/** Shortest time between two drawings: events may come by the thousand. */
const DRAW_EVERY_MS = 80;
/** The clock goes on when nothing happens. */
const TICK_MS = 1000;

/** A live view makes sense where a person looks on and the terminal can move its cursor. */
export function canDraw({
  stderr,
  stdout,
  env,
}: Record<"stderr" | "stdout", TerminalLike> & { env: NodeJS.ProcessEnv }): boolean {
  return Boolean(stderr.isTTY && stdout.isTTY) && !env.CI && env.TERM !== "dumb";
}

/**
 * The live view: a frame at the bottom of the terminal that is drawn in place; warnings and errors are written above
 * it, in full and to stay. The first word of the result on stdout ends it.
 * @param progress kept up to date by the caller, before `emit`
 */
export function liveReporter(
  terminal: Terminal,
  progress: Progress,
  options: Loudness & { yes: boolean; title: string },
): View {
  const { stderr, stdout } = terminal;
  const paint = levelPaint(stderr, terminal.env);
  const tell = lineFormatter();
  const events: LogLine[] = [];
  const screen = new Screen(unhooked(stderr));
  let paused = false;
  let ended = false;
  let drawnAt = 0;
  let soon: NodeJS.Timeout | undefined;

  const painted = (line: FrameLine) => line.map(({ text, tone }) => (tone ? paint(tone, text) : text)).join("");
  const draw = (): void => {
    clearTimeout(soon);
    soon = undefined;
    if (paused || ended) return;
    drawnAt = Date.now();
    const lines = frame({
      title: options.title,
      progress,
      events,
      now: drawnAt,
      width: stderr.columns || 80,
      height: stderr.rows || 24,
    });
    screen.draw(lines.map(painted), lines.map(lineText));
  };
  const drawSoon = (): void => {
    soon ??= setTimeout(draw, Math.max(0, drawnAt + DRAW_EVERY_MS - Date.now()));
  };
  const tick = setInterval(draw, TICK_MS);
  tick.unref();
  stderr.on("resize", draw);

  const end = (): void => {
    if (ended) return;
    ended = true;
    clearTimeout(soon);
    clearInterval(tick);
    stderr.off("resize", draw);
    restore();
    screen.close();
    const { size } = progress.nodes;
    if (size > 0)
      stderr.write(
        `${options.title}: ${pluralize(size, "node")}: ${countText(progress.nodes.values())} after ${clock(Date.now() - progress.startedAt)}\n`,
      );
  };
  const restore = hook({
    stdout,
    stderr,
    onResult: end,
    onForeign: (text) => (paused ? false : (screen.above(text), true)),
  });
  draw();
  return {
    end,
    emit(event: FleetEvent): void {
      if (ended) return;
      for (const told of tell(event)) {
        if (!isTold(told.level, options)) continue;
        events.push(told);
        if (told.level === "warning" || told.level === "error") {
          if (!paused) screen.above(`${formatLine(told, paint)}\n`);
        }
      }
      events.splice(0, Math.max(0, events.length - EVENTS_KEPT));
      drawSoon();
    },
    async confirm(question: Question): Promise<boolean> {
      paused = true;
      screen.clear();
      try {
        return await ask(terminal, question, options);
      } finally {
        paused = false;
        drawSoon();
      }
    },
    isAttended: () => !options.yes,
  };
}

/** The stream's own `write`, which goes past the hook. */
function unhooked(stream: NodeJS.WriteStream) {
  const write: NodeJS.WriteStream["write"] = stream.write.bind(stream);
  return {
    write,
    get columns() {
      return stream.columns;
    },
    get rows() {
      return stream.rows;
    },
  };
}

/**
 * Sees what others write while the view is there: the result on stdout ends it first, a library's warning on stderr
 * goes above it. Returns what takes the hooks away again.
 */
function hook(o: {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  onResult(): void;
  onForeign(text: string): boolean;
}): () => void {
  const { stdout, stderr } = o;
  const [out, err] = [unhooked(stdout).write, unhooked(stderr).write];
  stdout.write = ((...args: Parameters<typeof out>) => {
    o.onResult();
    return out(...args);
  }) as typeof out;
  stderr.write = ((...args: Parameters<typeof err>) => {
    const [chunk] = args as unknown as [unknown];
    if (typeof chunk === "string" && o.onForeign(chunk.endsWith("\n") ? chunk : `${chunk}\n`)) return true;
    return err(...args);
  }) as typeof err;
  return () => {
    stdout.write = out;
    stderr.write = err;
  };
}

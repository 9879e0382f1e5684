const ESC = "\u001b[";
/** Home, and everything below erased: the scrollback stays. */
export const CLEAR = `${ESC}H${ESC}J`;
/** DEC private modes (xterm's control sequences); terminals that lack one ignore it. */
const BEGIN = `${ESC}?2026h${ESC}?25l${ESC}?7l`;
const END = `${ESC}?7h${ESC}?2026l`;
const SHOW_CURSOR = `${ESC}?25h`;

/** The stream that is drawn on; `columns` and `rows` change when the window does, and a stream without one has none. */
export type DrawingStream = Pick<NodeJS.WriteStream, "write"> & Partial<Pick<NodeJS.WriteStream, "columns" | "rows">>;

/** What is on the screen now: how long each line is, without colours. */
interface Drawn {
  lengths: number[];
  text: string;
}

/**
 * Draws a block of lines in place at the bottom of a terminal. Each drawing is one write that overwrites the last one
 * line by line and clears nothing beforehand, so that nothing flickers. The caller keeps the block less high than the
 * terminal.
 */
export class Screen {
  private drawn: Drawn = { lengths: [], text: "" };
  private readonly onExit = () => void this.stream.write(SHOW_CURSOR);

  constructor(private readonly stream: DrawingStream) {
    // A cursor that stays hidden would outlive a run that broke off.
    process.once("exit", this.onExit);
  }

  /** @param lines painted; `plain` the same without colours */
  draw(lines: string[], plain: string[]): void {
    const text = lines.map((line) => `${line}${ESC}K\n`).join("");
    const lengths = plain.map((line) => Array.from(line).length);
    if (text === this.drawn.text && this.rowsOf(lengths) === this.rowsOf(this.drawn.lengths)) return;
    this.stream.write(`${BEGIN}${this.home()}${text}${ESC}J${END}`);
    this.drawn = { lengths, text };
  }

  /** Writes lines that stay, above the block; the block is drawn again below them. */
  above(text: string): void {
    this.stream.write(`${BEGIN}${this.home()}${ESC}J${ESC}?7h${text}${this.drawn.text}${END}`);
  }

  /** Takes the block away and gives the terminal back. Drawing may begin again. */
  clear(): void {
    this.stream.write(`${this.home()}${ESC}J${SHOW_CURSOR}`);
    this.drawn = { lengths: [], text: "" };
  }

  /** Ends it for good. */
  close(): void {
    this.clear();
    process.off("exit", this.onExit);
  }

  /** To the block's first line. A terminal that became narrower has broken the longer lines into several. */
  private home(): string {
    const rows = Math.min(this.rowsOf(this.drawn.lengths), Math.max(0, (this.stream.rows ?? 24) - 1));
    return rows === 0 ? "\r" : `\r${ESC}${rows}A`;
  }

  private rowsOf(lengths: number[]): number {
    const width = this.stream.columns || 80;
    return lengths.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / width)), 0);
  }
}

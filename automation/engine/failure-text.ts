/** How the official provider logs a failure: where in its own code, the words, and which provider it is. */
const LOGGED = /^\s*(?:[\w./-]+\.go:\d+: )?sdk\.helper_schema: (.*?)(?:: provider=[\w-]+@[\w.+-]+)?\s*$/;

/** What it puts before a failure when it hands the same back to the engine, as a list that may hold lists. */
const FRAMES = [
  /^(?:creating|reading|updating|deleting|refreshing) urn:pulumi:\S+: /,
  /^\d+ errors? occurred:\s*/,
  /^\*\s+/,
];

/**
 * What went wrong with one resource, each thing said once and in one line. The official provider tells it to the engine
 * at least twice: as its log has it, and as the answer to the call, framed by lists (seen with pulumi-aws 6 and 7).
 * @param texts the engine's diagnostics of the resource, in their order; other texts than such are left as they are
 */
export function failureText(texts: readonly string[]): string {
  const said = texts.flatMap((text) => (isFramed(text) ? text.split("\n").map(unframed) : [text]));
  const lines = said.filter((line) => line !== "");
  return [...new Set(lines)].join("\n");
}

const isFramed = (text: string): boolean =>
  LOGGED.test(text.split("\n", 1)[0] ?? "") || text.split("\n").some((line) => /\d+ errors? occurred:/.test(line));

function unframed(line: string): string {
  let words = (LOGGED.exec(line)?.[1] ?? line).trim();
  for (let before = ""; before !== words; ) {
    before = words;
    for (const frame of FRAMES) words = words.replace(frame, "");
  }
  return words;
}

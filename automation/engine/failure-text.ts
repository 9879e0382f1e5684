/**
 * What the official provider puts around the words of a failure: in its log where in its own code it arose and which
 * provider it is, and in its answer to the engine a list, which may hold lists.
 */
const FRAMES = [
  /^(?:[\w./-]+\.go:\d+: )?sdk\.helper_schema: /,
  /: provider=[\w-]+@[\w.+-]+$/,
  /^(?:creating|reading|updating|deleting|refreshing) urn:pulumi:\S+: /,
  /^\d+ errors? occurred:\s*/,
  /^\*\s+/,
];

/**
 * What went wrong with one resource, each line said once. The official provider tells it to the engine at least twice: as
 * its log has it, and as the answer to the call (seen with pulumi-aws 6 and 7).
 * @param texts the engine's diagnostics of the resource, in their order; other texts than such are left as they are
 */
export function failureText(texts: readonly string[]): string {
  const said = texts.flatMap((text) => (isFramed(text) ? text.split("\n").map(unframed) : [text]));
  const lines = said.filter((line) => line !== "");
  return [...new Set(lines)].join("\n");
}

const isFramed = (text: string): boolean => /sdk\.helper_schema: |\d+ errors? occurred:/.test(text);

function unframed(line: string): string {
  let words = line.trim();
  for (let before = ""; before !== words; ) {
    before = words;
    for (const frame of FRAMES) words = words.replace(frame, "");
  }
  return words;
}

/** The lines of two texts side by side, `-` gone, `+` new: for files of a page or two (time and memory grow with n·m). */
export function diffText(before: string, after: string): string {
  const [a, b] = [before.replace(/\n$/, "").split("\n"), after.replace(/\n$/, "").split("\n")];
  // Longest common subsequence, from the end.
  const rows: number[][] = Array.from({ length: a.length }, () => new Array<number>(b.length).fill(0));
  // Behind the end of either text there is nothing in common.
  const common = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (const [i, row] of [...rows.entries()].reverse()) {
    for (let j = b.length - 1; j >= 0; j--) {
      row[j] = a[i] === b[j] ? common(i + 1, j + 1) + 1 : Math.max(common(i + 1, j), common(i, j + 1));
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`  ${a[i++] ?? ""}`);
      j++;
    } else if (i < a.length && (j === b.length || common(i + 1, j) >= common(i, j + 1)))
      lines.push(`- ${a[i++] ?? ""}`);
    else lines.push(`+ ${b[j++] ?? ""}`);
  }
  return lines.join("\n");
}

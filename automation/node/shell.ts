/** One word for a POSIX shell, whatever is in it. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line that runs a Python program on the node. Its text travels in the command, so nothing is left behind. */
export function python(program: string, ...args: string[]): string {
  return ["python3", "-c", program, ...args].map(quote).join(" ");
}

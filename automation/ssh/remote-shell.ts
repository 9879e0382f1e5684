import { shellQuote } from "../../fleet/text/shell-quote";

/** A command line that runs a Python program on the node. Its text travels in the command, so nothing is left behind. */
export function python(program: string, ...args: string[]): string {
  return ["python3", "-c", program, ...args].map(shellQuote).join(" ");
}

/**
 * A command that ends, with all that it started, when its standard input ends: without a terminal, a command that waits
 * would never notice that nobody listens any more. Give it an input that stays open, and nothing to read.
 */
export function killedWithStdin(command: string): string {
  return [
    "exec 3<&0 </dev/null",
    `setsid "\${SHELL:-sh}" -c ${shellQuote(command)} & run=$!`,
    // What runs as root hears only root.
    `{ cat <&3; kill -- -$run; sudo -n kill -- -$run; } >/dev/null 2>&1 & watch=$!`,
    "wait $run; code=$?; kill $watch 2>/dev/null; exit $code",
  ].join("\n");
}

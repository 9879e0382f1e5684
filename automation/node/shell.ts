import { quote } from "../../fleet/quote";

/** A command line that runs a Python program on the node. Its text travels in the command, so nothing is left behind. */
export function python(program: string, ...args: string[]): string {
  return ["python3", "-c", program, ...args].map(quote).join(" ");
}

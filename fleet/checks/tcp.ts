import { shellQuote } from "../text/shell-quote";
import type { Verdict } from "./types";
import { expectAll } from "./expectations";

/** Tries a TCP connection to each `host:port`, and prints for each `ok` or why not. */
const CONNECT = `import socket, sys
for place in sys.argv[2:]:
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), int(sys.argv[1])).close()
        print("ok")
    except OSError as error:
        print(error)`;

/** Tries a TCP connection from the node to each `host:port`, for so many seconds each. */
export const connectCommand = (places: readonly string[], seconds = 5): string =>
  `python3 -c '${CONNECT}' ${seconds} ${places.map(shellQuote).join(" ")}`;

/** What `connectCommand` printed: one line a place. */
export function judgeConnections(stdout: string, places: readonly string[]): Verdict {
  const answers = stdout.split("\n");
  return expectAll(places, (place, n) => (answers[n] === "ok" ? undefined : `${place}: ${answers[n] || "no answer"}`));
}

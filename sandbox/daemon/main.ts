import { errorInfo } from "../../fleet/errors";
import { runDaemon, type DaemonOptions } from "./daemon";

/** What the daemon tells the command that started it, once. */
export type DaemonMessage = { ready: true } | { error: ReturnType<typeof errorInfo> };

function tell(message: DaemonMessage, then: () => void): void {
  process.send?.(message, () => {
    process.disconnect();
    then();
  });
}

// A command that is gone when the answer comes must not end the sandbox that it asked for.
process.on("disconnect", () => undefined);

runDaemon(JSON.parse(process.argv[2] ?? "") as DaemonOptions).then(
  () => tell({ ready: true }, () => undefined),
  (error: unknown) => tell({ error: errorInfo(error) }, () => process.exit(1)),
);

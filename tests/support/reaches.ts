import { connect } from "node:net";
import { InsideHost } from "./inside-host";
import { until } from "./sandbox";

/** What is dropped never answers: no answer for this long, and it is taken as dropped. The way is one bridge, but this process may have to wait for its turn. */
const DROPPED_MS = 3_000;

/** Whether this machine reaches a host's SSH port. */
export const reaches = (host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port: 22 });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket
      .setTimeout(DROPPED_MS, () => end(false))
      .on("connect", () => end(true))
      .on("error", () => end(false));
  });

/** Waits until a host's SSH server listens, whoever may reach it. */
export async function listens(home: string, instanceId: string): Promise<void> {
  const host = new InsideHost(home, instanceId);
  await until(
    `${instanceId} listens`,
    () =>
      host.run("ss -Hltn 'sport = :22'").then(
        (output) => output !== "",
        () => false,
      ),
    60_000,
  );
}

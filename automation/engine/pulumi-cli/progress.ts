const PROGRESS_MS = 3_000;

/** Tells at once and every few seconds for how long a piece of work has lasted, in whole seconds. */
export async function withProgress<T>(tell: (seconds: number) => void, work: () => Promise<T>): Promise<T> {
  const started = Date.now();
  const tellNow = () => tell(Math.round((Date.now() - started) / 1000));
  tellNow();
  const timer = setInterval(tellNow, PROGRESS_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

const WATCH_MS = 500;

/**
 * What this process is in the middle of. When the engine dies nobody hears of an outcome any more: waits end at
 * once, calls that are on their way come to their end, and then the process goes.
 */
export class Work {
  private running = 0;
  private readonly halt = new AbortController();

  /** Ends every wait when there is nobody left to wait for. */
  get halted(): AbortSignal {
    return this.halt.signal;
  }

  async track<T>(work: () => Promise<T>): Promise<T> {
    this.running += 1;
    try {
      return await work();
    } finally {
      this.running -= 1;
    }
  }

  /** Watches the process that started this one; the engine gives a plugin no other sign of its own death. */
  endWithParent(): void {
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid === parent) return;
      this.halt.abort(new Error("the Pulumi engine has ended"));
      if (this.running === 0) process.exit(0);
    }, WATCH_MS).unref();
  }
}

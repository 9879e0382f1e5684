/** What a test made and must end, newest first, also when the test failed. */
export class CleanUp {
  private readonly work: Array<() => unknown> = [];

  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  defer(work: () => unknown): void {
    this.work.push(work);
  }

  async run(): Promise<void> {
    for (let work = this.work.pop(); work !== undefined; work = this.work.pop()) await work();
  }
}

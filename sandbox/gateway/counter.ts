/** Counts calls by region and action. */
export class CallCounter {
  private byRegion: Record<string, Record<string, number>> = {};

  count(region: string, action: string): void {
    const actions = (this.byRegion[region] ??= {});
    actions[action] = (actions[action] ?? 0) + 1;
  }

  counts(): Record<string, Record<string, number>> {
    return this.byRegion;
  }

  reset(): void {
    this.byRegion = {};
  }
}

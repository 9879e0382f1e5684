/** A vCPU quota of EC2 (console "Service Quotas"), and the instance families that share it. */
export interface Quota {
  code: string;
  name: string;
  value: number;
  market: "spot" | "on-demand";
  families: RegExp;
}

const standard = /^[acdhimrtz]\d/;

const initial: readonly Quota[] = [
  {
    code: "L-34B43A08",
    name: "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
    value: 256,
    market: "spot",
    families: standard,
  },
  {
    code: "L-1216C47A",
    name: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    value: 256,
    market: "on-demand",
    families: standard,
  },
  { code: "L-3819A6DF", name: "All G and VT Spot Instance Requests", value: 0, market: "spot", families: /^(g|vt)\d/ },
];

/** The account's quotas by region; a region's own value goes before the one for all. */
export class Quotas {
  private readonly changed = new Map<string, number>();

  of(region: string): Quota[] {
    return initial.map((quota) => ({
      ...quota,
      value: this.changed.get(`${region}/${quota.code}`) ?? this.changed.get(quota.code) ?? quota.value,
    }));
  }

  /** The quota that a machine type counts against; undefined: none is imitated for its family. */
  for(region: string, machineType: string, market: Quota["market"]): Quota | undefined {
    return this.of(region).find((quota) => quota.market === market && quota.families.test(machineType));
  }

  /** Throws an Error for a code that there is not. */
  set(code: string, value: number, region?: string): void {
    if (!initial.some((quota) => quota.code === code))
      throw new Error(`unknown quota ${code}; known: ${initial.map((quota) => quota.code).join(", ")}`);
    this.changed.set(region === undefined ? code : `${region}/${code}`, value);
  }
}

import type { HostDriver, Reach } from "../../sandbox/hosts/driver";

const all = { protocol: "-1", cidr: "0.0.0.0/0" };

/** What lets everything through. */
export const wideOpen: Reach = { internet: ["0.0.0.0/0"], ingress: [all], egress: [all] };

/** Opens a host that has no cloud before it which would. */
export const openUp = (driver: HostDriver, instanceId: string): Promise<void> =>
  driver.admit(instanceId, () => Promise.resolve(wideOpen));

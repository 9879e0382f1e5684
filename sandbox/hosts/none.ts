import type { HostDriver } from "./driver";

/** Stands where hosts cannot boot (`--sandbox=api`): instances exist in the API only. */
export const noHosts: HostDriver = {
  launch: async () => undefined,
  admit: async () => undefined,
  reboot: async () => undefined,
  terminate: async () => undefined,
  consoleOutput: async () =>
    "This sandbox runs without hosts (--sandbox=api): nothing was booted, so there is no console.\n",
  notice: async () => undefined,
  close: async () => undefined,
};

import type { HostDriver } from "./driver";

const nothing = (): Promise<void> => Promise.resolve();

/** Stands where hosts cannot boot (`--sandbox=api`): instances exist in the API only. */
export const noHosts: HostDriver = {
  launch: nothing,
  admit: nothing,
  reboot: nothing,
  terminate: nothing,
  consoleOutput: () =>
    Promise.resolve("This sandbox runs without hosts (--sandbox=api): nothing was booted, so there is no console.\n"),
  notice: nothing,
  close: nothing,
};

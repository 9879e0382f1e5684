import type { UnitExpectation } from "./checks";
import type { Manifest } from "./payload";

/** A payload path that deployment makes a unit of: ours, or one of the user's. */
const UNIT = /^(?:services|files\/systemd)\/([^/]+\.service)$/;

/** Ours that no target wants: a unit that is started on purpose, once. */
const NEVER_ENABLED = ["spot-reboot.service"];

/** Ours that end when their work is done. */
const ONESHOT = ["bacalhau-startup.service", ...NEVER_ENABLED];

/** Installed only when config.yaml asks for it; no configuration can yet. */
const NOT_INSTALLED = ["bacalhau.service"];

/** What a node must have of systemd units, as its payload says. The rule is the node's own (deploy_services.py). */
export function unitsOf(manifest: Manifest): UnitExpectation {
  const installed = Object.fromEntries(
    manifest.entries.flatMap(({ path, type }) => {
      const name = UNIT.exec(path)?.[1];
      return type === "file" && name !== undefined && !NOT_INSTALLED.includes(name) ? [[name, path] as const] : [];
    }),
  );
  const names = Object.keys(installed);
  return {
    installed,
    enabled: names.filter((name) => !NEVER_ENABLED.includes(name)),
    workloads: names.filter((name) => !ONESHOT.includes(name)),
  };
}

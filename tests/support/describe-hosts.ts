import assert from "node:assert/strict";
import type { Suite } from "mocha";
import { hostRequirements } from "../../sandbox/hosts/requirements";

/**
 * A suite that boots real hosts. On Linux as root it runs, and what the machine lacks fails it; elsewhere it is skipped
 * with the reason in its title. The first run on a machine builds the root image, hence the patience.
 */
export function describeHosts(title: string, body: (this: Suite) => void): void {
  const requirements = hostRequirements();
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    describe.skip(`${title} (skipped: ${requirements.possible ? "not root on Linux" : requirements.reason})`, body);
    return;
  }
  describe(title, function () {
    this.timeout(600_000);
    before("hosts can boot here", () => assert.deepEqual(hostRequirements(), { possible: true, missingPackages: [] }));
    body.call(this);
  });
}

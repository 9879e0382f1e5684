import assert from "node:assert/strict";
import path from "node:path";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench } from "../support/fleet-bench";
import type { InsideHost } from "../support/inside-host";
import { until } from "../support/sandbox";
import { hasTmux, TestTerminal } from "../support/terminal";

/** A file on the node for which a unit, or a check, waits. */
const GO = "/run/go";
const UNTIL_GO = `until [ -e ${GO} ]; do sleep 0.2; done`;

/** How a wait of a new node is made to last, and how the screen tells that it has begun. */
interface Wait {
  during: string;
  shown: RegExp;
  /** Holds the node there as soon as its host runs. */
  hold?: (host: InsideHost) => Promise<unknown>;
}

const before =
  (unit: string) =>
  async (host: InsideHost): Promise<unknown> => {
    const dropIn = `/run/systemd/system/${unit}.d`;
    return host.run(
      `mkdir -p ${dropIn} && printf "[Service]\\nExecStartPre=/bin/sh -c '${UNTIL_GO}'\\n" > ${dropIn}/hold.conf && systemctl daemon-reload`,
    );
  };

const WAITS: Wait[] = [
  { during: "a node boots", hold: before("cloud-final.service"), shown: /cloud-init/ },
  { during: "a node is deployed", hold: before("spot-deploy.service"), shown: /Deployment started/ },
  { during: "a node is verified", shown: /checks \d+ of \d+/ },
];

describeHosts("Ctrl-C in a terminal while booted nodes are waited for", () => {
  for (const { during, hold, shown } of WAITS) {
    it(`ends \`up\` while ${during}, and the next one goes on with the same instance`, async () => {
      assert.ok(hasTmux());
      const bench = new FleetBench();
      try {
        bench.fleet(
          { "us-west-2": 1 },
          hold ? [] : ["checks:", "  - name: waits", `    command: ${JSON.stringify(UNTIL_GO)}`, "    deadline: 120"],
        );
        await bench.begin();
        using terminal = new TestTerminal(
          [
            process.execPath,
            path.join(bench.root, "dist/cli/main.js"),
            "up",
            "--sandbox",
            "--stack",
            bench.stack,
            "--config",
            bench.configFile,
          ],
          { columns: 120, rows: 40, cwd: bench.root, env: { ...bench.env, CI: undefined } },
        );
        const id = await until("the instance exists", async () => (await bench.live()).instances[0]?.InstanceId);
        const host = bench.host(id);
        if (hold)
          await until("its host is held", () =>
            hold(host).then(
              () => true,
              () => false,
            ),
          );
        await terminal.shows(shown);
        terminal.type("C-c");
        assert.equal(await terminal.ended(20_000), 130, terminal.everything());
        const told = terminal.everything();
        assert.match(told, /WARNING: interrupted: finishing what is in flight/);
        assert.match(told, /Run `up` again: it goes on from there\./);
        assert.doesNotMatch(told, /failed|ERROR|explained above/);
        await host.run(`touch ${GO}`);
        const { outcome, document } = await bench.up();
        assert.equal(outcome.code, 0, outcome.stdout);
        assert.deepEqual([document.verified, document.nodes.map(({ instanceId }) => instanceId)], [true, [id]]);
      } finally {
        await bench[Symbol.asyncDispose]();
      }
    });
  }
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { leanSdk } from "../../../../automation/engine/lean-sdk";
import { packageRoot } from "../../../../project/package-root";

/** What a program prints in a Node process of its own, with this project's packages at hand. */
const said = (program: string, nodeOptions: string): string =>
  spawnSync(process.execPath, ["-e", program], {
    cwd: packageRoot(),
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: nodeOptions },
  }).stdout;

const COMMAND_LINE = `--require=${JSON.stringify(path.join(packageRoot(), "dist/automation/engine/lean-sdk/preload.js"))}`;

function loaded(nodeOptions: string): { modules: string[]; output: string } {
  const program = `
    const { output } = require("@pulumi/pulumi");
    console.log(JSON.stringify({ modules: Object.keys(require.cache), output: typeof output }));`;
  return JSON.parse(said(program, nodeOptions)) as { modules: string[]; output: string };
}

describe("the Pulumi SDK without its serialisation of functions", function () {
  this.timeout(60_000);
  const heavy = /node_modules\/(typescript|@npmcli\/arborist)\/|vendor\/typescript/;

  it("loads without a compiler and without npm, in less than half the modules", () => {
    const whole = loaded("");
    assert.ok(
      whole.modules.some((file) => heavy.test(file)),
      "otherwise there is nothing to spare",
    );
    for (const lean of [loaded(COMMAND_LINE), loaded(leanSdk(undefined))]) {
      assert.equal(lean.output, "function");
      assert.deepEqual(
        lean.modules.filter((file) => heavy.test(file)),
        [],
      );
      assert.ok(lean.modules.length < whole.modules.length / 2, `${lean.modules.length} of ${whole.modules.length}`);
    }
  });

  it("leaves the Automation API to the command line", () => {
    const parts = (nodeOptions: string) =>
      loaded(nodeOptions).modules.filter((file) => /@pulumi\/pulumi\/automation\//.test(file)).length;
    assert.ok(parts(COMMAND_LINE) > 5, "it runs the engine by it");
    assert.equal(parts(leanSdk(undefined)), 1, "in its place something empty");
  });

  it("loads neither source maps nor traces in the engine's program, which runs by them all the same", () => {
    const program = `
      require("@pulumi/pulumi/provider");
      const tracing = require("@pulumi/pulumi/cmd/run/tracing");
      const span = tracing.newSpan("some");
      span.setAttribute("a", 1);
      span.addEvent("b");
      span.end();
      console.log(JSON.stringify(Object.keys(require.cache).filter((file) => /node_modules\\/(source-map|@opentelemetry\\/(sdk|exporter))/.test(file) && !/source-map-support\\/register/.test(file))));`;
    const modules = (nodeOptions: string) => JSON.parse(said(program, nodeOptions)) as string[];
    assert.ok(modules("").length > 20, "otherwise there is nothing to spare");
    assert.deepEqual(modules(leanSdk(undefined)), []);
  });

  it("says so to who serialises a function all the same", () => {
    const program = 'require("@pulumi/pulumi").runtime.computeCodePaths().catch(({ message }) => console.log(message))';
    assert.match(said(program, leanSdk(undefined)), /without its serialisation of functions/);
  });

  it("keeps the options that the user gave Node, whatever stands in the path", () => {
    assert.equal(
      leanSdk("--max-old-space-size=4096"),
      `--max-old-space-size=4096 --require=${JSON.stringify(path.join(packageRoot(), "dist/automation/engine/lean-sdk/preload-program.js"))}`,
    );
    assert.ok(leanSdk("").startsWith("--require="));
  });
});

import assert from "node:assert/strict";
import { FIRST_RUN_MS } from "../support/sandbox";
import { Workbench } from "../support/workbench";

type More = Parameters<Workbench["config"]>[1];

/** Everything that the configuration can ask of AWS, in as few fleets as hold it. */
const SHAPES: Record<string, { counts: Record<string, number>; more: More }> = {
  "spot, in networks of its own, with an IPv6 rule, a price limit and tags": {
    counts: { "us-west-2": 1, "eu-west-1": 1 },
    more: {
      top: ["max_price: 1", "ssh: {allow: [198.51.100.0/24, '2001:db8::/64']}"],
      aws: ["tags: {team: blue}"],
    },
  },
  "on demand, on arm64, in the default network, with credits to spend": {
    counts: { "us-west-2": 1 },
    more: {
      top: ["market: on-demand", "network: default"],
      aws: ["cpu_credits: unlimited", "instance_storage_gb: 33"],
      region: ["machine_type: t4g.medium", "image: ubuntu-24.04"],
    },
  },
  "spot, below a price with more decimals than AWS has, of a type without credits": {
    counts: { "us-west-2": 1 },
    more: { top: ["max_price: 0.12345678"], region: ["machine_type: m5.large"] },
  },
};

describe("nothing is to be changed of a fleet that was just made", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  beforeEach(() => (bench = new Workbench()));
  afterEach(() => bench[Symbol.asyncDispose]());

  for (const [shape, { counts, more }] of Object.entries(SHAPES)) {
    it(shape, async () => {
      bench.config(counts, more);
      const up = await bench.spot(["up"]);
      assert.equal(up.code, 9, up.stdout + up.stderr);
      for (const args of [["refresh", "--yes", "--skip-preview"], ["preview"], ["up", "--yes", "--skip-preview"]]) {
        const { code, stdout, stderr } = await bench.pulumi(...args, "--expect-no-changes", "--diff");
        assert.equal(code, 0, `${args[0]}: ${stdout}${stderr}`);
      }
      const again = await bench.spot(["up"]);
      assert.match(again.stdout, /Nothing to change: /, again.stdout + again.stderr);
    });
  }
});

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench } from "../support/fleet-bench";

/** What a node of each image is to show of itself; one region each. */
const IMAGES = [
  { image: "ubuntu-22.04", region: "us-west-2", release: "ubuntu 22.04", python: "3.10" },
  { image: "ubuntu-24.04", region: "us-east-1", release: "ubuntu 24.04", python: "3.12" },
  { image: "debian-12", region: "eu-west-1", release: "debian 12", python: "3.11" },
];

describeHosts("a fleet of every image, each host of its own release", () => {
  let bench: FleetBench;
  before(() => void (bench = new FleetBench("images")));
  after(() => bench[Symbol.asyncDispose]());

  it("comes up verified, is verified again, and goes without a trace", async () => {
    const regions = IMAGES.map(
      ({ image, region }) => `  - ${region}: {machine_type: t3.medium, instances_per_region: 1, image: ${image}}`,
    );
    writeFileSync(
      bench.configFile,
      [
        "packages: [jq]",
        "aws:",
        "  username: ubuntu",
        `  files_directory: ${JSON.stringify(bench.files)}`,
        "regions:",
        ...regions,
        "",
      ].join("\n"),
    );
    const { outcome, document } = await bench.up();
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
    assert.deepEqual([document.verified, document.nodes.length], [true, IMAGES.length]);

    const ids = await bench.ids();
    for (const { image, region, release, python } of IMAGES) {
      const host = bench.host(ids[`${region}-0`]!);
      assert.equal(await host.run('. /etc/os-release; echo "$ID $VERSION_ID"'), `${release}\n`, image);
      assert.match(
        await host.run("/usr/bin/python3 --version"),
        new RegExp(`^Python ${python.replace(".", "\\.")}\\.`),
        image,
      );
      // The release's own cloud-init on the very user data that the node was given.
      assert.match(
        await host.run("cloud-init schema --system 2>&1"),
        /^\s*Valid (cloud-config|schema)\b.*user-?data/im,
        image,
      );
    }

    const { code, report } = await bench.verify();
    assert.equal(
      code,
      0,
      JSON.stringify(report.nodes.flatMap(({ results }) => results.filter(({ status }) => status !== "ok"))),
    );
    await bench.downLeavesNothing();
  });
});

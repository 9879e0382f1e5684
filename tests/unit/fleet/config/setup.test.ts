import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import path from "node:path";
import { latencies } from "../../../../cloud/latency";
import { awsRegions, isAwsRegion } from "../../../../fleet/aws/regions";
import { parseConfig } from "../../../../fleet/config";
import { proposedRegions, setupText } from "../../../../fleet/config/setup";
import { packageRoot } from "../../../../project/package-root";

describe("what setup proposes", () => {
  it("the regions that answered fastest, and says so", () => {
    const measured = new Map([
      ["us-east-1", 91.4],
      ["eu-west-1", 12.2],
      ["eu-west-2", 18.7],
      ["eu-central-1", 30],
    ]);
    assert.deepEqual(proposedRegions(measured, "America/New_York"), {
      regions: ["eu-west-1", "eu-west-2", "eu-central-1"],
      because: "nearest by latency: eu-west-1 12 ms, eu-west-2 19 ms, eu-central-1 30 ms",
    });
  });

  it("by the time zone where fewer answered than are proposed, and says why", () => {
    for (const measured of [
      new Map<string, number>(),
      new Map([
        ["us-east-1", 91],
        ["us-east-2", 99],
      ]),
    ]) {
      const { regions, because } = proposedRegions(measured, "Europe/Dublin");
      assert.deepEqual(regions, ["eu-west-1", "eu-central-1", "eu-north-1"]);
      assert.match(because, /time zone Europe\/Dublin: the latency .* could not be measured/);
    }
  });

  it("a configuration that is valid, of regions that every account has, from every corner of the world", () => {
    for (const zone of [
      "UTC",
      "Europe/Paris",
      "Africa/Lagos",
      "Asia/Kolkata",
      "Asia/Tokyo",
      "Australia/Perth",
      "America/Santiago",
      "America/Denver",
    ]) {
      const { regions } = proposedRegions(new Map(), zone);
      assert.equal(new Set(regions).size, 3);
      for (const region of regions) assert.ok(isAwsRegion(region) && !awsRegions[region].optIn, `${zone}: ${region}`);
      const { problems } = parseConfig(
        setupText({ regions, count: 3, machineType: "t3.medium", privateKey: undefined }),
        "config.yaml",
      );
      assert.equal(problems, undefined);
    }
  });
});

describe("measuring latency", () => {
  let server: Server;
  before((done) => void (server = createServer().listen(0, "127.0.0.1", done)));
  after((done) => void server.close(done));

  it("tells the time of a connection that opens, and leaves out what refuses", async () => {
    const { port } = server.address() as AddressInfo;
    const measured = await latencies(["answers", "refuses"], 5000, (region) => ({
      host: "127.0.0.1",
      port: region === "answers" ? port : 1,
    }));
    assert.deepEqual([...measured.keys()], ["answers"]);
    assert.ok(measured.get("answers")! >= 0 && measured.get("answers")! < 5000);
  });

  it("says nothing of as many regions as there are: no warning of Node's", () => {
    const script = `require(${JSON.stringify(path.join(packageRoot(), "dist/cloud/latency.js"))}).latencies(Array.from({ length: 34 }, (_, i) => String(i)), 5000, () => ({ host: "127.0.0.1", port: 1 }));`;
    const { stderr, status } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
    assert.deepEqual([stderr, status], ["", 0]);
  });

  it("is over at the deadline, whatever does not answer", async () => {
    // It accepts nobody: with its queue full, the kernel answers no further SYN.
    const deaf = spawn(
      "python3",
      [
        "-c",
        "import socket, sys\ns = socket.create_server(('127.0.0.1', 0), backlog=0)\nprint(s.getsockname()[1], flush=True)\nsys.stdin.read()",
      ],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    const callers: Socket[] = [];
    try {
      const [line] = (await once(deaf.stdout, "data")) as [Buffer];
      const port = Number(line.toString());
      for (let i = 0; i < 4; i++) callers.push(connect({ host: "127.0.0.1", port }).on("error", () => undefined));
      await once(callers[0]!, "connect");
      const began = performance.now();
      assert.deepEqual([...(await latencies(["deaf"], 300, () => ({ host: "127.0.0.1", port })))], []);
      const took = performance.now() - began;
      // Without the deadline the kernel would try for minutes, and this test not end.
      assert.ok(took >= 290, `${took} ms`);
    } finally {
      for (const caller of callers) caller.destroy();
      deaf.kill();
    }
  });
});

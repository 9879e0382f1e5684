import assert from "node:assert/strict";
import { EC2Client, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import { clientOf, FIRST_RUN_MS, until } from "../support/sandbox";
import { Workbench } from "../support/workbench";

/** What docs/configuration.md says of images. Another release stands for a newer build: both are another AMI. */
describe("the image of a node", function () {
  this.timeout(FIRST_RUN_MS * 2);
  const bench = new Workbench();
  const [NODE, OTHER] = ["us-west-2-0", "us-west-2-1"];
  after(() => bench[Symbol.asyncDispose]());

  const images = async (): Promise<Record<string, string | undefined>> =>
    Object.fromEntries(
      (await bench.live(["us-west-2"])).instances.map(({ Tags, ImageId }) => [
        Tags?.find(({ Key }) => Key === "spot-deployer:node")?.Value ?? "?",
        ImageId,
      ]),
    );
  const run = async (args: string[], image?: string): Promise<string> => {
    if (image !== undefined) bench.config({ "us-west-2": 2 }, { region: [`image: ${image}`] });
    const { code, stdout, stderr } = await bench.spot(args);
    assert.ok(code === 9 || code === 0, stdout + stderr);
    return stdout;
  };
  let first: string | undefined;

  before(async () => {
    await run(["up"], "ubuntu-24.04");
    const found = await images();
    first = found[NODE];
    assert.ok(first);
    assert.deepEqual(found, { [NODE]: first, [OTHER]: first });
  });

  it("stays while the node stands, whatever name is configured, and when it is replaced", async () => {
    assert.match(await run(["up"], "auto"), /^Nothing to change/m);
    await run(["replace", NODE]);
    assert.deepEqual(await images(), { [NODE]: first, [OTHER]: first });
  });

  it("is the newest of what is configured for a node that was ended and is made again", async () => {
    await run(["down", NODE]);
    await run(["up"]);
    const found = await images();
    assert.ok(found[NODE]);
    assert.notEqual(found[NODE], first);
    assert.equal(found[OTHER], first);
  });

  it("is so, too, for a node that somebody else ended", async () => {
    const ec2 = new EC2Client(clientOf(await bench.sandbox()));
    const { instanceId } = (await bench.nodes()).find(({ name }) => name === OTHER) ?? assert.fail("no node");
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] })).finally(() => ec2.destroy());
    await until("it has ended", async () => (await bench.live(["us-west-2"])).instances.length === 1);
    await run(["up"]);
    const found = await images();
    assert.equal(found[OTHER], found[NODE]);
  });

  it("is replaced by `up` when another AMI id is named, and stays when `auto` is configured again", async () => {
    await run(["up"], first);
    assert.deepEqual(await images(), { [NODE]: first, [OTHER]: first });
    assert.match(await run(["up"], "auto"), /^Nothing to change/m);
  });
});

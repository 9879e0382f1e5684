import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import {
  CreateVolumeCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
  EC2Client,
  RunInstancesCommand,
  type Instance,
} from "@aws-sdk/client-ec2";
import { clientOf, FIRST_RUN_MS, until } from "../support/sandbox";
import { descendants, kill, Workbench } from "../support/workbench";

const REGION = "us-west-2";

describe("an orphan is what the record explains: tags alone make nothing ours (O1, O4)", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  let client: EC2Client;
  beforeEach(async () => {
    bench = new Workbench();
    bench.config({ [REGION]: 1 });
    await bench.begin();
    client = new EC2Client(clientOf(await bench.sandbox(), REGION));
  });
  afterEach(async () => {
    client.destroy();
    await bench[Symbol.asyncDispose]();
  });

  const fleet = async (): Promise<Instance> => {
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    return (await bench.live()).instances[0]!;
  };
  const live = async () => (await bench.live()).instances.map(({ InstanceId }) => InstanceId!).sort();
  const volumes = async () =>
    ((await client.send(new DescribeVolumesCommand({}))).Volumes ?? [])
      .filter(({ Attachments }) => !Attachments?.length)
      .map(({ VolumeId }) => VolumeId!);
  /** "Launch more like this" with a root volume like it, and a volume restored from a backup with its tags. */
  const copies = async ({
    ImageId,
    SubnetId,
    Tags,
    Placement,
  }: Instance): Promise<{ instance: string; volume: string }> => {
    const run = await client.send(
      new RunInstancesCommand({
        ImageId,
        SubnetId,
        InstanceType: "t3.medium",
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [
          { ResourceType: "instance", Tags },
          { ResourceType: "volume", Tags },
        ],
      }),
    );
    const volume = await client.send(
      new CreateVolumeCommand({
        AvailabilityZone: Placement!.AvailabilityZone,
        Size: 8,
        TagSpecifications: [{ ResourceType: "volume", Tags }],
      }),
    );
    return { instance: run.Instances![0]!.InstanceId!, volume: volume.VolumeId! };
  };

  it("`up`, `repair`, `recover`, `cleanup-vpcs` and `down` name copies and leave them alone; the user ends or releases each by its ID", async () => {
    const node = await fleet();
    const { instance, volume } = await copies(node);
    const both = [node.InstanceId!, instance].sort();
    const said = (id: string, text: string) => {
      assert.match(
        text,
        new RegExp(
          `${id} carries this fleet's tags.* is not in its record, and no run tried to make it: it is left alone\\. \`recover --end ${id}\` deletes it, \`recover --release ${id}\` takes the tags off it`,
        ),
      );
    };
    for (const [command, code] of [
      ["up", 9],
      ["repair", 9],
      ["recover", 8],
      ["cleanup-vpcs --dry-run", 0],
    ] as const) {
      const {
        code: exit,
        stdout,
        stderr,
      } = await bench.spot(
        command
          .split(" ")
          .concat("--yes")
          .filter((word) => (command.startsWith("cleanup") ? word !== "--yes" : true)),
      );
      assert.equal(exit, code, `${command}: ${stdout}${stderr}`);
      for (const id of [instance, volume]) said(id, stderr);
      assert.deepEqual([await live(), await volumes()], [both, [volume]], command);
    }

    const down = await bench.spot(["down", "--yes"]);
    assert.equal(down.code, 8, down.stdout + down.stderr);
    for (const id of [instance, volume]) said(id, down.stderr);
    assert.match(down.stderr, new RegExp(`vpc-\\w+ stays with its network: it holds instance ${instance}`));
    assert.match(down.stdout, /Left alone: 3 objects with this fleet's tags/);
    assert.deepEqual([await live(), await volumes()], [[instance], [volume]]);

    const cleanup = await bench.spot(["cleanup-vpcs", "--yes"]);
    assert.equal(cleanup.code, 8, cleanup.stdout + cleanup.stderr);
    assert.match(cleanup.stdout, new RegExp(`instance +${instance}.*\\n`));
    assert.deepEqual([await live(), await volumes()], [[instance], [volume]]);

    // Ends what the user names, and nothing that is not such.
    for (const [args, exit, says] of [
      [["recover", "--end", volume], 1, /E_DECLINED/],
      [
        ["recover", "--end", "vol-0123456789abcdef0", "--yes"],
        2,
        /E_NOT_FOUND: vol-0123456789abcdef0 carries no tags of the fleet/,
      ],
      [["recover", "--end", volume, "--release", instance, "--yes"], 2, /E_USAGE: .*stand alone/],
    ] as const) {
      const { code, stdout, stderr } = await bench.spot([...args]);
      assert.match(stdout + stderr, says);
      assert.notEqual(code, 0, `${args.join(" ")}, expected ${exit}`);
      assert.deepEqual([await live(), await volumes()], [[instance], [volume]]);
    }
  });

  it("ends what the user names, by its ID", async () => {
    const node = await fleet();
    const { instance, volume } = await copies(node);
    const own = await bench.spot(["recover", "--end", node.InstanceId!, "--yes"]);
    assert.match(own.stderr, /E_USAGE: i-\w+: the fleet's own/);
    const ended = await bench.spot(["recover", "--end", volume, "--end", instance, "--yes"]);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    assert.match(ended.stdout, /2 of 2 things deleted/);
    assert.deepEqual([await live(), await volumes()], [[node.InstanceId!], []]);
  });

  it("takes the tags off what the user names: from then on it is nobody's of this fleet", async () => {
    const node = await fleet();
    const { instance, volume } = await copies(node);
    const released = await bench.spot(["recover", "--release", instance, "--release", volume, "--yes"]);
    assert.equal(released.code, 0, released.stdout + released.stderr);
    assert.match(released.stdout, /2 of 2 things released/);
    const { Reservations } = await client.send(new DescribeInstancesCommand({ InstanceIds: [instance] }));
    assert.deepEqual(
      Reservations![0]!.Instances![0]!.Tags!.filter(({ Key }) => /spot-deployer|ManagedBy/.test(Key!)),
      [],
    );
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.doesNotMatch(up.stderr, /WARNING/);
    assert.deepEqual(await volumes(), [volume]);
  });

  it("is found where the settings, which knew the fleet's regions, are lost: `down` and `list` then look in every region", async () => {
    const { Placement, ImageId, Tags } = await fleet();
    const { VolumeId } = await client.send(
      new CreateVolumeCommand({
        AvailabilityZone: Placement!.AvailabilityZone,
        Size: 8,
        TagSpecifications: [{ ResourceType: "volume", Tags }],
      }),
    );
    const { Instances } = await client.send(
      new RunInstancesCommand({
        ImageId,
        InstanceType: "t3.medium",
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [{ ResourceType: "instance", Tags }],
      }),
    );
    const instance = Instances![0]!.InstanceId!;
    rmSync(bench.stackFile);
    // The second one finds a state without a single resource, and settings without regions.
    for (const time of ["first", "second"]) {
      const down = await bench.spot(["down", "--yes"]);
      assert.equal(down.code, 8, `${time}: ${down.stdout}${down.stderr}`);
      for (const id of [VolumeId, instance])
        assert.match(down.stderr, new RegExp(`${id} carries this fleet's tags`), time);
    }
    const list = await bench.spot(["list", "--json"]);
    assert.deepEqual(
      (JSON.parse(list.stdout) as { foreign: { instanceId: string }[] }).foreign.map(({ instanceId }) => instanceId),
      [instance],
    );
    const released = await bench.spot(["recover", "--release", VolumeId!, "--release", instance, "--yes"]);
    assert.equal(released.code, 0, released.stdout + released.stderr);
    const last = await bench.spot(["down", "--yes"]);
    assert.equal(last.code, 0, last.stdout + last.stderr);
    assert.match(last.stdout, /listing every region of the account showed nothing of the fleet/);
  });

  it("hinders no `up`: a stack that holds nothing, and whose settings are lost with its passphrase, is made anew", async () => {
    const made = await bench.spot(["repair", "--yes"]);
    assert.match(made.stdout, /Nothing to /, made.stderr);
    rmSync(bench.stackFile);
    await fleet();
    const again = await bench.spot(["up"]);
    assert.equal(again.code, 9, again.stderr);
    assert.match(again.stdout, /Nothing to change: 1 node/);
  });

  it("does not hinder `down` where nothing is left of a fleet but an emptied state", async () => {
    await fleet();
    rmSync(bench.stackFile);
    // All that AWS had is ended by its tags; the record keeps what AWS knows nothing of.
    for (const [command, says] of [
      ["cleanup-vpcs", /10 of 10 things deleted/],
      ["recover", /Record and cloud agree: 0 nodes/],
      ["down", /Nothing to end: listing us-west-2 showed nothing of the fleet/],
    ] as const) {
      const { code, stdout, stderr } = await bench.spot([command, "--yes"]);
      assert.equal(code, 0, `${command}: ${stdout}${stderr}`);
      assert.match(stdout, says);
    }
  });

  it("a launch that AWS refused explains no copy", async () => {
    await bench.control("POST", "faults", [
      {
        action: "RunInstances",
        times: 1,
        effect: {
          error: {
            code: "UnauthorizedOperation",
            message: "You are not authorized to perform this operation.",
            status: 403,
          },
        },
      },
    ]);
    const refused = await bench.spot(["up"]);
    assert.notEqual(refused.code, 9, refused.stderr);
    const node = await fleet();
    const { instance } = await copies(node);
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.match(up.stderr, new RegExp(`${instance} carries this fleet's tags`));
    assert.deepEqual(await live(), [node.InstanceId!, instance].sort());
  });

  it("where a region could not be looked at first, `cleanup-vpcs` plans nothing there", async () => {
    const node = await fleet();
    const { instance, volume } = await copies(node);
    await bench.control("POST", "faults", [
      {
        action: "DescribeSubnets",
        region: REGION,
        times: 1,
        effect: {
          error: {
            code: "UnauthorizedOperation",
            message: "You are not authorized to perform this operation.",
            status: 403,
          },
        },
      },
    ]);
    const cleanup = await bench.spot(["cleanup-vpcs", "--yes"]);
    assert.equal(cleanup.code, 8, cleanup.stdout + cleanup.stderr);
    assert.match(cleanup.stdout, /Not looked at: us-west-2/);
    assert.deepEqual([await live(), await volumes()], [[node.InstanceId!, instance].sort(), [volume]]);
  });

  it("what a killed plain `pulumi up` made is asked about: it wrote no notes", async () => {
    await fleet();
    const { stdout: exports } = await bench.spot(["env"]);
    const { nodes } = JSON.parse((await bench.spot(["list", "--json"])).stdout) as { nodes: { instanceId: string }[] };
    await bench.control("POST", "faults", [{ action: "RunInstances", when: "after", effect: { delayMs: 5000 } }]);
    const plain = spawn(
      "sh",
      ["-c", `${exports}\nexec pulumi up --yes --skip-preview --non-interactive --replace '**us-west-2-0-spot'`],
      { cwd: bench.root, env: bench.env, stdio: "ignore", detached: true },
    );
    const exited = new Promise((resolve) => plain.on("exit", resolve));
    await until("it made an instance", async () => (await live()).some((id) => id !== nodes[0]!.instanceId), 60_000);
    for (const pid of [...descendants(plain.pid!), plain.pid!]) kill(pid);
    await exited;
    await bench.control("DELETE", "faults");
    const [made] = (await live()).filter((id) => id !== nodes[0]!.instanceId);

    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stdout + up.stderr);
    assert.match(up.stderr, new RegExp(`instance ${made} carries this fleet's tags`));
    assert.ok((await live()).includes(made!), "it was not ended unasked");
    assert.equal((await live()).length, 2, "the node was made anew beside it");
  });
});

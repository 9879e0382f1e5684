import assert from "node:assert/strict";
import type { Node } from "../../../../../sandbox/gateway/protocol/xml";
import { list, scriptedCloud, type Script } from "../../../../support/scripted-cloud";

const LAUNCH = { ImageId: "ami-1", InstanceType: "t3.medium", MinCount: "1", MaxCount: "1" };
const DEVICE = "/dev/sda1";

/** An AWS with one instance, which has one volume of this kind. */
const worldWith = (volume: Record<string, string>): Script => ({
  DescribeImages: { imagesSet: list({ imageId: "ami-1", architecture: "x86_64" }) },
  DescribeInstanceTypes: {
    instanceTypeSet: list({
      processorInfo: { supportedArchitectures: list("x86_64") },
      vCpuInfo: { defaultVCpus: "2" },
      memoryInfo: { sizeInMiB: "4096" },
    }),
  },
  DescribeInstanceTypeOfferings: { instanceTypeOfferingSet: list({ location: "us-west-2a" }) },
  DescribeInstances: (params) => ({
    reservationSet: params.has("InstanceId.1")
      ? list({
          instancesSet: list({
            instanceId: "i-1",
            blockDeviceMapping: list({ deviceName: DEVICE, ebs: { volumeId: "vol-1" } }),
          }),
        })
      : "",
  }),
  DescribeVolumes: { volumeSet: list({ volumeId: "vol-1", ...volume }) },
  RunInstances: { instancesSet: list({ instanceId: "i-1" }) },
});
const GP3 = { volumeType: "gp3", size: "20", iops: "3000", throughput: "125" };

const mapping = (ebs: Record<string, string>): Record<string, string> => ({
  ...LAUNCH,
  "BlockDeviceMapping.1.DeviceName": DEVICE,
  ...Object.fromEntries(Object.entries(ebs).map(([name, value]) => [`BlockDeviceMapping.1.Ebs.${name}`, value])),
});

describe("the speed of volumes", () => {
  /** What a volume is given, and the refusal; undefined: EC2 makes it. */
  const cases: [Record<string, string>, string | undefined][] = [
    [{ VolumeType: "gp3", VolumeSize: "20" }, undefined],
    [{ VolumeType: "gp3", VolumeSize: "20", Iops: "3000" }, undefined],
    [{ VolumeType: "gp3", VolumeSize: "20", Iops: "2999" }, "InvalidParameterValue"],
    [{ VolumeType: "gp3", VolumeSize: "200", Iops: "80000" }, undefined],
    [{ VolumeType: "gp3", VolumeSize: "200", Iops: "80001" }, "InvalidParameterValue"],
    [{ VolumeType: "gp3", VolumeSize: "20", Iops: "10000" }, undefined],
    [{ VolumeType: "gp3", VolumeSize: "20", Iops: "10001" }, "InvalidParameterValue"],
    [{ VolumeType: "gp3", VolumeSize: "2", Iops: "3000" }, undefined],
    [{ VolumeType: "gp3", VolumeSize: "20", Throughput: "125" }, undefined],
    [{ VolumeType: "gp3", VolumeSize: "20", Throughput: "124" }, "InvalidParameterValue"],
    [{ VolumeType: "gp3", VolumeSize: "20", Throughput: "750" }, undefined],
    [{ VolumeType: "gp3", VolumeSize: "20", Throughput: "751" }, "InvalidParameterValue"],
    [{ VolumeType: "gp3", VolumeSize: "20", Iops: "8000", Throughput: "2000" }, undefined],
    [{ VolumeType: "gp3", VolumeSize: "20", Iops: "9000", Throughput: "2001" }, "InvalidParameterValue"],
    [{ VolumeType: "io1", VolumeSize: "20", Iops: "1000" }, undefined],
    [{ VolumeType: "io1", VolumeSize: "20", Iops: "1001" }, "InvalidParameterValue"],
    [{ VolumeType: "io1", VolumeSize: "20" }, "InvalidParameterCombination"],
    [{ VolumeType: "io2", VolumeSize: "20", Iops: "20000" }, undefined],
    [{ VolumeType: "io2", VolumeSize: "20", Iops: "99" }, "InvalidParameterValue"],
    [{ VolumeType: "io2", VolumeSize: "20", Iops: "100", Throughput: "125" }, "InvalidParameterCombination"],
    [{ VolumeType: "gp2", VolumeSize: "20" }, undefined],
    [{ VolumeType: "gp2", VolumeSize: "20", Iops: "3000" }, "InvalidParameterCombination"],
    [{ VolumeType: "gp2", VolumeSize: "20", Throughput: "125" }, "InvalidParameterCombination"],
  ];
  for (const [ebs, refusal] of cases) {
    const words = Object.values(ebs).join(" ");
    it(`${words}: ${refusal ?? "made"}, at launch and alone`, async () => {
      const { VolumeSize, ...rest } = ebs;
      for (const [action, params] of [
        ["RunInstances", mapping(ebs)],
        ["CreateVolume", { ...rest, Size: VolumeSize! }],
      ] as const) {
        const { call, asked } = scriptedCloud(worldWith(GP3));
        const answer = await call(action, params);
        assert.equal(typeof answer === "string" ? answer : undefined, refusal, action);
        assert.equal(asked.includes(action), refusal === undefined, "what is refused never reaches the emulated AWS");
      }
    });
  }

  for (const [what, volume, change, refusal] of [
    ["faster than its size allows", GP3, { Iops: "10001" }, "InvalidParameterValue"],
    ["faster, as it grows", GP3, { Iops: "10001", Size: "21" }, undefined],
    ["more throughput than its operations allow", GP3, { Throughput: "751" }, "InvalidParameterValue"],
    ["another kind, which needs no speed", GP3, { VolumeType: "gp2" }, undefined],
    [
      "speed for a kind that has none",
      { volumeType: "gp2", size: "20", iops: "100" },
      { Iops: "200" },
      "InvalidParameterCombination",
    ],
    ["a provisioned kind by its default speed", { ...GP3, size: "60" }, { VolumeType: "io1" }, undefined],
  ] as [string, Record<string, string>, Record<string, string>, string | undefined][]) {
    it(`change: ${what}: ${refusal ?? "made"}`, async () => {
      const answer = await scriptedCloud(worldWith(volume)).call("ModifyVolume", { VolumeId: "vol-1", ...change });
      assert.equal(typeof answer === "string" ? answer : undefined, refusal);
    });
  }

  it("is given to a launch's volume, which the emulated AWS launches without", async () => {
    const sent: Record<string, string>[] = [];
    const note =
      (answer: Node) =>
      (params: URLSearchParams): Node => {
        sent.push(Object.fromEntries([...params].filter(([name]) => /Ebs|Volume|Iops|Throughput/.test(name))));
        return answer;
      };
    const { call } = scriptedCloud({
      ...worldWith(GP3),
      RunInstances: note({ instancesSet: list({ instanceId: "i-1" }) }),
      ModifyVolume: note({}),
    });
    await call("RunInstances", mapping({ VolumeType: "io2", VolumeSize: "20", Iops: "5000" }));
    await call("RunInstances", mapping({ VolumeType: "gp3", VolumeSize: "20", Iops: "5000", Throughput: "250" }));
    const launched = {
      "BlockDeviceMapping.1.Ebs.VolumeSize": "20",
      "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true",
    };
    assert.deepEqual(sent, [
      launched,
      { VolumeId: "vol-1", VolumeType: "io2", Iops: "5000" },
      { ...launched, "BlockDeviceMapping.1.Ebs.VolumeType": "gp3" },
      { VolumeId: "vol-1", VolumeType: "gp3", Iops: "5000", Throughput: "250" },
    ]);
  });
});

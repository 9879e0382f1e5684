import assert from "node:assert/strict";
import { AwsError, filtersOf, listOf, readCall } from "../../../../../sandbox/gateway/protocol/call";
import { imageId, imageIdByParameter, images } from "../../../../../sandbox/gateway/model/images";
import { errorAnswer, items, parseXml, text } from "../../../../../sandbox/gateway/protocol/xml";

const signed = (service: string): Record<string, string> => ({
  authorization: `AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
});

describe("reading a call", () => {
  it("takes service and region from the signature and the action from the form", () => {
    const call = readCall(
      "/",
      signed("ec2"),
      "Action=DescribeVpcs&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&Filter.1.Value.2=vpc-2&VpcId.1=vpc-3",
    );
    assert.deepEqual(
      [call?.service, call?.region, call?.action, call?.protocol],
      ["ec2", "eu-west-1", "DescribeVpcs", "ec2"],
    );
    assert.deepEqual(filtersOf(call!.params), new Map([["vpc-id", ["vpc-1", "vpc-2"]]]));
    assert.deepEqual(listOf(call!.params, "VpcId"), ["vpc-3"]);
  });

  it("takes the action of the JSON protocol from its header", () => {
    const call = readCall("/", { ...signed("ssm"), "x-amz-target": "AmazonSSM.GetParameter" }, '{"Name":"/a"}');
    assert.deepEqual([call?.action, call?.protocol, call?.json], ["GetParameter", "json", { Name: "/a" }]);
  });

  it("does not take an unsigned request for a call", () => {
    assert.equal(readCall("/", {}, "Action=DescribeVpcs"), undefined);
  });
});

describe("refusing", () => {
  it("speaks EC2's, STS's and the JSON protocol's words", () => {
    const error = new AwsError("Some.Code", "a < b", 403);
    const ec2 = parseXml(errorAnswer("ec2", error).body);
    assert.match(errorAnswer("ec2", error).body, /<Response><Errors><Error><Code>Some.Code<\/Code><Message>a &lt; b</);
    assert.ok(text(ec2, "RequestID"));
    assert.match(errorAnswer("query", error).body, /<ErrorResponse><Error><Type>Sender<\/Type><Code>Some.Code</);
    assert.deepEqual(JSON.parse(errorAnswer("json", error).body), { __type: "Some.Code", message: "a < b" });
    for (const protocol of ["ec2", "query", "json"] as const) assert.equal(errorAnswer(protocol, error).status, 403);
  });
});

describe("reading answers", () => {
  it("gives lists as lists, whether they have none, one or two members", () => {
    const list = (members: string) => items(parseXml(`<R><set>${members}</set></R>`), "set").length;
    assert.deepEqual(
      [list(""), list("<item><a>1</a></item>"), list("<item><a>1</a></item><item><a>2</a></item>")],
      [0, 1, 2],
    );
    assert.equal(items(parseXml("<R/>"), "set").length, 0);
  });
});

describe("machine images", () => {
  it("have ids of AWS's form that differ by region and image", () => {
    const ids = images.flatMap((image) => ["us-east-1", "eu-west-1"].map((region) => imageId(image, region)));
    assert.equal(new Set(ids).size, images.length * 2);
    for (const id of ids) assert.match(id, /^ami-[0-9a-f]{17}$/);
  });

  it("are named by Canonical's parameters, the current one being the newest build", () => {
    for (const [version, volume] of [
      ["22.04", "ebs-gp2"],
      ["24.04", "ebs-gp3"],
    ] as const) {
      for (const [word, architecture] of [
        ["amd64", "x86_64"],
        ["arm64", "arm64"],
      ] as const) {
        const id = imageIdByParameter(
          `/aws/service/canonical/ubuntu/server/${version}/stable/current/${word}/hvm/${volume}/ami-id`,
          "us-west-2",
        );
        const builds = images
          .filter((image) => image.architecture === architecture && image.name.includes(version))
          .sort((a, b) => a.created.localeCompare(b.created));
        assert.equal(builds.length, 2);
        assert.equal(id, imageId(builds[1]!, "us-west-2"));
      }
    }
    assert.equal(
      imageIdByParameter(
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
        "us-west-2",
      ),
      undefined,
    );
  });
});

import assert from "node:assert/strict";
import { readCall, type Call } from "../../../../sandbox/gateway/protocol/call";
import { RateLimits } from "../../../../sandbox/gateway/limits";

function call(form: string, region = "us-west-2"): Call {
  const authorization = `AWS4-HMAC-SHA256 Credential=K/20260101/${region}/ec2/aws4_request, SignedHeaders=host, Signature=0`;
  return readCall("/", { authorization }, form) as Call;
}

function admitted(limits: RateLimits, count: number, what: Call, now: number): number {
  return Array.from({ length: count }, () => limits.admits(what, now)).filter(Boolean).length;
}

function switchedOn(): RateLimits {
  const limits = new RateLimits();
  limits.enable(true);
  return limits;
}

describe("EC2's rate limits", () => {
  it("let everything through until they are switched on", () => {
    assert.equal(admitted(new RateLimits(), 500, call("Action=RunInstances"), 0), 500);
  });

  it("let 5 launches through at once, then 2 per second", () => {
    const limits = switchedOn();
    assert.equal(admitted(limits, 20, call("Action=RunInstances&MaxCount=1"), 0), 5);
    assert.equal(admitted(limits, 20, call("Action=RunInstances&MaxCount=1"), 1_000), 2);
    assert.equal(admitted(limits, 20, call("Action=RunInstances&MaxCount=1"), 60_000), 5);
  });

  it("count instances beside requests: 1,000 at once", () => {
    const limits = switchedOn();
    assert.equal(admitted(limits, 3, call("Action=RunInstances&MaxCount=400"), 0), 2);
  });

  it("do not charge the request when the instances are refused", () => {
    const limits = switchedOn();
    assert.equal(admitted(limits, 10, call("Action=RunInstances&MaxCount=2000"), 0), 0);
    assert.equal(admitted(limits, 10, call("Action=RunInstances&MaxCount=1"), 0), 5);
  });

  it("give unfiltered and unpaginated Describe calls a smaller bucket of their own", () => {
    const limits = switchedOn();
    assert.equal(admitted(limits, 200, call("Action=DescribeInstances&InstanceId.1=i-1"), 0), 50);
    assert.equal(admitted(limits, 200, call("Action=DescribeInstances&Filter.1.Name=vpc-id"), 0), 100);
    assert.equal(admitted(limits, 200, call("Action=DescribeVpcs"), 0), 100);
  });

  it("are separate for each action and each region", () => {
    const limits = switchedOn();
    assert.equal(admitted(limits, 9, call("Action=RunInstances"), 0), 5);
    assert.equal(admitted(limits, 9, call("Action=RunInstances", "eu-west-1"), 0), 5);
    assert.equal(admitted(limits, 60, call("Action=CreateVpc"), 0), 50);
    assert.equal(admitted(limits, 60, call("Action=CreateSubnet"), 0), 50);
  });

  it("start full when they are switched on again", () => {
    const limits = switchedOn();
    admitted(limits, 9, call("Action=RunInstances"), 0);
    limits.enable(true);
    assert.equal(admitted(limits, 9, call("Action=RunInstances"), 0), 5);
  });
});

import assert from "node:assert/strict";
import { adviceOf } from "../../../../fleet/errors";
import { awsFailures, classifyFailure, launchedNothing } from "../../../../fleet/aws/error-codes";

describe("classifyFailure", () => {
  for (const [code, expected] of Object.entries(awsFailures)) {
    it(`knows ${code} wherever it is wrapped`, () => {
      const texts = [
        `${code}: We are sorry.`,
        `operation error EC2: RunInstances, https response error StatusCode: 400, RequestID: 0a1b-2c3d, api error ${code}: We are sorry. Status code: 400`,
        `1 error occurred:\n\t* creating EC2 Instance: operation error EC2: RunInstances, exceeded maximum number of attempts, 3, https response error StatusCode: 503, RequestID: x, api error ${code}: We are sorry.\n\n`,
        `An error occurred (${code}) when calling the RunInstances operation: We are sorry.`,
        `<Response><Errors><Error><Code>${code}</Code><Message>We are sorry.</Message></Error></Errors></Response>`,
        `Server.${code}: We are sorry.`,
      ];
      for (const text of texts) assert.deepEqual(classifyFailure(text), { awsCode: code, ...expected }, text);
    });
  }

  it("takes the innermost code", () => {
    const text =
      "api error UnauthorizedOperation: while creating the role: api error InsufficientInstanceCapacity: no room";
    assert.equal(classifyFailure(text).awsCode, "InsufficientInstanceCapacity");
  });

  it("finds a known code in the midst of a sentence", () => {
    assert.equal(classifyFailure("the fleet got InsufficientInstanceCapacity in us-west-2a").class, "capacity");
    assert.equal(
      classifyFailure("instance ended with Server.InsufficientInstanceCapacity").awsCode,
      "InsufficientInstanceCapacity",
    );
  });

  it("does not take a common word for a code", () => {
    assert.equal(classifyFailure("Unsupported scheme in the proxy's URL").awsCode, undefined);
    assert.equal(classifyFailure("The account was Blocked by nobody").awsCode, undefined);
  });

  it("tells that the record is out of date where a part of our network is not there", () => {
    const lost = ["InvalidVpcID", "InvalidSubnetID", "InvalidRouteTableID", "InvalidInternetGatewayID"];
    for (const name of lost)
      assert.deepEqual(
        [
          classifyFailure(`api error ${name}.NotFound: none`).class,
          classifyFailure(`api error ${name}.NotFound: none`).staleState,
        ],
        ["transient", true],
      );
    assert.equal(classifyFailure("api error InvalidInstanceID.NotFound: none").staleState, undefined);
  });

  const families: [text: string, code: string, expected: string][] = [
    ["api error InvalidSnapshot.NotFound: The snapshot 'snap-1' does not exist", "InvalidSnapshot.NotFound", "config"],
    ["api error InvalidParameterCombination: no", "InvalidParameterCombination", "config"],
    ["api error SecurityGroupLimitExceeded: no", "SecurityGroupLimitExceeded", "quota"],
    ["api error SomethingNew: no", "SomethingNew", "transient"],
  ];
  for (const [text, awsCode, expected] of families) {
    it(`judges ${awsCode} by its family`, () => {
      const failure = classifyFailure(text);
      assert.deepEqual([failure.awsCode, failure.class], [awsCode, expected]);
    });
  }

  const words: [text: string, expected: string][] = [
    ["no valid credential sources for Terraform AWS Provider found.", "auth"],
    ["failed to refresh cached credentials, no EC2 IMDS role found", "auth"],
    ["CredentialsProviderError: Could not load credentials from any providers", "auth"],
    ["dial tcp: lookup ec2.us-west-2.amazonaws.com: no such host", "transient"],
    ["read tcp: i/o timeout", "transient"],
    ["Error: connect ECONNREFUSED 127.0.0.1:5000", "transient"],
    ["Rate exceeded", "throttle"],
  ];
  for (const [text, expected] of words) {
    it(`understands without a code: ${text}`, () => {
      assert.deepEqual([classifyFailure(text).class, classifyFailure(text).awsCode], [expected, undefined]);
    });
  }

  it("takes what it does not know for transient, with advice", () => {
    assert.deepEqual(classifyFailure("something"), { class: "transient", ...adviceOf("E_AWS") });
  });

  it("has a row for each code of the peers' next-pool sets", () => {
    const sets = [
      "InsufficientInstanceCapacity",
      "MaxSpotInstanceCountExceeded",
      "VcpuLimitExceeded",
      "UnfulfillableCapacity",
      "Unsupported",
      "InsufficientFreeAddressesInSubnet",
      "MaxFleetCountExceeded",
      "ReservationCapacityExceeded",
      "SpotMaxPriceTooLow",
      "InsufficientCapacity",
    ];
    for (const code of sets) assert.ok(["capacity", "quota", "price"].includes(awsFailures[code]?.class ?? ""), code);
  });

  for (const [message, nothing] of [
    [
      "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode: 400, RequestID: x, api error InsufficientInstanceCapacity: no",
      true,
    ],
    [
      "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode: 403, RequestID: x, api error UnauthorizedOperation: no",
      true,
    ],
    [
      "creating EC2 Instance: operation error EC2: RunInstances, exceeded maximum number of attempts, 3, https response error StatusCode: 503, RequestID: x, api error RequestLimitExceeded: slow",
      true,
    ],
    [
      "creating EC2 Instance: operation error EC2: RunInstances, exceeded maximum number of attempts, 3, https response error StatusCode: 500, RequestID: x, api error InternalError: oh",
      false,
    ],
    [
      "creating EC2 Instance: operation error EC2: RunInstances, request send failed, dial tcp: connection reset by peer",
      false,
    ],
    [
      "waiting for EC2 Instance (i-1) create: operation error EC2: DescribeInstances, https response error StatusCode: 403, RequestID: x, api error UnauthorizedOperation: no",
      false,
    ],
    [
      "creating EC2 VPC: operation error EC2: CreateVpc, https response error StatusCode: 400, RequestID: x, api error VpcLimitExceeded: no",
      false,
    ],
  ] as const) {
    it(`${nothing ? "surely launched nothing" : "may have made something"}: ${message.slice(0, 110)}`, () =>
      assert.equal(launchedNothing(message), nothing));
  }
});

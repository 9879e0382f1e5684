import assert from "node:assert/strict";
import { failureText } from "../../../../automation/engine/failure-text";

const WORDS =
  "creating EC2 Subnet: operation error EC2: CreateSubnet, https response error StatusCode: 400, RequestID: 1f, api error InvalidSubnet.Conflict: The CIDR '10.42.0.0/20' conflicts with another subnet";
const LOGGED = `  sdk-v2/provider2.go:572: sdk.helper_schema: ${WORDS}: provider=aws@7.48.0`;
const URN = "urn:pulumi:dev::spot-deployer::spot-deployer:infra:RegionNetwork$aws:ec2/subnet:Subnet::us-west-2a";

describe("what a provider says of a failure", () => {
  for (const [what, texts] of [
    ["in its log and as the answer", [LOGGED, `1 error occurred:\n\t* ${WORDS}\n\n`]],
    ["in lists that hold lists", [LOGGED, `deleting ${URN}: 1 error occurred:\n\t* 1 error occurred:\n\t* ${WORDS}`]],
    ["three times", [LOGGED, `1 error occurred:\n\t* ${WORDS}`, `updating ${URN}: 1 error occurred:\n\t* ${WORDS}`]],
    ["in its log alone", [LOGGED]],
    ["in its log without its version", [`sdk.helper_schema: ${WORDS}`]],
    ["in one line", [`1 error occurred: * ${WORDS}`]],
  ] as const)
    it(`is said once: ${what}`, () => assert.equal(failureText(texts), WORDS));

  it("is each of two failures", () => {
    assert.equal(failureText(["2 errors occurred:\n\t* first\n\t* second\n"]), "first\nsecond");
  });

  it("is said once in two lines, where AWS writes two", () => {
    const words = "creating EC2 Instance: no room\nEncoded authorization failure message: abc";
    const texts = [
      `sdk-v2/provider2.go:572: sdk.helper_schema: ${words}: provider=aws@7.48.0`,
      `1 error occurred:\n\t* ${words}`,
    ];
    assert.equal(failureText(texts), words);
  });

  it("is left as it is where no such provider speaks", () => {
    const texts = ["the first line\n  the second, indented\n\nthe fourth", "creating urn:pulumi:x: stays"];
    assert.equal(failureText(texts), texts.join("\n"));
  });

  it("is nothing where nothing is said", () => assert.equal(failureText([]), ""));
});

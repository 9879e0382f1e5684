import assert from "node:assert/strict";
import fc from "fast-check";
import { foreignAddress } from "../../../../../sandbox/gateway/model/addresses";
import { callerAddress, candidateNetworks, hostAddresses, isInNetwork } from "../../../../../sandbox/home/network";

describe("the sandbox's network", () => {
  it("sees this machine as .1 and gives instances .10 up to before the broadcast address", () => {
    const addresses = hostAddresses("198.18.7.0/24");
    assert.equal(callerAddress("198.18.7.0/24"), "198.18.7.1");
    assert.equal(addresses[0], "198.18.7.10");
    assert.equal(addresses.at(-1), "198.18.7.254");
    assert.equal(new Set(addresses).size, 245);
  });

  it("has room for a thousand instances where no host boots", () => {
    assert.ok(hostAddresses(candidateNetworks("/x", "api")[0] as string).length >= 1_000);
  });

  it("lies in 198.18.0.0/15 for every home and mode, and the modes never overlap", () => {
    fc.assert(
      fc.property(fc.string(), (home) => {
        const hosts = candidateNetworks(home, "hosts");
        const api = candidateNetworks(home, "api");
        assert.equal(new Set([...hosts, ...api]).size, 256 + 64);
        for (const network of hosts) assert.ok(isInNetwork(callerAddress(network), "198.18.0.0/16"), network);
        for (const network of api) assert.ok(isInNetwork(callerAddress(network), "198.19.0.0/16"), network);
      }),
      { numRuns: 20 },
    );
  });

  it("is the same for the same home and usually another for another home", () => {
    assert.equal(candidateNetworks("/a", "hosts")[0], candidateNetworks("/a", "hosts")[0]);
    const firsts = new Set(Array.from({ length: 50 }, (_, index) => candidateNetworks(`/home/${index}`, "hosts")[0]));
    assert.ok(firsts.size > 35, `${firsts.size} of 50`);
  });
});

describe("the guard on addresses", () => {
  const network = "198.18.7.0/24";
  const cases: [string, string, string | undefined][] = [
    ["an address of the network", "<ipAddress>198.18.7.10</ipAddress><dnsName>198.18.7.10</dnsName>", undefined],
    ["a private name", "<publicDnsName>ip-198-18-7-10.ec2.internal</publicDnsName>", undefined],
    ["a private address", "<privateIpAddress>10.0.0.4</privateIpAddress>", undefined],
    ["a stranger's address", "<publicIp>54.214.3.4</publicIp>", "54.214.3.4"],
    ["a neighbour sandbox's address", "<ipAddress>198.18.8.10</ipAddress>", "198.18.8.10"],
    [
      "a public name",
      "<dnsName>ec2-54-214-3-4.us-west-2.compute.amazonaws.com</dnsName>",
      "ec2-54-214-3-4.us-west-2.compute.amazonaws.com",
    ],
  ];
  for (const [what, body, expected] of cases) {
    it(`${expected === undefined ? "passes" : "stops"} ${what}`, () =>
      assert.equal(foreignAddress(body, network), expected));
  }
});

import assert from "node:assert/strict";
import { imageId, images } from "../../../../sandbox/gateway/model/images";
import type { HostSpec } from "../../../../sandbox/hosts/driver";
import { recipes } from "../../../../sandbox/hosts/recipe";
import { rootsOf } from "../../../../sandbox/daemon/roots";

const REGION = "eu-west-1";
const hostOf = (amiId: string): HostSpec => ({
  instanceId: "i-0",
  region: REGION,
  availabilityZone: "eu-west-1a",
  amiId,
  instanceType: "t3.micro",
  market: "spot",
  publicAddress: "198.18.0.10",
  privateAddress: "10.0.0.10",
  userData: Buffer.alloc(0),
  publicKeys: [],
  httpTokens: "required",
  tags: {},
});

describe("the releases that hosts boot", () => {
  it("are one and the same unless asked otherwise, from the machine's own package sources", () => {
    assert.deepEqual(rootsOf.hosts.releases, ["debian-12"]);
    assert.equal(recipes["debian-12"].sources, undefined);
    for (const image of images) assert.equal(rootsOf.hosts.of(hostOf(imageId(image, REGION))), "debian-12");
  });

  it("are those of their images in mode images", () => {
    assert.deepEqual(rootsOf.images.releases, ["debian-12", "ubuntu-22.04", "ubuntu-24.04"]);
    for (const [words, release] of [
      ["ubuntu-jammy-22.04-amd64", "ubuntu-22.04"],
      ["ubuntu-noble-24.04-amd64", "ubuntu-24.04"],
      ["debian-12-amd64", "debian-12"],
    ] as const) {
      const found = images.filter(({ name }) => name.includes(words));
      assert.ok(found.length > 0, words);
      for (const image of found) assert.equal(rootsOf.images.of(hostOf(imageId(image, REGION))), release);
    }
    assert.equal(rootsOf.images.of(hostOf("ami-0123456789abcdef0")), "debian-12", "one that nobody publishes");
  });

  it("are installed from archives whose signatures are checked", () => {
    for (const release of ["ubuntu-22.04", "ubuntu-24.04"] as const) {
      assert.match(recipes[release].sources ?? "", /^Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n \.\n/m);
      assert.doesNotMatch(recipes[release].sources?.trimEnd() ?? "", /^\s*$/m, "an empty line would end the entry");
    }
  });
});

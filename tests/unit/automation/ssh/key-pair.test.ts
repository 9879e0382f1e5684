import assert from "node:assert/strict";
import { utils } from "ssh2";
import { newPair } from "../../../../automation/ssh/key-pair";

describe("the fleet's own key pair", () => {
  it("is never one that the library made broken", () => {
    const good = newPair();
    // As the library really made it: a key of 31 bytes, its leading zero lost.
    const broken = {
      ...good,
      public: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAHuV1eKzpMJgWz4oAHLAzvxOeZhZI0CKoex3WY+VfzQ== spot-deployer",
    };
    assert.ok(utils.parseKey(broken.public) instanceof Error);
    const made = [broken, good];
    assert.equal(
      newPair(() => made.shift()!),
      good,
    );
    assert.deepEqual(made, []);
  });
});

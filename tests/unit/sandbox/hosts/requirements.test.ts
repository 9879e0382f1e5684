import assert from "node:assert/strict";
import { hostRequirements, type Machine } from "../../../../sandbox/hosts/requirements";
import { linkRecord, networkRecord } from "../../../../sandbox/hosts/network";

const machine = (changes: Partial<Machine> = {}): Machine => ({
  platform: "linux",
  root: true,
  cgroups: () => true,
  hasCommand: () => true,
  hasFile: () => true,
  ...changes,
});

function reasonOf(changes: Partial<Machine>): string {
  const result = hostRequirements(machine(changes));
  assert.ok(!result.possible);
  return result.reason;
}

describe("host requirements", () => {
  it("are met by a machine that has everything", () => {
    assert.deepEqual(hostRequirements(machine()), { possible: true, missingPackages: [] });
  });

  it("name each missing package once", () => {
    const lacking = new Set(["systemd-nspawn", "unshare", "setpriv"]);
    const result = hostRequirements(machine({ hasCommand: (name) => !lacking.has(name), hasFile: () => false }));
    assert.deepEqual(result, {
      possible: true,
      missingPackages: ["systemd-container", "util-linux", "debian-archive-keyring"],
    });
  });

  const impossible: [string, Partial<Machine>, RegExp][] = [
    ["not Linux", { platform: "darwin" }, /Linux only/],
    ["not root", { root: false }, /needs root/],
    ["no control groups", { cgroups: () => false }, /control groups/],
    ["no apt-get", { hasCommand: (name) => name !== "nft" && name !== "apt-get" }, /\(nft\).*no apt-get/],
  ];
  for (const [name, changes, reason] of impossible) {
    it(`cannot be met: ${name}; the way without hosts is named`, () => {
      assert.match(reasonOf(changes), reason);
      assert.match(reasonOf(changes), /--sandbox=api/);
    });
  }
});

describe("names of a sandbox's network", () => {
  it("fit the kernel's 15 characters and differ between sandboxes and hosts", () => {
    const id = "i-0123456789abcdef0";
    const long = "a-very-long-sandbox-id-of-somebody";
    const links = [
      networkRecord(long).bridge,
      linkRecord(long, id).link,
      networkRecord("b").bridge,
      linkRecord("b", id).link,
      linkRecord("b", "i-1").link,
    ];
    for (const link of links) assert.ok(link.length <= 15, link);
    assert.equal(new Set(links).size, links.length);
    assert.notEqual(networkRecord("b").table, networkRecord(long).table);
    assert.notEqual(linkRecord("b", id).namespace, linkRecord(long, id).namespace);
  });
});

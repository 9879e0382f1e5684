import assert from "node:assert/strict";
import path from "node:path";
import { packageRoot } from "../../../project/package-root";

const directions = async (): Promise<{ mutual: (imports: [string, string][]) => string[] }> =>
  (
    (await import(path.join(packageRoot(), "tools/directions.js"))) as {
      default: { mutual: (imports: [string, string][]) => string[] };
    }
  ).default;

describe("folders that import each other are found", () => {
  for (const [name, imports, found] of [
    [
      "beside each other",
      [
        ["a/x.ts", "b/x.ts"],
        ["b/y.ts", "a/y.ts"],
      ],
      "a and b",
    ],
    [
      "one in the other",
      [
        ["a/x.ts", "a/in/x.ts"],
        ["a/in/y.ts", "a/y.ts"],
      ],
      "a and a/in",
    ],
    [
      "at different depths",
      [
        ["a/p/x.ts", "a/q/x.ts"],
        ["a/q/y.ts", "a/p/deep/y.ts"],
      ],
      "a/p and a/q",
    ],
    [
      "by way of folders in them",
      [
        ["a/p/x.ts", "b/q/x.ts"],
        ["b/r/y.ts", "a/s/y.ts"],
      ],
      "a and b",
    ],
  ] as [string, [string, string][], string][]) {
    it(name, async () => {
      const faults = (await directions()).mutual(imports);
      assert.equal(faults.length, 1, faults.join("\n"));
      assert.ok(faults[0]?.startsWith(`${found} import each other: `), faults[0]);
    });
  }

  it("and others are not: one way, within one folder, a folder and what lies in it", async () => {
    const { mutual } = await directions();
    assert.deepEqual(
      mutual([
        ["a/x.ts", "b/x.ts"],
        ["a/y.ts", "b/in/y.ts"],
        ["a/x.ts", "a/y.ts"],
        ["a/y.ts", "a/x.ts"],
      ]),
      [],
    );
    assert.deepEqual(
      mutual([
        ["a/x.ts", "a/in/x.ts"],
        ["a/in/x.ts", "a/in/deep/x.ts"],
        ["a/z.ts", "a/in/deep/x.ts"],
      ]),
      [],
    );
  });
});

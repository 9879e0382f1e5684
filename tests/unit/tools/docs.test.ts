import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { generatedDocs } from "../../../tools/docs/generated";
import { packageRoot } from "../../../project/package-root";

describe("generated documents (L46)", () => {
  for (const [file, text] of Object.entries(generatedDocs)) {
    it(`${file} is what the code says (else run \`npm run docs\`)`, () => {
      assert.equal(readFileSync(path.join(packageRoot(), file), "utf8"), text());
    });
  }
});

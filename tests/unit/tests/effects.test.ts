import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { COMMANDS } from "../../../cli/table";
import { configKeys } from "../../../fleet/config";
import { packageRoot } from "../../../project/package-root";
import { keySights, optionSights, type Sight } from "../../support/effects";
import { probes } from "../../support/option-probes";

/** A test (or scenario, or row of a table) ends where the next one begins. */
const NEXT = /^\s*(?:x?it\(|describe\(|\{\s*(?:name|kind): |async function )/m;

/** What stands in the test that a sight names. */
function seen([file, words]: Sight): string {
  const text = readFileSync(path.join(packageRoot(), file), "utf8");
  const start = text.indexOf(words);
  assert.ok(start >= 0, `${file} has no test ${words}`);
  const begin = start + words.length;
  const length = text.slice(begin).search(NEXT);
  return text.slice(start, length < 0 ? undefined : begin + length);
}

const names = (name: string) => new RegExp(`(?<![\\w-])${name}(?![\\w-])`);

describe("what a user can set has an effect that a test sees (L43)", () => {
  for (const { name, options } of COMMANDS) {
    it(`each option of ${name}`, () => {
      for (const option of options) {
        if (probes[option]) continue;
        const sight = optionSights[option]?.[name];
        assert.ok(
          sight,
          `--${option} of ${name}: no test shows what it does; add one, and its row in tests/support/effects.ts`,
        );
        assert.match(
          seen(sight),
          names(option === "follow" ? "-f" : `--${option}`),
          `${sight.join(": ")} does not use --${option}`,
        );
      }
    });
  }

  it("no option that there is not", () => {
    for (const [option, commands] of Object.entries(optionSights)) {
      for (const name of Object.keys(commands))
        assert.ok(
          COMMANDS.some((command) => command.name === name && (command.options as string[]).includes(option)),
          `${name} --${option}`,
        );
    }
  });

  for (const [section, keys] of Object.entries(configKeys)) {
    it(`each key of ${section === "" ? "the top level" : section}`, () => {
      const sights = keySights[section as keyof typeof keySights];
      for (const key of keys) {
        const sight = sights[key];
        assert.ok(
          sight,
          `${key}: no test shows what it does; add one, and its row under ${JSON.stringify(section)} in tests/support/effects.ts`,
        );
        assert.match(seen(sight), names(key), `${sight.join(": ")} does not set ${key}`);
      }
      assert.deepEqual(
        Object.keys(sights).filter((key) => !keys.includes(key)),
        [],
        "rows of tests/support/effects.ts for keys that there are not",
      );
    });
  }
});

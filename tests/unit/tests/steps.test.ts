import assert from "node:assert/strict";
import { checks } from "../../../fleet/checks";
import { kindOf, stepsOfErrors, stepTrials, untriedChecks, untriedErrors } from "../../steps/trials";

describe("the trials of steps", () => {
  it("take the step of every check, or say why not", () => {
    const tried = new Set(stepTrials.map(({ check }) => check));
    assert.deepEqual(
      checks.map(({ id }) => id).filter((id) => !tried.has(id) && untriedChecks[id] === undefined),
      [],
    );
    assert.deepEqual(
      Object.keys(untriedChecks).filter((id) => tried.has(id) || checks.every((check) => check.id !== id)),
      [],
    );
  });

  it("take each distinct step of an error, or it is said where it is taken or why it cannot be", () => {
    const tried = new Set(
      checks.filter(({ id }) => stepTrials.some(({ check }) => check === id)).map(({ step }) => kindOf(step)),
    );
    const steps = stepsOfErrors();
    const isSaid = (codes: readonly string[]): boolean => codes.some((code) => Object.hasOwn(untriedErrors, code));
    assert.deepEqual(
      [...steps].filter(([kind, codes]) => !tried.has(kind) && !isSaid(codes)),
      [],
    );
    assert.deepEqual(
      [...steps].filter(([kind, codes]) => tried.has(kind) && isSaid(codes)),
      [],
    );
    for (const text of [...Object.values(untriedChecks), ...Object.values(untriedErrors)])
      assert.match(text, /^[a-z`].+[^.]$/);
  });

  it("do by hand what the step says, each under a name of its own", () => {
    const names = stepTrials.map(({ check, name }) => `${check} ${name}`);
    assert.equal(new Set(names).size, names.length);
  });
});

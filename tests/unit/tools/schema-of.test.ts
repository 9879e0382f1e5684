import assert from "node:assert/strict";
import { z } from "zod";
import { schemaOf } from "../../../tools/docs/schema-of";

interface Tree {
  name: string;
  state: "on" | "off";
  label?: string;
  below?: Tree[];
}

const name = z.string();
const state = z.enum(["on", "off"]);
const label = name.optional();
const tree = z.object({
  name,
  state,
  label,
  get below() {
    return z.array(tree).optional();
  },
});

describe("the schema of a type", () => {
  it("is given back as it is", () => assert.equal(schemaOf<Tree>()(tree), tree));

  it("compiles for no other type", () => {
    interface Flat {
      name: string;
      state: "on" | "off";
      label?: string;
    }
    const of = schemaOf<Flat>();
    of(z.object({ name, state, label }));
    // @ts-expect-error an optional field is missing
    of(z.object({ name, state }));
    // @ts-expect-error there is an optional field more
    of(z.object({ name, state, label, more: label }));
    // @ts-expect-error a field is not optional
    of(z.object({ name, state, label: name }));
    // @ts-expect-error a field is optional
    of(z.object({ name: label, state, label }));
    // @ts-expect-error a value is missing
    of(z.object({ name, state: z.enum(["on"]), label }));
    // @ts-expect-error there is a value more
    of(z.object({ name, state: z.enum(["on", "off", "broken"]), label }));
    // @ts-expect-error it differs further down
    schemaOf<{ all: (Flat & { more?: string })[] }>()(z.object({ all: z.array(z.object({ name, state, label })) }));
    // @ts-expect-error it differs in one of several forms
    schemaOf<{ one: Flat | Tree }>()(z.object({ one: z.union([z.object({ name, state, label }), z.null()]) }));
    // @ts-expect-error it differs in a form that holds itself
    schemaOf<Tree & { below?: (Tree & { more?: string })[] }>()(tree);
  });
});

import { isMap, isPair, isScalar, isSeq, parseDocument, type Node } from "yaml";
import { z } from "zod";
import { awsRegionNames } from "../../fleet/aws/regions";
import { legacyAwsKeys } from "../../fleet/config/legacy";
import { configSchema } from "../../fleet/config/schema";

type JsonSchema = Record<string, unknown> & {
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  additionalProperties?: JsonSchema | boolean;
};

/**
 * config.schema.json for editors: the program's own schema, with the words of config.example.yaml as descriptions.
 * @param example the text of config.example.yaml
 */
export function configJsonSchema(example: string): string {
  const schema = z.toJSONSchema(configSchema, {
    io: "input",
    unrepresentable: "any",
    override({ zodSchema, jsonSchema }) {
      const { def } = zodSchema._zod;
      // An entry whose lines are all commented out is null in YAML, and read as an empty one.
      if (def.type === "pipe" && def.in._zod.def.type === "transform" && !("anyOf" in jsonSchema)) {
        const given = { ...jsonSchema };
        for (const key of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, key);
        jsonSchema.anyOf = [given, { type: "null" }];
      }
    },
  }) as unknown as JsonSchema;
  const { regions, aws } = propertiesOf(schema);
  const region = regions?.items;
  if (region === undefined || aws === undefined) throw new Error("the configuration has no regions or no aws");
  region.propertyNames = { enum: awsRegionNames };
  Object.assign(region, { minProperties: 1, maxProperties: 1 });
  for (const [key, advice] of Object.entries(legacyAwsKeys))
    propertiesOf(objectOf(aws))[key] = { deprecated: true, description: `No effect: ${advice}` };
  describe(schema, parseDocument(example).contents);
  return `${JSON.stringify({ ...schema, title: "config.yaml of spot-deployer" }, null, 2)}\n`;
}

function propertiesOf({ properties }: JsonSchema): Record<string, JsonSchema> {
  if (properties === undefined) throw new Error("an object of the configuration has no properties");
  return properties;
}

/** The schema of the object itself, past "or null". */
function objectOf(schema: JsonSchema): JsonSchema {
  return (
    schema.anyOf?.find(
      ({ properties, additionalProperties, items }) => properties ?? items ?? typeof additionalProperties === "object",
    ) ?? schema
  );
}

/** Goes through the example beside the schema and takes each key's comment as its description. */
function describe(schema: JsonSchema, node: Node | null | undefined): void {
  const { properties, additionalProperties, items } = objectOf(schema);
  if (isSeq(node)) for (const item of node.items) if (items) describe(items, item as Node);
  if (!isMap(node)) return;
  for (const [i, pair] of node.items.entries()) {
    if (!isPair(pair) || !isScalar(pair.key)) continue;
    const below =
      properties?.[String(pair.key.value)] ??
      (typeof additionalProperties === "object" ? additionalProperties : undefined);
    if (!below) continue;
    // The comment above a map's first key is the map's own in the parser's eyes.
    const comment = pair.key.commentBefore ?? (i === 0 ? node.commentBefore : undefined);
    const words = comment
      ?.split(/\n\s*\n/)
      .at(-1)
      ?.split("\n")
      .map((line) => line.trim())
      .join(" ")
      .trim();
    if (words && properties) below.description ??= words;
    describe(below, pair.value as Node | null);
  }
}

import type {
  CheckFailure,
  CreateResult,
  DiffResult,
  Provider,
  ReadResult,
  UpdateResult,
} from "@pulumi/pulumi/provider";
import { Region, unlessGone, type Endpoint } from "./common/aws";
import type { CommonInputs, ResourceType } from "./common/resource";
import { resourceTypes } from "./resources";
import { at, fulfils, isEmpty, isObject, keepSecrets, plain, UNKNOWN, type Properties } from "./common/values";
import type { Work } from "./work";

/** How long a deletion waits for what depends on the object, e.g. the interfaces of instances that just ended. */
const DEPENDENTS_SECONDS = 60;

type AnyType = ResourceType<CommonInputs>;

/**
 * The stand-in for `pulumi-resource-aws`: the part of every resource's life that is the same for all types.
 * What differs is data, in resources/.
 */
export class SandboxProvider implements Provider {
  /** That of the @pulumi/aws SDK whose types it serves. */
  readonly version = "7.48.0";
  private readonly regions = new Map<string, Region>();

  constructor(
    private readonly endpoint: Endpoint,
    private readonly work: Work,
  ) {}

  check(urn: string, olds: Properties, news: Properties): Promise<{ inputs: Properties; failures: CheckFailure[] }> {
    const type = typeOf(urn);
    const defaults = type.defaults?.(nameOf(urn)) ?? {};
    const kept = Object.keys(defaults)
      .filter((key) => key in olds)
      .map((key): [string, unknown] => [key, olds[key]]);
    const inputs = { ...defaults, ...Object.fromEntries(kept), ...news };
    return Promise.resolve({ inputs, failures: failuresOf(type, plain(inputs) as Properties) });
  }

  diff(_id: string, urn: string, olds: Properties, news: Properties): Promise<DiffResult> {
    const type = typeOf(urn);
    const [before, after] = [plain(olds) as Properties, plain(news) as Properties & CommonInputs];
    const changed = changedInputs(type, before, after);
    const replaces = changed.filter((path) => type.inputs[path]?.replaces(after, before));
    return Promise.resolve({ changes: changed.length > 0, replaces });
  }

  async create(urn: string, inputs: Properties): Promise<CreateResult> {
    const type = typeOf(urn);
    const wanted = plain(inputs) as Properties & CommonInputs;
    const region = this.region(wanted);
    return this.work.track(async () => {
      const id = await type.create(region, wanted);
      try {
        await type.settle?.(region, id, wanted);
        return { id, outs: await this.outputs(type, region, id, inputs) };
      } catch (error) {
        // With an id the engine records the object as made but unfinished: as it was wanted, since nobody has looked.
        throw type.isAllOrNothing ? error : unfinished(error, id, inputs);
      }
    });
  }

  async read(id: string, urn: string, props: Properties = {}): Promise<ReadResult> {
    const type = typeOf(urn);
    const known = plain(props) as Properties;
    const live = await unlessGone(type.read(this.region(known), id, known));
    return live === undefined ? {} : { id, props: merged(props, live) };
  }

  async update(id: string, urn: string, olds: Properties, news: Properties): Promise<UpdateResult> {
    const type = typeOf(urn);
    const [before, after] = [plain(olds) as Properties, plain(news) as Properties & CommonInputs];
    const region = this.region(after);
    return this.work.track(async () => {
      const changes = changedInputs(type, before, after).map((path) => {
        const apply = type.inputs[path]?.apply;
        if (apply === undefined)
          throw new Error(`the sandbox's provider cannot change ${path} of ${type.token} in place`);
        return apply;
      });
      try {
        // Inputs that are changed together are changed by one call: AWS refuses a second change of a volume for hours.
        for (const apply of new Set(changes)) await apply(region, id, after, before);
        return { outs: await this.outputs(type, region, id, news) };
      } catch (error) {
        throw type.isAllOrNothing ? error : unfinished(error, id, { ...olds, ...news });
      }
    });
  }

  async delete(id: string, urn: string, props: Properties): Promise<void> {
    const type = typeOf(urn);
    const known = plain(props) as Properties;
    const region = this.region(known);
    await this.work.track(() =>
      region.onceIndependent(DEPENDENTS_SECONDS, async () => {
        await unlessGone(type.delete(region, id, known));
      }),
    );
  }

  private async outputs(type: AnyType, region: Region, id: string, inputs: Properties): Promise<Properties> {
    const live = await unlessGone(type.read(region, id, plain(inputs) as Properties));
    if (live === undefined) throw new Error(`reading ${type.token} (${id}): couldn't find resource`);
    return merged(inputs, live);
  }

  private region({ region }: { region?: unknown }): Region {
    if (typeof region !== "string") throw new Error("the resource has no region");
    const known = this.regions.get(region) ?? new Region(region, this.endpoint, this.work.halted);
    this.regions.set(region, known);
    return known;
  }
}

function typeOf(urn: string): AnyType {
  const token = urn.split("::")[2]?.split("$").pop() ?? "";
  const type = resourceTypes.get(token);
  if (type === undefined)
    throw new Error(`the sandbox's provider does not serve ${token}; it knows ${[...resourceTypes.keys()].join(", ")}`);
  return type;
}

function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

/** An input that this stand-in would silently ignore is refused: the sandbox must not differ from AWS unnoticed. */
function failuresOf(type: AnyType, inputs: Properties): CheckFailure[] {
  const unknown = inputPaths(type, inputs).filter((path) => !(path in type.inputs));
  return [
    ...(isEmpty(inputs["region"])
      ? [
          {
            property: "region",
            reason: "set `region` on every resource: a provider of this kind cannot see the provider's own",
          },
        ]
      : []),
    ...(type.required ?? []).flatMap((property) =>
      isEmpty(inputs[property]) ? [{ property, reason: missingArgument(property) }] : [],
    ),
    ...(type.conflicts ?? []).flatMap(([property, other]) =>
      isEmpty(at(inputs, property)) || isEmpty(at(inputs, other))
        ? []
        : [{ property, reason: conflicting(property, other) }],
    ),
    ...(type.exactlyOneOf ?? []).flatMap((choice) => {
      const [first = "", ...more] = choice.filter((property) => !isEmpty(inputs[property]));
      return first !== "" && more.length === 0
        ? []
        : [{ property: first || (choice[0] ?? ""), reason: notExactlyOne(choice, more.length) }];
    }),
    ...unknown.map((property) => ({
      property,
      reason: `the sandbox's provider does not know this input of ${type.token}`,
    })),
  ];
}

/** The official provider names arguments as its Terraform schema does. */
const argumentOf = (property: string): string =>
  property.replace(".", ".0.").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function missingArgument(property: string): string {
  return `Missing required argument. The argument "${argumentOf(property)}" is required, but no definition was found.`;
}

function conflicting(property: string, other: string): string {
  return `Conflicting configuration arguments. "${argumentOf(property)}": conflicts with ${argumentOf(other)}.`;
}

/** @param surplus how many were given beside the first */
function notExactlyOne(choice: readonly string[], surplus: number): string {
  const all = `\`${choice.map(argumentOf).join(",")}\``;
  return surplus > 0
    ? `Invalid combination of arguments. "${argumentOf(choice[0] ?? "")}": only one of ${all} can be specified.`
    : `Invalid combination of arguments. "${argumentOf(choice[0] ?? "")}": one of ${all} must be specified.`;
}

/** The paths of the inputs given, as the type's table names them: an object counts as one unless the table looks inside. */
function inputPaths(type: AnyType, inputs: Properties): string[] {
  return Object.entries(inputs).flatMap(([key, value]) => {
    const inside = Object.keys(type.inputs).filter((path) => path.startsWith(`${key}.`));
    if (inside.length === 0) return [key];
    // All of an object that is not known yet may change.
    return isObject(value) ? Object.keys(value).map((name) => `${key}.${name}`) : inside;
  });
}

function changedInputs(type: AnyType, olds: Properties, news: Properties): string[] {
  return Object.entries(type.inputs)
    .filter(([path, input]) => {
      const [before, after] = [at(olds, path), wantedAt(news, path)];
      if (after === undefined) return input.clearable && !isEmpty(before);
      // Of a map that AWS adds nothing to, such as tags, a key that is left out goes.
      const isSame = (input.isSame ?? fulfils)(before, after) && (!input.clearable || fulfils(after, before));
      return !isSame && !(isEmpty(before) && isEmpty(after));
    })
    .map(([path]) => path);
}

/** As `at`, but what lies inside an unknown is unknown. */
function wantedAt(news: Properties, path: string): unknown {
  const [first = ""] = path.split(".");
  return news[first] === UNKNOWN ? UNKNOWN : at(news, path);
}

/** The state of an object: the inputs as they were given, and over them what AWS shows. */
function merged(inputs: Properties, live: Properties): Properties {
  return { ...inputs, ...keepSecrets(inputs, plain(live) as Properties) };
}

/** An error after which the engine records the object with these properties. */
function unfinished(error: unknown, id: string, properties: Properties): Error {
  const failure = asError(error);
  return Object.assign(failure, { id, properties, reasons: [failure.message] });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

import { readFileSync } from "node:fs";
import path from "node:path";
import type { FleetConfig, Locate } from "../fleet/config";
import { generationOf, type Decider } from "../fleet/identity/generation";
import type { NodePin, Slot } from "../fleet/model";
import { manifestOf, type Payload, type PayloadEntry } from "../fleet/node/payload";
import { launchSettingsOf, type LaunchSpec } from "../fleet/plan/launch-spec";
import { ingredientsOf, type Ingredients } from "../fleet/plan/ingredients";
import { slotsOf } from "../fleet/plan/slots";
import { shortName } from "../fleet/identity/ownership";
import type { Owner } from "../fleet/identity/tags";
import {
  assertUserDataSize,
  readUserDataTemplate,
  renderUserData,
  type UserDataTemplate,
  type UserDataValues,
} from "../fleet/node/user-data";
import { PROGRAM_FILE, TOKEN_FILE, WORKLOADS_FILE } from "../fleet/node/workloads";
import { packageRoot } from "./package-root";
import { readPayload } from "./payload";

/**
 * The fleet as config.yaml, instance/ and files/ define it: what the Pulumi program declares and what the driver
 * compares the state with. Both use this one definition, so they cannot disagree on a node's generation.
 */
export interface FleetDefinition {
  config: FleetConfig;
  configFile: string;
  payload: Payload;
  slots: Slot[];
  owner: Owner;
  /** How the node of a slot is launched. `publicKey`: who may log in. */
  launchSpec(slot: Slot, pin: NodePin, publicKey: string): LaunchSpec;
  /** What the user decides of the nodes. `publicKey`: who may log in. */
  ingredients(publicKey: string): Ingredients;
  /** What of the material is in no payload: all of it together is enough to make the same definition again. */
  material: Omit<Material, "payload">;
  /** Absolute path of the folder that it was kept in (project/kept-project.ts); absent for one that was read from its sources. */
  kept?: string;
  /** The user data of a slot's instance of any generation; `token` is the node's secret. */
  userDataOf(slot: Slot, generation: string, publicKey: string, token: string): string;
}

/** What a fleet is made of, beside its configuration. */
export interface Material {
  payload: Payload;
  /** Digest of this program's share of the payload that it ships. */
  programDigest: string;
  template: UserDataTemplate;
}

export interface DefinitionInput {
  config: FleetConfig;
  /** Absolute path of the file that the configuration came from. */
  configFile: string;
  /** Organisation and project may stand before it: the fleet is the same under both names. */
  stack: string;
  lineage: string;
  /** Gives faults their place in the configuration. */
  locate?: Locate;
}

/** What stands for a node's own values where they must not count: of their length, so that the size is the real one. */
const ANY_GENERATION = generationOf(
  { payloadDigest: "", userData: "", ami: "", launch: {} },
  { program: "", files: "", settings: "" },
);
const ANY_TOKEN = "0".repeat(64);

/**
 * Reads the payload and the user-data template from disk and puts the definition together.
 * @throws SpotError E_PAYLOAD for a file that cannot be uploaded; `userDataOf` and `launchSpec` throw
 *   E_USER_DATA_TOO_LARGE
 */
export function loadDefinition(input: DefinitionInput): FleetDefinition {
  return definitionOf(input, materialOf(input));
}

function materialOf(input: DefinitionInput): Material {
  const { config } = input;
  const root = packageRoot();
  const places = { packageRoot: root, projectDir: path.dirname(input.configFile) };
  const payload = readPayload(config, places, input.locate);
  // Whoever brings scripts of their own changes nothing about this program's.
  const shippedScripts = { ...config, scriptsDirectory: undefined };
  const shipped = config.scriptsDirectory === undefined ? payload : readPayload(shippedScripts, places, input.locate);
  const template = readUserDataTemplate(readFileSync(path.join(root, "instance/cloud-init/user-data.yaml"), "utf8"));
  return { payload, programDigest: digestOf(entriesOf(shipped, shippedScripts, "program")), template };
}

/** Puts a definition together. */
export function definitionOf(input: DefinitionInput, { payload, ...material }: Material): FleetDefinition {
  const { config } = input;
  const { programDigest, template } = material;
  const owner: Owner = { lineage: input.lineage, stack: input.stack, extra: config.tags };

  const valuesOf = (slot: Slot, generation: string, publicKey: string, token: string): UserDataValues => ({
    username: config.username,
    sshPublicKeys: [publicKey],
    packages: config.packages,
    node: { stack: shortName(input.stack), lineage: input.lineage, node: slot.name, generation },
    hostKeyToken: token,
  });
  const userDataOf: FleetDefinition["userDataOf"] = (...node) => {
    const rendered = renderUserData(template, valuesOf(...node));
    assertUserDataSize(rendered, input.locate);
    return rendered;
  };
  const own = entriesOf(payload, config, "files");
  const files = digestOf(own);
  const workloads = digestOf(entriesOf(payload, config, "settings"));
  return {
    config,
    configFile: input.configFile,
    payload,
    material,
    slots: slotsOf(config),
    owner,
    userDataOf,
    ingredients: (publicKey) => ingredientsOf(config, publicKey, payload.manifest.entries, own),
    launchSpec(slot, pin, publicKey) {
      const settings = launchSettingsOf(config, pin.pool.instanceType);
      const nobody = [slot, ANY_GENERATION, publicKey, ANY_TOKEN] as const;
      const generation = generationOf(
        {
          payloadDigest: payload.manifest.digest,
          userData: userDataOf(...nobody),
          ami: pin.ami,
          launch: { ...settings, network: config.network },
        },
        { program: [programDigest, template], files, settings: [workloads, valuesOf(...nobody)] },
      );
      return { slot, pin, settings, generation, userData: (token) => userDataOf(slot, generation, publicKey, token) };
    },
  };
}

/** What one of them decides of a payload. */
function entriesOf(
  { manifest }: Payload,
  config: Pick<FleetConfig, "scriptsDirectory">,
  decider: Decider,
): PayloadEntry[] {
  return manifest.entries.filter(({ path }) => deciderOf(path, config) === decider);
}

const digestOf = (entries: readonly PayloadEntry[]): string => manifestOf(entries).digest;

/** Who decides what an entry of the payload holds. */
function deciderOf(path: string, { scriptsDirectory }: Pick<FleetConfig, "scriptsDirectory">): Decider {
  if ([WORKLOADS_FILE, TOKEN_FILE, PROGRAM_FILE].includes(path)) return "settings";
  const [folder] = path.split("/", 1);
  return folder === "files" || (folder === "scripts" && scriptsDirectory !== undefined) ? "files" : "program";
}

import { existsSync, readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { SpotError } from "../../fleet/errors";
import { outside, spot } from "../../fleet/steps";
import type { Pins } from "../../fleet/model";
import { parsePins, PROJECT, StackKey } from "../../fleet/plan/stack-config";
import { parseEndpoints, type Endpoints } from "../../project/aws-endpoints";
import { writeFileAtomic } from "../../system/atomic-file";

/** Our plain keys of `Pulumi.<stack>.yaml`. Secrets go through the engine (engine/stack.ts). */
export interface StackSettings {
  lineage: string;
  configFile: string;
  /** Absolute; undefined but for the time in which what was verified last is put back. */
  kept: string | undefined;
  endpoint: string | undefined;
  endpoints: Endpoints | undefined;
  account: string | undefined;
  providerRegion: string | undefined;
  pins: Pins;
}

/**
 * Reads what is there; a missing file is an empty one.
 * @throws SpotError E_CONFIG_SYNTAX for a file that is not YAML
 */
export function readStackSettings(file: string): Partial<StackSettings> {
  if (!existsSync(file)) return {};
  const document = parseDocument(readFileSync(file, "utf8"));
  if (document.errors.length > 0) {
    throw new SpotError("E_CONFIG_SYNTAX", {
      message: `${file} is not valid YAML`,
      cause: document.errors[0],
      next: "It is derived: delete it (all but its line `encryptionsalt`), then run `up`, which writes it anew.",
      step: outside("correct-file", spot("up")),
    });
  }
  const get = (key: string): unknown => {
    const value = document.getIn(["config", `${PROJECT}:${key}`]);
    return typeof value === "object" && value !== null && "toJSON" in value
      ? (value as { toJSON(): unknown }).toJSON()
      : value;
  };
  const text = (key: string): string | undefined => {
    const value = get(key);
    return typeof value === "string" ? value : undefined;
  };
  return {
    lineage: text(StackKey.lineage),
    configFile: text(StackKey.configFile),
    kept: text(StackKey.kept),
    endpoint: text(StackKey.endpoint),
    endpoints: parseEndpoints(get(StackKey.endpoints)),
    account: text(StackKey.account),
    providerRegion: text(StackKey.providerRegion),
    pins: parsePins(get(StackKey.pins)),
  };
}

/** Writes the keys that are given and keeps everything else (salt, secrets, the user's own). Writes nothing when nothing differs. */
export function writeStackSettings(file: string, settings: Partial<StackSettings>): void {
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  const document = parseDocument(before);
  for (const [key, value] of Object.entries<StackSettings[keyof StackSettings] | undefined>(settings)) {
    const place = ["config", `${PROJECT}:${StackKey[key as keyof StackSettings]}`];
    if (value === undefined) document.deleteIn(place);
    // No anchors: a file that people read and compare says each thing where it belongs.
    else document.setIn(place, document.createNode(value, { aliasDuplicateObjects: false }));
  }
  const after = document.toString();
  if (after === before) return;
  // A reader (plain `pulumi up`) sees the old file or the new one, never half of it.
  writeFileAtomic(file, after);
}

/** Something in the file is encrypted. */
export function holdsSecrets(file: string): boolean {
  return existsSync(file) && /^\s*(- )?secure:/m.test(readFileSync(file, "utf8"));
}

/** Drops what ties the file to a passphrase; for one that holds no secrets. */
export function forgetSalt(file: string): void {
  if (!existsSync(file)) return;
  const document = parseDocument(readFileSync(file, "utf8"));
  if (document.delete("encryptionsalt")) writeFileAtomic(file, document.toString());
}

import { parse, Scalar, stringify } from "yaml";
import type { ConfigPath, Locate } from "../config";
import { SpotError } from "../errors";

/** What differs from node to node and from fleet to fleet in instance/cloud-init/user-data.yaml. */
export interface UserDataValues {
  /** The account that logs in and owns the upload directory. */
  username: string;
  /** One line each, in authorized_keys form. */
  sshPublicKeys: string[];
  /** Debian packages to install; none leaves the package manager alone. */
  packages: string[];
  /** Becomes the node's node.json. No secret. */
  node: { stack: string; lineage: string; node: string; generation: string };
  /** Hex; a secret. Its characters are the key of the host key's proof (hostKeyProof). */
  hostKeyToken: string;
}

/** EC2's limit for user data before base64, in bytes. */
export const MAX_USER_DATA_BYTES = 16_384;

/** Lines stay as long as they are. */
const OUTPUT = { lineWidth: 0 } as const;

const PLACEHOLDER = /\$\{(\w+)\}/g;

/** instance/cloud-init/user-data.yaml as data. */
export type UserDataTemplate = Readonly<Record<string, unknown>>;

/** Reads the template once for all nodes: that takes ten times as long as filling it in. @param text the file's */
export function readUserDataTemplate(text: string): UserDataTemplate {
  return parse(text) as UserDataTemplate;
}

/**
 * Fills in the user-data template. Values are put into parsed scalars and written out again, always quoted, so that no
 * value can break what is around it or be taken for a number. Comments stay behind. A key whose whole value is an empty
 * list goes.
 * @returns the user data, beginning with `#cloud-config`
 * @throws Error for a placeholder that nobody fills: a fault of the template, not of the user
 */
export function renderUserData(template: UserDataTemplate, values: UserDataValues): string {
  const filling: Record<string, unknown> = {
    username: values.username,
    sshPublicKeys: values.sshPublicKeys,
    packages: values.packages,
    packageUpdate: values.packages.length > 0 ? true : [],
    nodeJson: `${JSON.stringify(values.node)}\n`,
    hostKeyToken: values.hostKeyToken,
  };
  return `#cloud-config\n${stringify(fill(template, filling), OUTPUT)}`;
}

/** The files that user data writes, with their content; by root, of mode 644 where nothing else is said. */
export function filesWritten(rendered: string): { path: string; content: string; mode: string }[] {
  const { write_files: files } = parse(rendered) as {
    write_files: { path: string; content: string; permissions?: string }[];
  };
  return files.map(({ path, content, permissions = "0644" }) => ({
    path,
    content,
    mode: permissions.replace(/^0+(?=.)/, ""),
  }));
}

/**
 * EC2 refuses larger user data at launch; this refuses it before.
 * @throws SpotError E_USER_DATA_TOO_LARGE with the size and the largest parts, at the place in config.yaml of the largest
 *   that comes from there
 */
export function assertUserDataSize(rendered: string, locate?: Locate): void {
  const size = Buffer.byteLength(rendered);
  if (size <= MAX_USER_DATA_BYTES) return;
  const largest = partsOf(rendered)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 3);
  const named = largest.map(({ name, bytes }) => `${name} (${bytes} bytes)`).join(", ");
  const key = largest.map(({ name }) => CONFIG_KEYS[name]).find((found) => found !== undefined);
  throw new SpotError("E_USER_DATA_TOO_LARGE", {
    message: `user data has ${size} bytes, the limit is ${MAX_USER_DATA_BYTES}; the largest parts are ${named}`,
    location: key && locate?.(key),
  });
}

/** What of config.yaml a part of the user data comes from. */
const CONFIG_KEYS: Readonly<Record<string, ConfigPath>> = {
  packages: ["packages"],
  ssh_authorized_keys: ["aws", "public_ssh_key_path"],
};

function fill(value: unknown, filling: Record<string, unknown>): unknown {
  if (typeof value === "string") return fillText(value, filling);
  if (Array.isArray(value)) return value.map((item) => fill(item, filling));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, fill(item, filling)] as const)
      .filter(([, item]) => !(Array.isArray(item) && item.length === 0)),
  );
}

/** A text that is one placeholder becomes its value, of whatever type; in a longer text only strings have a place. */
function fillText(text: string, filling: Record<string, unknown>): unknown {
  if (text.search(PLACEHOLDER) < 0) return text;
  const whole = /^\$\{(\w+)\}$/.exec(text)?.[1];
  const value =
    whole === undefined
      ? text.replace(PLACEHOLDER, (_match, name: string) => String(valueOf(name, filling)))
      : valueOf(whole, filling);
  return Array.isArray(value) ? value.map(quoted) : quoted(value);
}

/** cloud-init reads YAML 1.1 through PyYAML, to which `no`, 0755 and even `=` are no texts. Quoted, everything is one. */
function quoted(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const scalar = new Scalar(value);
  scalar.type = Scalar.QUOTE_DOUBLE;
  return scalar;
}

function valueOf(name: string, filling: Record<string, unknown>): unknown {
  if (!Object.hasOwn(filling, name)) throw new Error(`the user-data template has an unknown placeholder: ${name}`);
  return filling[name];
}

/** The parts that a person could shorten: each top-level key, and each written file by its path. */
function partsOf(rendered: string): { name: string; bytes: number }[] {
  const content = parse(rendered, { version: "1.1" }) as Record<string, unknown>;
  return Object.entries(content).flatMap(([key, value]) => {
    const items = key === "write_files" ? (value as { path: string }[]) : undefined;
    const named = items?.map((item) => [item.path, item] as const) ?? [[key, value] as const];
    return named.map(([name, part]) => ({ name, bytes: Buffer.byteLength(stringify(part, OUTPUT)) }));
  });
}

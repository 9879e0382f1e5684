import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { checks } from "../../../fleet/checks";
import { layout, paths, units } from "../../../fleet/layout";
import { inPayload } from "../../../fleet/node/payload";
import { PROGRAM_FILE, TOKEN_FILE, WORKLOADS_FILE } from "../../../fleet/node/workloads";
import { packageRoot } from "../../../project/package-root";

const at = (file: string): string => path.join(packageRoot(), file);
const read = (file: string): string => readFileSync(at(file), "utf8");
const filesOf = (folder: string, ending: string): string[] =>
  readdirSync(at(folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`);

const SERVICES = filesOf("instance/services", ".service");
const USER_DATA = "instance/cloud-init/user-data.yaml";

/** What names things of a node and cannot read the contract. */
const STATIC = [
  ...SERVICES,
  USER_DATA,
  ...filesOf("instance/config", ".json"),
  ...filesOf("docs", ".md"),
  "instance/README.md",
  "files/README.md",
  "README.md",
  "config.example.yaml",
  "config.yaml",
];

const below = (folder: string, file: string): boolean => file === folder || file.startsWith(`${folder}/`);
const MENTION = new RegExp(`(?<![\\w.-])(?:${layout.roots.join("|")})(?![\\w-])(?:/[\\w.-]*\\w)*`, "g");

/** The paths that a text names below what is ours. */
const mentionsIn = (text: string): string[] => [...text.matchAll(MENTION)].map(([mention]) => mention);

const KNOWN = new Set([...layout.roots, ...Object.values(paths), ...layout.directories.map((one) => one.path)]);
const MADE = [WORKLOADS_FILE, TOKEN_FILE, PROGRAM_FILE];

/** The contract has it; or it is of the payload: in instance/, made by the client, or the user's. */
function isKnown(mention: string): boolean {
  if (KNOWN.has(mention)) return true;
  if (!below(paths.upload, mention)) return false;
  const entry = inPayload(mention);
  return below("files", entry) || MADE.includes(entry) || existsSync(at(`instance/${entry}`));
}

describe("the contract of a node's layout", () => {
  for (const file of STATIC)
    it(`knows every path that ${file} names`, () => {
      assert.deepEqual(
        mentionsIn(read(file)).filter((mention) => !isKnown(mention)),
        [],
      );
    });

  it("is what unit files and user data are held to, whatever they name", () => {
    const text = "ExecStart=-/usr/bin/x --to=/opt/sensors/x /opt/uploaded_files/scripts/gone.py, '/bacalhau_data'";
    assert.deepEqual(
      mentionsIn(text).filter((mention) => !isKnown(mention)),
      ["/opt/sensors/x", "/opt/uploaded_files/scripts/gone.py"],
    );
    assert.ok(mentionsIn(read(USER_DATA)).length > 4);
  });

  it("knows every unit of ours that a unit file or user data names", () => {
    const ours = new Set(Object.values(units));
    for (const file of [...SERVICES, USER_DATA])
      for (const [name] of read(file).matchAll(/\b(?:spot|bacalhau|sensor)[\w-]*\.service\b/g))
        assert.ok(ours.has(name), `${file} names ${name}`);
  });

  it("has a row for every unit file, of the kind that the file makes it", () => {
    const kinds = Object.fromEntries(
      Object.values(layout.units).flatMap(({ name, kind }) => (name === units.deploy ? [] : [[name, kind]])),
    );
    assert.match(read(USER_DATA), new RegExp(`path: ${paths.units}/${units.deploy}$`, "m"));
    assert.deepEqual(
      Object.fromEntries(
        SERVICES.map((file) => {
          const text = read(file);
          const ends = /^RemainAfterExit=yes$/m.test(text);
          return [path.basename(file), !text.includes("[Install]") ? "asked" : ends ? "ending" : "lasting"];
        }),
      ),
      kinds,
    );
  });

  it("knows every step that a check or a document names", () => {
    const startup = read("instance/scripts/startup.py").matchAll(/\bStep\(\s*"([a-z-]+)"/g);
    const known = [...layout.deployment, ...[...startup].map(([, name]) => name)];
    const texts = [...filesOf("docs", ".md"), "instance/README.md", "README.md"].map(
      (file) => [file, read(file)] as const,
    );
    const named = [...texts, ...checks.map(({ id, cause, next }) => [id, `${cause} ${next}`] as const)].flatMap(
      ([where, text]) => [...text.matchAll(/\bstep `([^`]+)`/g)].map(([, step]) => [where, step]),
    );
    assert.ok(named.length >= 4);
    assert.deepEqual(
      named.filter(([, step]) => !known.includes(step)),
      [],
    );
  });

  it("keeps all that is ours below its roots", () => {
    const systems = layout.directories.filter(({ kind }) => kind === "system").map((one) => one.path);
    for (const known of KNOWN)
      assert.ok(
        [...layout.roots, ...systems].some((root) => below(root, known)),
        `${known} is below no root`,
      );
  });
});

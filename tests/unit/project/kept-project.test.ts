import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import type { NodePin } from "../../../fleet/model";
import { TOKEN_FILE } from "../../../fleet/node/workloads";
import type { KeptFleet } from "../../../fleet/plan/kept-fleet";
import { readConfig } from "../../../project/config-file";
import { loadDefinition } from "../../../project/definition";
import { assertContent, keepProject, readKeptProject } from "../../../project/kept-project";

const KEY = "ssh-ed25519 AAAA";
const NODE = "us-west-2-0";
const pin: NodePin = {
  ami: "ami-a",
  pool: { region: "us-west-2", availabilityZone: "us-west-2a", instanceType: "t3.medium", market: "spot" },
};

describe("a fleet that is kept", () => {
  let dir: string;
  const configFile = () => path.join(dir, "config.yaml");
  const folder = () => path.join(dir, "state/verified");
  const document = () => path.join(folder(), "fleet.json");
  const put = (name: string, text: string) => writeFileSync(path.join(dir, name), text, { mode: 0o600 });

  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-kept-"));
    mkdirSync(path.join(dir, "files"));
    put("files/hello.txt", "old\n");
    put("token", "secret\n");
    put(
      "config.yaml",
      [
        `bacalhau: {version: '1.6.0', token_file: token, download: {amd64: {url: 'https://example.org/b', sha256: '${"0a".repeat(32)}'}}}`,
        "packages: [jq]",
        "regions:",
        "  - us-west-2: {machine_type: t3.medium}",
        "",
      ].join("\n"),
    );
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function fromSources() {
    const { config, text } = readConfig(configFile());
    return { definition: loadDefinition({ config, configFile: configFile(), stack: "dev", lineage: "l" }), text };
  }

  function generationOf(definition: ReturnType<typeof fromSources>["definition"]): string {
    return definition.launchSpec(definition.slots[0]!, pin, KEY).generation;
  }

  function keep(changes: Partial<KeptFleet> = {}): string {
    const { definition, text } = fromSources();
    const generation = generationOf(definition);
    const kept: KeptFleet = {
      version: 1,
      at: "2026-01-02T03:04:05.678Z",
      lineage: "l",
      account: "123456789012",
      configFile: configFile(),
      configText: text,
      pins: {
        version: 1,
        regions: {},
        nodes: { [NODE]: pin },
        launches: {},
        unplaced: {},
        ssh: { allow: [], callers: [], publicKey: KEY },
      },
      manifest: definition.payload.manifest,
      ...definition.material,
      generations: { [NODE]: generation },
      ...changes,
    };
    keepProject(folder(), kept, definition.payload.sources);
    return generation;
  }

  it("is the same fleet when all that it was made of has changed or gone", () => {
    const generation = keep();
    for (const name of ["files", "config.yaml", "token"]) rmSync(path.join(dir, name), { recursive: true });
    const { definition, kept } = readKeptProject(folder(), "dev");
    assertContent(folder(), kept);
    assert.equal(generationOf(definition), generation);
    const read = (name: string) => readFileSync(definition.payload.sources.get(name) as string, "utf8");
    assert.deepEqual([read("files/hello.txt"), read(TOKEN_FILE)], ["old\n", "secret\n"]);
    assert.equal(readFileSync(definition.config.bacalhau?.tokenFile ?? "", "utf8"), "secret\n");
    assert.deepEqual([definition.config.packages, definition.kept], [["jq"], folder()]);
  });

  it("takes the place of the one before it, whose content goes, and is its owner's alone", () => {
    keep();
    put("files/hello.txt", "new\n");
    put("files/more.txt", "more\n");
    const generation = keep();
    const { definition, kept } = readKeptProject(folder(), "dev");
    assert.equal(generationOf(definition), generation);
    const digests = kept.manifest.entries.flatMap((entry) => (entry.type === "file" ? [entry.sha256] : []));
    assert.deepEqual(readdirSync(path.join(folder(), "content")).sort(), [...new Set(digests)].sort());
    const modeOf = (name: string) => statSync(path.join(folder(), name)).mode & 0o777;
    assert.deepEqual(["", "fleet.json", "content", `content/${digests[0]}`].map(modeOf), [0o700, 0o600, 0o700, 0o600]);
  });

  it("leaves the one before it where it cannot be kept: a file was changed since it was uploaded", () => {
    const generation = keep();
    put("files/hello.txt", "new\n");
    const { definition, text } = fromSources();
    const { kept } = readKeptProject(folder(), "dev");
    put("files/hello.txt", "newest\n");
    const next = { ...kept, configText: text, manifest: definition.payload.manifest };
    assert.throws(() => keepProject(folder(), next, definition.payload.sources), {
      code: "E_PAYLOAD",
      message: /files\/hello\.txt was changed/,
    });
    assert.equal(generationOf(readKeptProject(folder(), "dev").definition), generation);
  });

  const unusable: [title: string, spoil: () => void, message: RegExp][] = [
    ["nothing is kept", () => rmSync(folder(), { recursive: true }), /no kept fleet to go back to/],
    ["it is no document", () => writeFileSync(document(), "{"), /cannot be read/],
    [
      "this version would make something else of it",
      () => keep({ generations: { [NODE]: "another" } }),
      /another version/,
    ],
    ["it asks for what this version does not know", () => keep({ configText: "mystery: 1\n" }), /does not understand/],
  ];
  for (const [title, spoil, message] of unusable)
    it(`is refused when ${title}`, () => {
      keep();
      spoil();
      assert.throws(() => readKeptProject(folder(), "dev"), { code: "E_NOT_KEPT", message });
    });

  it("is refused when the layout of a node is another one", () => {
    const { definition } = fromSources();
    const entries = definition.payload.manifest.entries.filter(({ path: name }) => name !== "layout.json");
    keep({ manifest: { ...definition.payload.manifest, entries } });
    assert.throws(() => readKeptProject(folder(), "dev"), { code: "E_NOT_KEPT", message: /another version/ });
  });

  for (const [title, spoil] of [
    ["damaged", (file: string) => appendFileSync(file, "x")],
    ["gone", (file: string) => rmSync(file)],
  ] as const)
    it(`is refused when content of its payload is ${title}`, () => {
      keep();
      const { kept, definition } = readKeptProject(folder(), "dev");
      const file = definition.payload.sources.get("files/hello.txt") as string;
      assert.ok(existsSync(file));
      spoil(file);
      assert.throws(() => assertContent(folder(), kept), { code: "E_NOT_KEPT", message: /files\/hello\.txt/ });
    });
});

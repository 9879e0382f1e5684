import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { changedShares } from "../../../fleet/identity/generation";
import { parseGenerationTag, generationTag } from "../../../fleet/identity/launch";
import type { NodePin } from "../../../fleet/model";
import {
  differencesBetween,
  NOTHING_KNOWN,
  withIngredients,
  type Difference,
  type Explained,
  type Ingredients,
} from "../../../fleet/plan/ingredients";
import { loadConfig } from "../../../project/config-file";
import { loadDefinition } from "../../../project/definition";
import { packageRoot } from "../../../project/package-root";

const pin: NodePin = {
  ami: "ami-a",
  pool: { region: "us-west-2", availabilityZone: "us-west-2a", instanceType: "t3.medium", market: "spot" },
};

describe("the generation of a node", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-definition-"));
    mkdirSync(path.join(dir, "files"));
    writeFileSync(path.join(dir, "token"), "secret\n", { mode: 0o600 });
    writeFileSync(path.join(dir, "program"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(path.join(dir, "files/standing"), "x");
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const SCRIPTS = "aws: {scripts_directory: scripts}";
  const BINARY = "bacalhau: {version: '1.6.0', binary: program}";
  const BACALHAU =
    "bacalhau: {version: '1.6.0', token_file: token, download: {amd64: {url: 'https://example.org/b', sha256: 'SHA'}}}";
  interface Made {
    generation: string;
    ingredients: Ingredients;
  }
  const generation = (lines?: string[], key?: string): string => made(lines, key).generation;
  function made(lines: string[] = [], key = "ssh-ed25519 AAAA"): Made {
    const file = path.join(dir, "config.yaml");
    const text = [...lines, "regions:", "  - us-west-2: {machine_type: t3.medium}", ""].join("\n");
    writeFileSync(file, text.replace("SHA", "0a".repeat(32)));
    const definition = loadDefinition({ config: loadConfig(file), configFile: file, stack: "dev", lineage: "l" });
    return {
      generation: definition.launchSpec(definition.slots[0]!, pin, key).generation,
      ingredients: definition.ingredients(key),
    };
  }

  interface Change {
    title: string;
    decider: Explained;
    before?: string[];
    after?: string[];
    key?: string;
    change?: () => void;
    /** What the plan names. */
    named: [name: string, how: Difference["how"]][];
  }
  const write = (name: string, text: string) => (): void => writeFileSync(path.join(dir, name), text);
  const setting = (line: string, name: string, how: Difference["how"] = "added"): Change => ({
    title: name,
    decider: "settings",
    after: [line],
    named: [[name, how]],
  });
  const ofBacalhau = (name: string, line: string): Change => ({
    title: name,
    decider: "settings",
    before: [BACALHAU],
    after: [BACALHAU.replace(/\}$/, `, ${line}}`)],
    named: [[name, "changed"]],
  });
  const changes: Change[] = [
    { title: "a file that is new", decider: "files", change: write("files/a", "x"), named: [["files/a", "added"]] },
    {
      title: "a folder that is new, and its neighbour",
      decider: "files",
      change: () => {
        mkdirSync(path.join(dir, "files/a"));
        write("files/a/b", "x")();
        write("files/a.b", "x")();
      },
      named: [
        ["files/a", "added"],
        ["files/a.b", "added"],
      ],
    },
    {
      title: "a file that is another",
      decider: "files",
      change: write("files/standing", "other"),
      named: [["files/standing", "changed"]],
    },
    {
      title: "the mode of a file",
      decider: "files",
      change: () => chmodSync(path.join(dir, "files/standing"), 0o755),
      named: [["files/standing", "changed"]],
    },
    {
      title: "a file that is gone",
      decider: "files",
      change: () => rmSync(path.join(dir, "files/standing")),
      named: [["files/standing", "removed"]],
    },
    {
      title: "a script of the user's",
      decider: "files",
      before: [SCRIPTS],
      after: [SCRIPTS],
      change: () => chmodSync(path.join(dir, "scripts/node.py"), 0o755),
      named: [["scripts/node.py", "changed"]],
    },
    setting("network: default", "network", "changed"),
    setting("packages: [jq]", "packages", "changed"),
    setting("max_price: 0.5", "max_price"),
    setting("aws: {username: gardener}", "aws.username", "changed"),
    setting("aws: {ssh_key_name: k}", "aws.ssh_key_name"),
    setting("aws: {instance_storage_gb: 99}", "aws.instance_storage_gb", "changed"),
    setting("aws: {cpu_credits: unlimited}", "aws.cpu_credits"),
    setting("aws: {iam_instance_profile: p}", "aws.iam_instance_profile"),
    setting(BACALHAU, "bacalhau"),
    {
      title: "who may log in",
      decider: "settings",
      key: "ssh-ed25519 BBBB",
      named: [["aws.public_ssh_key_path", "changed"]],
    },
    {
      title: "the version",
      decider: "settings",
      before: [BACALHAU],
      after: [BACALHAU.replace("1.6.0", "1.6.1")],
      named: [["bacalhau.version", "changed"]],
    },
    {
      title: "where the program comes from",
      decider: "settings",
      before: [BACALHAU],
      after: [BACALHAU.replace("org/b", "org/c")],
      named: [["bacalhau.download", "changed"]],
    },
    ofBacalhau("bacalhau.orchestrators", "orchestrators: ['nats://h:4222']"),
    ofBacalhau("bacalhau.labels", "labels: {team: a}"),
    ofBacalhau("bacalhau.allowed_paths", "allowed_paths: [/d]"),
    {
      title: "the program",
      decider: "settings",
      before: [BINARY],
      after: [BINARY],
      change: write("program", "other"),
      named: [["bacalhau.binary", "changed"]],
    },
    {
      title: "the token",
      decider: "settings",
      before: [BACALHAU],
      after: [BACALHAU],
      change: write("token", "other\n"),
      named: [["bacalhau.token_file", "changed"]],
    },
  ];
  for (const { title, decider, before, after, key, change, named } of changes)
    it(`tells that the ${decider} changed, and names ${title}`, () => {
      cpSync(path.join(packageRoot(), "instance/scripts"), path.join(dir, "scripts"), { recursive: true });
      const was = made(before);
      change?.();
      const is = made(after, key);
      assert.deepEqual(changedShares(was.generation, is.generation), [decider]);
      const known = [was, is].reduce(
        (all, one) => withIngredients(all, [one.generation], one.ingredients),
        NOTHING_KNOWN,
      );
      assert.deepEqual(differencesBetween(known, was.generation, is.generation), {
        [decider]: named.map(([name, how]) => ({ name, how })),
      });
      assert.deepEqual(differencesBetween(NOTHING_KNOWN, was.generation, is.generation), {}, "nothing is made up");
    });

  it("tells that the user brings the scripts, for which the program's go", () => {
    cpSync(path.join(packageRoot(), "instance/scripts"), path.join(dir, "scripts"), { recursive: true });
    chmodSync(path.join(dir, "scripts/node.py"), 0o755);
    assert.deepEqual(changedShares(generation(), generation([SCRIPTS])), ["files"]);
  });

  it("is the same for the same, and comes back whole from an instance's tag", () => {
    const name = generation();
    assert.deepEqual(changedShares(name, generation()), []);
    assert.deepEqual(parseGenerationTag(generationTag(name, "0123456789abcdef")), {
      generation: name,
      launch: "0123456789abcdef",
    });
    assert.match(name, /^[\w.]{43}$/, "what a tag's value may be");
  });
});

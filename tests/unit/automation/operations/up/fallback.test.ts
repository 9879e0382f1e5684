import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { StateNode } from "../../../../../automation/engine/state";
import { changesWhatStands, fallbackOf } from "../../../../../automation/operations/up/fallback";
import type { UpPlan } from "../../../../../automation/operations/plan/plan-up";
import type { Session } from "../../../../../automation/session";
import { sshRuleName } from "../../../../../fleet/aws/network";
import { AwsType } from "../../../../../fleet/aws/resource-types";
import type { Pins } from "../../../../../fleet/model";
import { fleetKeyPair } from "../../../../../automation/ssh/key-pair";
import { readConfig } from "../../../../../project/config-file";
import { loadDefinition } from "../../../../../project/definition";
import { keepProject, readKeptProject } from "../../../../../project/kept-project";
import { pinOf, recorded, REGION } from "./scripted-run";

const FIRST = `${REGION}-0`;
const PIN = pinOf("ami-old");

interface Intended {
  /** Nodes that its configuration does not have. */
  gone?: string[];
  /** Blocks that it lets in. */
  allow?: string[];
  /** Nodes that it ends. */
  ends?: string[];
  /** Nodes that were recorded, and turned out to be gone. */
  was?: StateNode[];
}

describe("what a run goes back to", () => {
  let dir: string;
  let told: string[];
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-fallback-"));
    told = [];
    mkdirSync(path.join(dir, "files"));
    writeFileSync(path.join(dir, "config.yaml"), `regions:\n  - ${REGION}: {machine_type: t3.medium}\n`);
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** A fleet of one node that is kept; answers the node as it stands. */
  function kept(allow: string[] = []): StateNode {
    const configFile = path.join(dir, "config.yaml");
    const { config, text } = readConfig(configFile);
    const definition = loadDefinition({ config, configFile, stack: "dev", lineage: "l" });
    const { publicKey } = fleetKeyPair(path.join(dir, "keys"), true);
    const { generation } = definition.launchSpec(definition.slots[0]!, PIN, publicKey);
    const pins: Pins = {
      version: 1,
      regions: {},
      nodes: { [FIRST]: PIN },
      launches: {},
      unplaced: {},
      ssh: { allow, callers: [], publicKey },
    };
    const whose = { lineage: "l", account: "123456789012" };
    const made = {
      manifest: definition.payload.manifest,
      ...definition.material,
      generations: { [FIRST]: generation },
    };
    const at = "2026-01-02T03:04:05.678Z";
    keepProject(
      path.join(dir, "verified"),
      { version: 1, at, ...whose, configFile, configText: text, pins, ...made },
      definition.payload.sources,
    );
    return { ...recorded(FIRST, PIN), generation };
  }

  /** @param images what AWS has of those that it is asked for; an error is what it answers */
  function sessionWith(
    node: StateNode,
    images: string[] | Error = ["ami-old"],
    changes: Partial<Session> = {},
  ): Session {
    const answer = () =>
      images instanceof Error
        ? Promise.reject(images)
        : Promise.resolve({ Images: images.map((ImageId) => ({ ImageId })) });
    return {
      stack: { keptFleet: path.join(dir, "verified") },
      target: { stack: "dev" },
      lineage: "l",
      identity: { account: "123456789012", region: REGION },
      keys: path.join(dir, "keys"),
      state: { nodes: [node], resources: [] },
      cloud: { ec2: () => ({ send: answer }) },
      reporter: { emit: ({ message }: { message: string }) => void told.push(message) },
      ...changes,
    } as unknown as Session;
  }

  /** What a run is to do whose nodes stay; everything is kept in this test that is not said. */
  function intended(session: Session, { gone = [], allow = [], ends = [], was = [] }: Intended = {}) {
    const { definition } = readKeptProject(path.join(dir, "verified"), "dev");
    return {
      plan: {
        session,
        definition: { ...definition, slots: definition.slots.filter(({ name }) => !gone.includes(name)) },
        decisions: { pins: { ssh: { allow } } },
        changes: ends.map((name) => ({ name, kind: "delete" })),
      },
      before: { nodes: [...session.state.nodes, ...was], resources: session.state.resources },
    } as unknown as Parameters<typeof fallbackOf>[0];
  }

  const fallbackIn = (session: Session, what?: Intended) => fallbackOf(intended(session, what));

  it("is the fleet that was verified last, and is told before anything is changed", async () => {
    const { definition } = await fallbackIn(sessionWith(kept()));
    assert.deepEqual(
      definition.slots.map(({ name }) => name),
      [FIRST],
    );
    assert.match(told.join(), /if anything fails, the fleet is put back as it was verified at 2026-01-02T03:04/);
  });

  it("is that of a node whose image was chosen anew, too", async () => {
    const node = kept();
    const { definition, kept: was } = await fallbackIn(sessionWith(node));
    const pin = pinOf("ami-newer");
    const { generation } = definition.launchSpec(definition.slots[0]!, pin, was.pins.ssh.publicKey);
    await fallbackIn(sessionWith({ ...node, pin, generation }, ["ami-newer"]));
  });

  const standing = (...nodes: StateNode[]) => ({ state: { nodes, resources: [] } }) as unknown as Partial<Session>;

  const refused: [title: string, session: (node: StateNode) => Session, message: RegExp][] = [
    ["it is another fleet's", (node) => sessionWith(node, [], { lineage: "other" }), /another fleet/],
    [
      "it is in another account",
      (node) => sessionWith(node, [], { identity: { account: "1", region: REGION } } as Partial<Session>),
      /another fleet/,
    ],
    [
      "no node that stands is of it",
      (node) => sessionWith({ ...node, generation: "other" }),
      /not of the fleet that is kept.*: 1 of 1 node /,
    ],
    [
      "its key is not here",
      (node) => {
        rmSync(path.join(dir, "keys"), { recursive: true });
        return sessionWith(node);
      },
      /SSH key that it was made with/,
    ],
    [
      "a node stands that it does not have",
      (node) => sessionWith(node, [], standing(node, recorded("us-west-2-7", PIN))),
      /: 1 of 2 nodes \(us-west-2-7\)/,
    ],
    ["its image is gone", (node) => sessionWith(node, []), /us-west-2 does not have its image ami-old any more/],
    [
      "a file of its payload is gone",
      (node) => {
        rmSync(path.join(dir, "verified/content"), { recursive: true });
        return sessionWith(node);
      },
      /the content of .* is missing or damaged/,
    ],
  ];
  for (const [title, session, message] of refused)
    it(`is refused where ${title}`, async () => {
      await assert.rejects(fallbackIn(session(kept())), { code: "E_NOT_KEPT", message });
    });

  it("may lack a node that the run itself ends", async () => {
    const node = kept();
    const session = sessionWith(node, undefined, standing(node, recorded("us-west-2-7", PIN)));
    await fallbackIn(session, { ends: ["us-west-2-7"] });
    const newer = sessionWith(node, undefined, standing({ ...node, generation: "other" }));
    await assert.rejects(fallbackIn(newer, { ends: [FIRST], gone: [FIRST] }), { code: "E_NOT_KEPT" });
  });

  it("makes no node again that an earlier run removed, but one that is lost or wanted", async () => {
    const node = kept();
    const session = sessionWith(node, undefined, standing());
    await assert.rejects(fallbackIn(session, { gone: [FIRST] }), {
      code: "E_NOT_KEPT",
      message: /would be made again/,
    });
    await fallbackIn(session, { gone: [FIRST], was: [node] });
    await fallbackIn(session);
  });

  it("lets nobody in again who was shut out since, but whom the run lets in", async () => {
    const block = "203.0.113.0/24";
    const node = kept([block]);
    const rule = { type: AwsType.ingressRule, name: sshRuleName(REGION, block) };
    const recording = (...resources: unknown[]) =>
      sessionWith(node, undefined, { state: { nodes: [node], resources } } as unknown as Partial<Session>);
    await assert.rejects(fallbackIn(recording()), { code: "E_NOT_KEPT", message: /lets 203\.0\.113\.0\/24 log in/ });
    await fallbackIn(recording(rule));
    await fallbackIn(recording(), { allow: [block] });
  });

  it("is left to the launch where AWS does not say whether an image is there", async () => {
    await fallbackIn(sessionWith(kept(), Object.assign(new Error("no"), { name: "UnauthorizedOperation" })));
    assert.match(told.join(), /it is not known whether the images are still there/);
  });

  it("is needed by a plan that does more than to add", () => {
    const plan = (changes: string[], resources: string[]) =>
      ({
        changes: changes.map((kind) => ({ kind })),
        resources: resources.map((kind) => ({ kind })),
      }) as unknown as UpPlan;
    for (const kinds of [[], ["create"], ["same", "create"]]) assert.ok(!changesWhatStands(plan(kinds, ["create"])));
    for (const kind of ["replace", "update", "delete"]) {
      assert.ok(changesWhatStands(plan(["create", kind], [])));
      assert.ok(changesWhatStands(plan(["same"], ["create", kind])));
    }
  });
});

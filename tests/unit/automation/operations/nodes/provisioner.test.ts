import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { DeployedInstances } from "../../../../../automation/operations/nodes/deployed";
import type { FleetAccess } from "../../../../../automation/operations/nodes/fleet-access";
import { Provisioner, type NewNode } from "../../../../../automation/operations/nodes/provisioner";
import { neverInterrupted } from "../../../../../automation/session/interrupts";
import { ConnectError, type ConnectWithPatience } from "../../../../../automation/ssh/connect";
import { SpotError } from "../../../../../fleet/errors";

const INSTANCE = "i-1";
const HOUR_MS = 3_600_000;

describe("bringing up a node that does not answer", () => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), "spot-deployed-"));
  after(() => rmSync(scratch, { recursive: true, force: true }));

  async function broughtUp(node: Pick<NewNode, "origin" | "created">, instanceId: string) {
    const patience: number[] = [];
    const told: string[] = [];
    const connect = ({ deadlineMs }: ConnectWithPatience): Promise<never> => {
      patience.push(deadlineMs);
      return Promise.reject(new ConnectError("banner", new SpotError("E_SSH", "no answer")));
    };
    const access = {
      session: {
        target: { scratch },
        lineage: "0123456789abcdef",
        interrupts: neverInterrupted(),
        reporter: { emit: (event: { type: string }) => void told.push(event.type) },
        cloud: undefined,
      },
      definition: { payload: { manifest: { digest: "" } } },
      ssh: { connect },
      tokenOf: () => "",
    } as unknown as FleetAccess;
    const provisioner = new Provisioner(access, { wait: true });
    provisioner.provision({
      ...node,
      ref: { name: "us-west-2-0", region: "us-west-2", instanceId, address: "203.0.113.5" },
      launched: { name: "us-west-2-0", generation: "g" },
    });
    const outcome = (await provisioner.settled()).get("us-west-2-0");
    return { state: outcome?.state, patience, told };
  }

  it("leaves it to verification when it has had its time, and waits for any other", async () => {
    new DeployedInstances(scratch).add("i-seen-deployed");
    const long = new Date(Date.now() - 2 * HOUR_MS).toISOString();
    const standing = { state: "unreachable", patience: [10_000], told: ["message"] };
    const coming = { state: "failed", patience: [600_000], told: ["node"] };
    const found = { origin: "found" } as const;
    const cases = [
      ["i-seen-deployed", found, standing],
      ["i-launched-long-ago", { ...found, created: long }, standing],
      ["i-launched-now", { ...found, created: new Date().toISOString() }, coming],
      ["i-unknown", found, coming],
      ["i-created-by-this-run", { origin: "created" }, coming],
    ] as const;
    const outcomes = await Promise.all(cases.map(([id, node]) => broughtUp(node, id)));
    assert.deepEqual(
      outcomes,
      cases.map(([, , expected]) => expected),
    );
  });

  it("remembers what it saw deployed, and takes a damaged memory for none", () => {
    const folder = mkdtempSync(path.join(scratch, "memory-"));
    new DeployedInstances(folder).add(INSTANCE);
    new DeployedInstances(folder).add("i-2");
    assert.deepEqual(
      [INSTANCE, "i-2", "i-3"].map((id) => new DeployedInstances(folder).has(id)),
      [true, true, false],
    );
    writeFileSync(path.join(folder, "deployed-instances.json"), "{");
    assert.equal(new DeployedInstances(folder).has(INSTANCE), false);
  });
});

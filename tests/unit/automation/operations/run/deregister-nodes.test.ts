import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { deregisterNodes, withDeregistration } from "../../../../../automation/operations/run/deregister-nodes";
import type { FleetEvent } from "../../../../../fleet/report/events";

describe("leaving the cluster (L22)", () => {
  const puts: { path: string; body: unknown }[] = [];
  const events: FleetEvent[] = [];
  let server: Server;
  let api: string;
  let answer: object;
  const access = {
    reporter: { emit: (event: FleetEvent) => void events.push(event), confirm: () => Promise.resolve(true) },
    target: { sandbox: { network: "198.18.7.0/24" } },
  };
  const warnings = (): string[] => events.flatMap((event) => (event.type === "message" ? [event.message] : []));

  before(async () => {
    const node = (NodeID: string, instance_id: string) => ({ Info: { NodeID, Labels: { instance_id } } });
    server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        if (request.method === "PUT") puts.push({ path: request.url ?? "", body: JSON.parse(body) });
        response.end(
          JSON.stringify(
            request.method === "PUT"
              ? answer
              : { Nodes: [node("n-1", "i-01"), node("n-2", "i-02"), { Info: { NodeID: "another's" } }] },
          ),
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    puts.length = events.length = 0;
    answer = { Success: true };
  });
  after(() => server.close());

  it("removes exactly the nodes of the instances that ended", async () => {
    await deregisterNodes(access, api, ["i-02", "i-03"]);
    assert.deepEqual(puts, [
      {
        path: "/api/v1/orchestrator/nodes/n-2",
        body: { Action: "delete", Message: "its instance has ended", NodeID: "n-2" },
      },
    ]);
    assert.deepEqual(warnings(), []);
  });

  it("removes them however the work ended, and once", async () => {
    const failure = new Error("the program failed");
    const work = (ended: (instanceId: string) => void): Promise<void> => {
      ended("i-01");
      ended("i-01");
      return Promise.reject(failure);
    };
    await assert.rejects(withDeregistration(access, api, work), failure);
    assert.deepEqual(
      puts.map(({ path }) => path),
      ["/api/v1/orchestrator/nodes/n-1"],
    );
    await assert.rejects(withDeregistration(access, undefined, work), failure);
    assert.equal(puts.length, 1, "nobody is told where there is no orchestrator");
  });

  it("is a warning when the orchestrator refuses or does not answer, and no more", async () => {
    answer = { Success: false, Error: "node is busy" };
    await deregisterNodes(access, api, ["i-01"]);
    await deregisterNodes(access, "http://127.0.0.1:1", ["i-01"]);
    assert.match(warnings().join("\n"), /n-1: node is busy\n.*fetch failed/);
  });

  it("asks no address outside the sandbox from within it", async () => {
    await deregisterNodes(access, "http://203.0.113.7:1234", ["i-01"]);
    assert.match(warnings()[0] ?? "", /203\.0\.113\.7 was refused/);
  });
});

import assert from "node:assert/strict";
import { endReasons, Instances } from "../../../../../sandbox/gateway/model/instances";
import type { Moto } from "../../../../../sandbox/gateway/protocol/moto";
import type { HostDriver, HostSpec } from "../../../../../sandbox/hosts/driver";
import { noHosts } from "../../../../../sandbox/hosts/no-hosts";

describe("an instance that AWS takes back", () => {
  it("is shown as shutting down, with the reason, before its host is ended", async () => {
    const seen: string[] = [];
    const driver: HostDriver = { ...noHosts, terminate: () => Promise.resolve(void seen.push("host ends")) };
    const told = (state: string) => (_region: string, id: string, reason: { code: string }) =>
      Promise.resolve(void seen.push(`${id} ${state}: ${reason.code}`));
    const moto = {
      account: "123456789012",
      ending: told("shutting-down"),
      ended: told("terminated"),
    } as unknown as Moto;
    const instances = new Instances(driver, (line) => seen.push(line));
    instances.launch({ instanceId: "i-1", region: "us-west-2" } as HostSpec, moto);
    instances.terminate("i-1", endReasons.interruption);
    await instances.endAll();
    assert.deepEqual(seen.slice(0, 3), [
      "i-1 shutting-down: Server.SpotInstanceTermination",
      "host ends",
      "i-1 terminated: Server.SpotInstanceTermination",
    ]);
  });
});

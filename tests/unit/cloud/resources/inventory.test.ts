import assert from "node:assert/strict";
import { EC2Client } from "@aws-sdk/client-ec2";
import type { Cloud } from "../../../../cloud/clients";
import { patientInventory } from "../../../../cloud/resources/inventory";

describe("a look on which much depends", () => {
  /** A cloud in which each region refuses its first looks; `looks` counts them by region. */
  function refusing(refusals: Record<string, { name: string; times: number }>, looks: Record<string, number>): Cloud {
    const send = (region: string, action: string) => {
      if (action === "DescribeInstances") looks[region] = (looks[region] ?? 0) + 1;
      const refusal = refusals[region];
      if (refusal === undefined || (looks[region] ?? 0) > refusal.times)
        return Promise.resolve(action === "DescribeVpcs" ? { Vpcs: [{ VpcId: `vpc-${region}` }] } : {});
      return Promise.reject(Object.assign(new Error("refused"), { name: refusal.name }));
    };
    return {
      ec2: (region: string) =>
        Object.assign(Object.create(EC2Client.prototype) as EC2Client, {
          send: (command: { constructor: { name: string } }) =>
            send(region, command.constructor.name.replace(/Command$/, "")),
        }),
    } as unknown as Cloud;
  }
  const look = (cloud: Cloud, signal = new AbortController().signal) =>
    patientInventory(cloud, "0123456789abcdef", ["a", "b", "c"], signal);

  it("asks a region again that is throttled or out of reach, and no other", async () => {
    const looks: Record<string, number> = {};
    const found = await look(
      refusing(
        { a: { name: "RequestLimitExceeded", times: 1 }, b: { name: "UnauthorizedOperation", times: 99 } },
        looks,
      ),
    );
    assert.deepEqual(
      found.map(({ region, objects, error }) => [region, objects.map(({ id }) => id), error?.class]),
      [
        ["a", ["vpc-a"], undefined],
        ["b", [], "auth"],
        ["c", ["vpc-c"], undefined],
      ],
    );
    assert.deepEqual(looks, { a: 2, b: 1, c: 1 });
  });

  it("asks no further when it is interrupted", async () => {
    const looks: Record<string, number> = {};
    const found = await look(refusing({ a: { name: "ServiceUnavailable", times: 99 } }, looks), AbortSignal.abort());
    assert.deepEqual([found[0]?.error?.class, looks.a], ["transient", 1]);
  });
});

import assert from "node:assert/strict";
import type { Cloud } from "../../../../../automation/cloud/clients";
import type { CloudKind, CloudObject } from "../../../../../automation/cloud/resources/inventory";
import { sweep } from "../../../../../automation/cloud/resources/sweep";

const OURS = { "spot-deployer:lineage": "0123456789abcdef", "spot-deployer:stack": "dev" };

describe("deleting what was listed as ours", () => {
  /** A region in which each thing has these tags by now; `deleted` tells what was deleted of it. */
  function region(tags: Record<string, Record<string, string>>, deleted: string[]): Cloud {
    const tagged = (id: string) => Object.entries(tags[id] ?? {}).map(([Key, Value]) => ({ Key, Value }));
    const asked = ({ Filters }: { Filters: { Name: string; Values: string[] }[] }) =>
      Filters.find(({ Name }) => /-id$/.test(Name))?.Values[0] ?? "";
    const answers: Record<string, (input: never) => object> = {
      DescribeVpcs: (input) => ({
        Vpcs: [{ VpcId: asked(input), Tags: tagged(asked(input)) }].filter(({ VpcId }) => VpcId in tags),
      }),
      DescribeInstances: (input) => ({
        Reservations: [
          {
            Instances: [{ InstanceId: asked(input), State: { Name: "running" }, Tags: tagged(asked(input)) }].filter(
              ({ InstanceId }) => InstanceId in tags && !deleted.includes(InstanceId),
            ),
          },
        ],
      }),
      DeleteVpc: ({ VpcId }: { VpcId: string }) => (deleted.push(VpcId), {}),
      TerminateInstances: ({ InstanceIds }: { InstanceIds: string[] }) => (deleted.push(...InstanceIds), {}),
    };
    const send = (command: { constructor: { name: string }; input: never }) =>
      Promise.resolve(answers[command.constructor.name.replace(/Command$/, "")]!(command.input));
    return { ec2: () => ({ send }) } as unknown as Cloud;
  }
  const object = (kind: CloudKind, id: string): CloudObject => ({
    kind,
    region: "us-west-2",
    id,
    detail: "",
    tags: OURS,
  });
  const swept = async (tags: Record<string, Record<string, string>>, ...objects: CloudObject[]) => {
    const deleted: string[] = [];
    const failures = await sweep(region(tags, deleted), OURS["spot-deployer:lineage"], objects);
    return { deleted, left: failures.map(({ object: { id }, error }) => `${id}: ${(error as Error).message}`) };
  };

  it("deletes what has its tags still", async () => {
    assert.deepEqual(
      await swept(
        { "vpc-1": OURS, "i-1": { ...OURS, Name: "other by now" } },
        object("vpc", "vpc-1"),
        object("instance", "i-1"),
      ),
      { deleted: ["i-1", "vpc-1"], left: [] },
    );
  });

  it("leaves alone what carries another fleet ID, another stack or none by now, and says so", async () => {
    const now = {
      "vpc-1": { ...OURS, "spot-deployer:lineage": "fedcba9876543210" },
      "vpc-2": {},
      "i-1": { ...OURS, "spot-deployer:stack": "prod" },
    };
    assert.deepEqual(await swept(now, object("instance", "i-1"), object("vpc", "vpc-1"), object("vpc", "vpc-2")), {
      deleted: [],
      left: [
        "i-1: its tag spot-deployer:stack changed since it was listed: it is left alone",
        "vpc-1: its tag spot-deployer:lineage changed since it was listed: it is left alone",
        "vpc-2: its tag spot-deployer:lineage and spot-deployer:stack changed since it was listed: it is left alone",
      ],
    });
  });

  it("leaves what is not listed by its id to AWS's own answer", async () => {
    assert.deepEqual(await swept({}, object("vpc", "vpc-9")), { deleted: ["vpc-9"], left: [] });
  });
});

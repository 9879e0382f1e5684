import assert from "node:assert/strict";
import { EC2Client } from "@aws-sdk/client-ec2";
import type { Cloud } from "../../../../cloud/clients";
import { deleteOfFleet } from "../../../../cloud/resources/delete";
import type { FleetObject } from "../../../../cloud/resources/find";
import type { FleetKind } from "../../../../cloud/resources/kinds";

const OURS = { "spot-deployer:lineage": "0123456789abcdef", "spot-deployer:stack": "dev" };

describe("deleting what was listed as ours", () => {
  /** A region in which each thing has these tags by now; `deleted` tells what was deleted of it. */
  function region(
    tags: Record<string, Record<string, string>>,
    deleted: string[],
    refusals: Record<string, string> = {},
  ): Cloud {
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
      DescribeVolumes: () => ({}),
      DeleteVpc: ({ VpcId }: { VpcId: string }) => (deleted.push(VpcId), {}),
      TerminateInstances: ({ InstanceIds }: { InstanceIds: string[] }) => (deleted.push(...InstanceIds), {}),
    };
    const send = (command: { constructor: { name: string }; input: never }) => {
      const action = command.constructor.name.replace(/Command$/, "");
      const name = refusals[action];
      return name === undefined
        ? Promise.resolve(answers[action]!(command.input))
        : Promise.reject(Object.assign(new Error("refused"), { name, $metadata: { httpStatusCode: 400 } }));
    };
    return { ec2: () => Object.assign(Object.create(EC2Client.prototype) as EC2Client, { send }) } as unknown as Cloud;
  }
  const object = (kind: FleetKind, id: string): FleetObject => ({
    kind,
    region: "us-west-2",
    id,
    detail: "",
    tags: OURS,
  });
  const swept = (tags: Record<string, Record<string, string>>, ...objects: FleetObject[]) =>
    sweptOf({}, tags, ...objects);
  const sweptOf = async (
    refusals: Record<string, string>,
    tags: Record<string, Record<string, string>>,
    ...objects: FleetObject[]
  ) => {
    const deleted: string[] = [];
    const failures = await deleteOfFleet(region(tags, deleted, refusals), objects);
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

  it("takes what AWS does not list, and refuses to end, for ended", async () => {
    const gone = await sweptOf({ DeleteVpc: "InvalidStateTransition" }, {}, object("vpc", "vpc-9"));
    assert.deepEqual(gone.left, []);
    const standing = await sweptOf({ DeleteVpc: "UnauthorizedOperation" }, { "vpc-9": OURS }, object("vpc", "vpc-9"));
    assert.deepEqual(standing.left, ["vpc-9: refused"]);
  });

  it("asks again for the end of an instance whose ID AWS does not know for a moment, and waits until it is gone", async () => {
    const tries: string[] = [];
    const states = ["running", "running", "shutting-down", "terminated"];
    const answers: Record<string, () => object> = {
      TerminateInstances: () => {
        tries.push("TerminateInstances");
        if (tries.length === 1) throw Object.assign(new Error("unknown"), { name: "InvalidInstanceID.NotFound" });
        return {};
      },
      DescribeInstances: () => {
        const tags = Object.entries(OURS).map(([Key, Value]) => ({ Key, Value }));
        const Name = tries.length === 0 ? "running" : (states.shift() ?? "terminated");
        return { Reservations: [{ Instances: [{ InstanceId: "i-1", State: { Name }, Tags: tags }] }] };
      },
    };
    const send = async ({ constructor: { name } }: object) => Promise.resolve(answers[name.replace(/Command$/, "")]!());
    const client = Object.assign(Object.create(EC2Client.prototype) as EC2Client, { send });
    assert.deepEqual(await deleteOfFleet({ ec2: () => client } as unknown as Cloud, [object("instance", "i-1")]), []);
    assert.deepEqual([tries.length, states], [2, []]);
  });

  it("takes a volume that went with its instance for gone, and does not ask for its end", async () =>
    assert.deepEqual(await swept({}, { ...object("volume", "vol-1"), heldBy: "i-1" }), { deleted: [], left: [] }));
});

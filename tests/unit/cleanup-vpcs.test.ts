import assert from "node:assert/strict";
import { EC2Client } from "@aws-sdk/client-ec2";
import { cleanupVpcs } from "../../automation/operations/cleanup-vpcs";
import type { Session } from "../../automation/session";
import { neverInterrupted } from "../../automation/interrupts";

describe("cleanup-vpcs on an account (L42)", () => {
  const tag = { Key: "spot-deployer:lineage", Value: "ours" };
  const answers: Record<string, object> = {
    DescribeRegions: { Regions: [{ RegionName: "us-west-2", OptInStatus: "opt-in-not-required" }] },
    DescribeVpcs: { Vpcs: [{ VpcId: "vpc-1", CidrBlock: "10.0.0.0/16", Tags: [tag] }] },
  };

  /** An account with one VPC of ours, and what happened in what order. */
  function account(answer: boolean): { session: Session; happened: string[] } {
    const happened: string[] = [];
    const client = Object.assign(Object.create(EC2Client.prototype) as EC2Client, {
      config: {},
      send: ({ constructor: { name } }: object) => {
        const action = name.replace(/Command$/, "");
        if (action.startsWith("Delete")) happened.push(action);
        return Promise.resolve(answers[action] ?? {});
      },
    });
    const cloud = { ec2: () => client };
    const confirm = ({ message }: { message: string }): Promise<boolean> => {
      happened.push(message);
      return Promise.resolve(answer);
    };
    return { happened, session: { cloud, identity: { account: "123456789012" }, lineage: "ours", target: { kind: "aws" }, interrupts: neverInterrupted(), reporter: { emit: () => undefined, confirm } } as unknown as Session };
  }

  const clean = ({ session, happened }: ReturnType<typeof account>) =>
    cleanupVpcs(session, { legacy: false, dryRun: false, onPlan: ({ plan }) => void happened.push(`plan of ${plan.flatMap(({ planned }) => planned.map(({ id }) => id)).join()}`) });

  it("shows what it would delete, then asks, then deletes", async () => {
    const ours = account(true);
    assert.equal((await clean(ours)).deleted, 1);
    assert.deepEqual(ours.happened, ["plan of vpc-1", "Account 123456789012: delete 1 resource in 1 region?", "DeleteVpc"]);
  });

  it("deletes nothing after a no", async () => {
    const ours = account(false);
    await assert.rejects(clean(ours), { name: "E_DECLINED" });
    assert.deepEqual(ours.happened, ["plan of vpc-1", "Account 123456789012: delete 1 resource in 1 region?"]);
  });
});

import assert from "node:assert/strict";
import { EC2Client } from "@aws-sdk/client-ec2";
import type { Cloud } from "../../../../cloud/clients";
import { networkLook, partsOf } from "../../../../cloud/resources/network-parts";

interface Command {
  constructor: { name: string };
  input: { Filters?: { Values?: string[] }[]; NextToken?: string };
}

/** A cloud that answers a page at a time; `asked` is what it was asked for, in order. */
function paged(pages: Record<string, readonly Record<string, unknown>[]>, asked: [string, Command["input"]][]): Cloud {
  const send = ({ constructor, input }: Command): Promise<Record<string, unknown>> => {
    const action = constructor.name.replace(/Command$/, "");
    asked.push([action, input]);
    const answers = pages[action];
    if (answers === undefined)
      return Promise.reject(Object.assign(new Error("not you"), { name: "UnauthorizedOperation" }));
    const at = Number(input.NextToken ?? 0);
    return Promise.resolve({ ...answers[at], ...(at + 1 < answers.length ? { NextToken: String(at + 1) } : {}) });
  };
  const client = (): EC2Client => Object.assign(Object.create(EC2Client.prototype) as EC2Client, { send });
  return { ec2: client } as unknown as Cloud;
}

const HOLDERS = { region: "us-west-2", groups: ["sg-1"], vpcs: ["vpc-1"] };
const rule = (id: string, more = {}) => ({ SecurityGroupRuleId: id, GroupId: "sg-1", IpProtocol: "tcp", ...more });

describe("what a look at a region's groups and networks shows", () => {
  it("is what is on all pages, with one call a page", async () => {
    const asked: [string, Command["input"]][] = [];
    const cloud = paged(
      {
        DescribeSecurityGroupRules: [
          {
            SecurityGroupRules: [
              rule("sgr-1", { FromPort: 22, ToPort: 22, CidrIpv4: "0.0.0.0/0", Description: "SSH" }),
            ],
          },
          { SecurityGroupRules: [rule("sgr-2", { IsEgress: true, IpProtocol: "-1", FromPort: -1, ToPort: -1 })] },
        ],
        DescribeRouteTables: [
          { RouteTables: [{ RouteTableId: "rtb-1" }] },
          {
            RouteTables: [
              {
                RouteTableId: "rtb-2",
                Routes: [
                  { DestinationCidrBlock: "10.42.0.0/16", GatewayId: "local", Origin: "CreateRouteTable" },
                  { DestinationIpv6CidrBlock: "::/0", EgressOnlyInternetGatewayId: "eigw-1", Origin: "CreateRoute" },
                  {
                    DestinationCidrBlock: "0.0.0.0/0",
                    InstanceId: "i-1",
                    NetworkInterfaceId: "eni-1",
                    Origin: "CreateRoute",
                  },
                ],
                Associations: [
                  { RouteTableAssociationId: "rtbassoc-main", Main: true },
                  { RouteTableAssociationId: "rtbassoc-1", SubnetId: "subnet-1", Main: false },
                ],
              },
            ],
          },
        ],
      },
      asked,
    );
    const look = await networkLook(cloud, HOLDERS);
    assert.deepEqual(asked.length, 4);
    assert.deepEqual(
      look.rules.value?.map(({ id, isEgress, protocol, fromPort, description }) => [
        id,
        isEgress,
        protocol,
        fromPort,
        description,
      ]),
      [
        ["sgr-1", false, "tcp", 22, "SSH"],
        ["sgr-2", true, "-1", undefined, undefined],
      ],
    );
    assert.deepEqual(look.tables.value, [
      { id: "rtb-1", routes: [], associations: [] },
      {
        id: "rtb-2",
        routes: [
          { destination: "10.42.0.0/16", target: "local", isMade: false },
          { destination: "::/0", target: "eigw-1", isMade: true },
          { destination: "0.0.0.0/0", target: "eni-1", isMade: true },
        ],
        associations: [{ id: "rtbassoc-1", subnet: "subnet-1" }],
      },
    ]);
    assert.deepEqual(
      partsOf(cloud, look).map(({ kind, holder, id, isOurs }) => [kind, holder, id, isOurs]),
      [
        ["rule", "sg-1", "sgr-1", true],
        ["rule", "sg-1", "sgr-2", false],
        ["route", "rtb-2", undefined, true],
        ["association", "rtb-2", "rtbassoc-1", true],
      ],
    );
  });

  it("is asked for in as many calls as filters need, and not at all for nothing", async () => {
    const asked: [string, Command["input"]][] = [];
    const groups = Array.from({ length: 201 }, (_, n) => `sg-${n}`);
    const cloud = paged({ DescribeSecurityGroupRules: [{}] }, asked);
    const look = await networkLook(cloud, { ...HOLDERS, groups, vpcs: [] });
    assert.deepEqual(
      asked.map(([action, { Filters }]) => [action, Filters?.[0]?.Values?.length]),
      [
        ["DescribeSecurityGroupRules", 200],
        ["DescribeSecurityGroupRules", 1],
      ],
    );
    assert.deepEqual(look.tables, { value: [] });
  });

  it("tells what was refused, and spoils nothing else", async () => {
    const look = await networkLook(
      paged({ DescribeRouteTables: [{ RouteTables: [{ RouteTableId: "rtb-1" }] }] }, []),
      HOLDERS,
    );
    assert.match(look.rules.failure ?? "", /DescribeSecurityGroupRules in us-west-2.*UnauthorizedOperation/);
    assert.equal(look.tables.value?.length, 1);
  });
});

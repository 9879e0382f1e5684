import assert from "node:assert/strict";
import {
  AssociateRouteTableCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  DeleteRouteCommand,
  DescribeInternetGatewaysCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  DisassociateRouteTableCommand,
  EC2Client,
  ModifyNetworkInterfaceAttributeCommand,
  ModifySecurityGroupRulesCommand,
  ReplaceRouteCommand,
  ReplaceRouteTableAssociationCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
  type Instance,
  type RouteTable,
  type SecurityGroupRule,
} from "@aws-sdk/client-ec2";
import type { Drift } from "../../fleet/drift/types";
import type { ResourceChange } from "../../fleet/plan/resource-changes";
import { clientOf, FIRST_RUN_MS, until } from "../support/sandbox";
import { Workbench, type Outcome } from "../support/workbench";

const REGION = "us-west-2";
const EVERYWHERE = "0.0.0.0/0";
const OFFICE = "203.0.113.0/24";
const DONE = 9;

interface Preview {
  changes: { name: string; kind: string; reason?: string }[];
  resources: ResourceChange[];
  drift: Drift[];
}

/** What AWS shows of the fleet's network. */
interface Network {
  group: string;
  vpc: string;
  table: RouteTable;
  gateway: string;
  rules: SecurityGroupRule[];
  instances: Instance[];
}

/** Something that is done outside, and how it is seen. */
interface Row {
  what: string;
  act: (client: EC2Client, network: Network) => Promise<unknown>;
  /** In the listing: kind, what was, what is. */
  drift: [kind: string, was: RegExp, is: RegExp | null];
  /** In the plan: the kind of change and the type, or the node. */
  plan: [kind: string, what: string];
  reason: RegExp;
}

const ingress = ({ rules }: Network): SecurityGroupRule =>
  rules.find(({ IsEgress, CidrIpv4 }) => !IsEgress && CidrIpv4 === OFFICE) ?? assert.fail("no rule of the office");
const egress = ({ rules }: Network): SecurityGroupRule =>
  rules.find(({ IsEgress }) => IsEgress) ?? assert.fail("no way out");
const association = ({ table }: Network): string =>
  table.Associations?.find(({ SubnetId }) => SubnetId)?.RouteTableAssociationId ?? assert.fail("no association");

/** What happens together: each row is about another thing. */
const BATCHES: readonly (readonly Row[])[] = [
  [
    {
      what: "a rule that lets in is removed",
      act: revoke,
      drift: ["rule", /^tcp 22 from 203\.0\.113\.0\/24 \(SSH\)$/, null],
      plan: ["create", "SecurityGroupIngressRule"],
      reason: /^drift: rule tcp 22 from 203\.0\.113\.0\/24 \(SSH\) was removed outside this tool$/,
    },
    {
      what: "the rule that lets out is removed",
      act: (client, network) => {
        const { SecurityGroupRuleId, GroupId } = egress(network);
        const SecurityGroupRuleIds = [SecurityGroupRuleId!];
        return client.send(new RevokeSecurityGroupEgressCommand({ GroupId, SecurityGroupRuleIds }));
      },
      drift: ["rule", /^everything to 0\.0\.0\.0\/0 \(everything out\)$/, null],
      plan: ["create", "SecurityGroupEgressRule"],
      reason: /^drift: rule everything to .* was removed outside this tool$/,
    },
    {
      what: "the way out is removed",
      act: (client, { table: { RouteTableId } }) =>
        client.send(new DeleteRouteCommand({ RouteTableId, DestinationCidrBlock: EVERYWHERE })),
      drift: ["route", /^0\.0\.0\.0\/0 by igw-/, null],
      plan: ["create", "Route"],
      reason: /^drift: route 0\.0\.0\.0\/0 by igw-\w+ was removed outside this tool$/,
    },
    {
      what: "an association is removed",
      act: (client, network) => client.send(new DisassociateRouteTableCommand({ AssociationId: association(network) })),
      drift: ["association", /^subnet-\w+ goes by rtb-/, null],
      plan: ["create", "RouteTableAssociation"],
      reason: /^drift: association subnet-\w+ goes by rtb-\w+ was removed outside this tool$/,
    },
  ],
  [
    {
      what: "a rule is changed",
      act: (client, network) => {
        const { SecurityGroupRuleId, GroupId, Description } = ingress(network);
        const SecurityGroupRule = { IpProtocol: "tcp", FromPort: 22, ToPort: 2222, CidrIpv4: OFFICE, Description };
        const SecurityGroupRules = [{ SecurityGroupRuleId, SecurityGroupRule }];
        return client.send(new ModifySecurityGroupRulesCommand({ GroupId, SecurityGroupRules }));
      },
      drift: ["rule", /^tcp 22 from/, /^tcp 22-2222 from 203\.0\.113\.0\/24 \(SSH\)$/],
      plan: ["update", "SecurityGroupIngressRule"],
      reason: /^drift: rule was changed outside this tool: tcp 22 from .* became tcp 22-2222 from/,
    },
    {
      what: "the way out leads elsewhere",
      act: (client, { table: { RouteTableId }, instances }) =>
        client.send(
          new ReplaceRouteCommand({
            RouteTableId,
            DestinationCidrBlock: EVERYWHERE,
            NetworkInterfaceId: interfaceOf(instances[0]!),
          }),
        ),
      drift: ["route", /^0\.0\.0\.0\/0 by igw-/, /^0\.0\.0\.0\/0 by eni-/],
      plan: ["update", "Route"],
      reason: /^drift: route was changed outside this tool: 0\.0\.0\.0\/0 by igw-\w+ became 0\.0\.0\.0\/0 by eni-/,
    },
    {
      what: "a subnet is given to another table",
      act: async (client, network) => {
        const { RouteTable } = await client.send(new CreateRouteTableCommand({ VpcId: network.vpc }));
        const AssociationId = association(network);
        const { RouteTableId } = RouteTable!;
        return client.send(new ReplaceRouteTableAssociationCommand({ AssociationId, RouteTableId }));
      },
      drift: ["association", /^subnet-\w+ goes by rtb-/, /^subnet-\w+ goes by rtb-/],
      plan: ["create", "RouteTableAssociation"],
      reason: /^drift: association was changed outside this tool/,
    },
    {
      what: "an instance is given other groups",
      act: async (client, { vpc, instances }) => {
        const named = { VpcId: vpc, GroupName: "another", Description: "somebody's" };
        const { GroupId } = await client.send(new CreateSecurityGroupCommand(named));
        const NetworkInterfaceId = interfaceOf(instances[0]!);
        return client.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, Groups: [GroupId!] }));
      },
      drift: ["security-groups", /^sg-/, /^sg-/],
      plan: ["update", `${REGION}-`],
      reason: /^drift: security groups were changed outside this tool: sg-\w+ became sg-\w+$/,
    },
  ],
  [
    {
      what: "a rule is removed and put back by hand",
      act: async (client, network) => {
        await revoke(client, network);
        await authorize(client, network.group, 22, OFFICE);
      },
      drift: ["rule", /^tcp 22 from 203\.0\.113\.0\/24 \(SSH\)$/, null],
      plan: ["create", "SecurityGroupIngressRule"],
      reason: /^drift: rule tcp 22 from .* was removed outside this tool$/,
    },
  ],
];

function revoke(client: EC2Client, network: Network): Promise<unknown> {
  const { SecurityGroupRuleId, GroupId } = ingress(network);
  return client.send(new RevokeSecurityGroupIngressCommand({ GroupId, SecurityGroupRuleIds: [SecurityGroupRuleId!] }));
}

function authorize(client: EC2Client, GroupId: string, port: number, CidrIp: string): Promise<unknown> {
  const IpPermissions = [{ IpProtocol: "tcp", FromPort: port, ToPort: port, IpRanges: [{ CidrIp }] }];
  return client.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
}

const interfaceOf = ({ NetworkInterfaces }: Instance): string | undefined => NetworkInterfaces?.[0]?.NetworkInterfaceId;
const textOf = ({ stdout, stderr }: Outcome): string => stdout + stderr;
const shortName = ({ type }: ResourceChange): string => type.slice(type.lastIndexOf(":") + 1);

describe("what is done outside this tool", function () {
  this.timeout(FIRST_RUN_MS * 3);
  const bench = new Workbench();
  let client: EC2Client;
  before(async () => {
    bench.config({ [REGION]: 2 }, { top: ["market: on-demand", `ssh: {allow: [${OFFICE}]}`] });
    const up = await bench.spot(["up"]);
    assert.equal(up.code, DONE, textOf(up));
    client = new EC2Client(clientOf(await bench.sandbox(), REGION));
  });
  after(async () => {
    client.destroy();
    await bench[Symbol.asyncDispose]();
  });

  async function network(): Promise<Network> {
    const { instances, vpcs } = await bench.live([REGION]);
    const [vpc] = vpcs;
    const Filters = [{ Name: "vpc-id", Values: [vpc!] }];
    const { SecurityGroups } = await client.send(new DescribeSecurityGroupsCommand({ Filters }));
    const group = SecurityGroups?.find(({ Tags }) => Tags?.length)?.GroupId ?? assert.fail("no group");
    const { RouteTables } = await client.send(new DescribeRouteTablesCommand({ Filters }));
    const table = RouteTables?.find(({ Tags }) => Tags?.length) ?? assert.fail("no table");
    const { SecurityGroupRules } = await client.send(
      new DescribeSecurityGroupRulesCommand({ Filters: [{ Name: "group-id", Values: [group] }] }),
    );
    const { InternetGateways } = await client.send(new DescribeInternetGatewaysCommand({}));
    return {
      group,
      vpc: vpc!,
      table,
      gateway: InternetGateways![0]!.InternetGatewayId!,
      rules: SecurityGroupRules ?? [],
      instances,
    };
  }

  const json = async <T>(args: string[]): Promise<T> => {
    const outcome = await bench.spot([...args, "--json"]);
    assert.equal(outcome.code, 0, textOf(outcome));
    return JSON.parse(outcome.stdout) as T;
  };
  const listed = () => json<{ drift: Drift[] }>(["list"]).then(({ drift }) => drift);
  const preview = () => json<Preview>(["preview"]);
  const ids = async () => (await bench.live([REGION])).instances.map(({ InstanceId }) => InstanceId!).sort();
  const changing = ({ changes }: Preview) => changes.filter(({ kind }) => kind !== "same");

  async function isWhole(): Promise<void> {
    const plan = await preview();
    assert.deepEqual([changing(plan), plan.resources, plan.drift], [[], [], []]);
  }

  it("is nothing where nothing was done", async () => {
    assert.deepEqual(await listed(), []);
    await isWhole();
  });

  for (const rows of BATCHES)
    it(`is seen and healed without touching a node: ${rows.map(({ what }) => what).join(", ")}`, async () => {
      const [before, found] = [await ids(), await network()];
      for (const { act } of rows) await act(client, found);
      const drift = (await listed()).filter(({ urn }) => urn !== undefined);
      const planned = await preview();
      const told = [
        ...changing(planned).map(({ name, kind, reason }) => ({ what: name, kind, reason, opens: undefined })),
        ...planned.resources.map((change) => ({ what: shortName(change), ...change })),
      ];
      for (const row of rows) {
        const [kind, was, is] = row.drift;
        const seen = drift.find((one) => one.kind === kind && was.test(one.was ?? ""));
        assert.deepEqual([seen?.region, /^`up` /.test(seen?.heals ?? "")], [REGION, true], row.what);
        if (is === null) assert.equal(seen?.is, null, row.what);
        else assert.match(seen?.is ?? "", is, row.what);
        const change = told.find(({ what, reason }) => what.startsWith(row.plan[1]) && row.reason.test(reason ?? ""));
        assert.deepEqual(
          [change?.kind, change?.opens],
          [row.plan[0], undefined],
          `${row.what}: ${JSON.stringify(told)}`,
        );
      }
      assert.deepEqual([drift.length, told.length], [rows.length, rows.length]);

      const up = await bench.spot(["up"]);
      assert.equal(up.code, DONE, textOf(up));
      for (const { reason } of rows) assert.match(up.stderr, new RegExp(reason.source.replace(/^\^|\$$/g, "")));
      assert.deepEqual(await ids(), before);
      await isWhole();
    });

  it("is known until it is put right: a run that was about something else leaves it to the next `up`", async () => {
    const found = await network();
    const { SecurityGroupRuleId, GroupId, Description } = ingress(found);
    const SecurityGroupRule = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, CidrIpv4: EVERYWHERE, Description };
    await client.send(
      new ModifySecurityGroupRulesCommand({
        GroupId,
        SecurityGroupRules: [{ SecurityGroupRuleId, SecurityGroupRule }],
      }),
    );
    const AssociationId = association(found);
    const { RouteTableId, Associations } = found.table;
    const { SubnetId } = Associations!.find((one) => one.RouteTableAssociationId === AssociationId)!;
    await client.send(new DisassociateRouteTableCommand({ AssociationId }));
    await client.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }));
    const told = (drift: Drift[]) => drift.map(({ kind, was, is }) => `${kind} ${was} ${is}`).sort();
    const seen = told(await listed());
    assert.equal(seen.length, 3, seen.join());
    const recovered = await bench.spot(["recover"]);
    assert.match(recovered.stdout, /agree but for 2 differences/, textOf(recovered));
    assert.deepEqual(told(await listed()), seen);
    const replaced = await bench.spot(["replace", `${REGION}-0`]);
    assert.equal(replaced.code, DONE, textOf(replaced));
    assert.ok((await listed()).some(({ kind, is }) => kind === "rule" && is?.includes(EVERYWHERE)));
    const up = await bench.spot(["up"]);
    assert.equal(up.code, DONE, textOf(up));
    await isWhole();
  });

  it("is shown with the command that takes it away, and left alone: a rule and a route of somebody's", async () => {
    const { group, table, gateway } = await network();
    await authorize(client, group, 8080, EVERYWHERE);
    await client.send(
      new CreateRouteCommand({
        RouteTableId: table.RouteTableId,
        DestinationCidrBlock: "198.51.100.0/24",
        GatewayId: gateway,
      }),
    );
    const added = (await network()).rules.find(({ FromPort }) => FromPort === 8080)!.SecurityGroupRuleId!;
    // It leads to where the fleet is.
    const aws = `AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox aws --endpoint-url ${(await bench.sandbox()).endpoint}`;
    const revokes = `${aws} ec2 revoke-security-group-ingress --region ${REGION} --group-id ${group} --security-group-rule-ids ${added}`;
    const deletes = `${aws} ec2 delete-route --region ${REGION} --route-table-id ${table.RouteTableId} --destination-cidr-block 198.51.100.0/24`;
    const told = (drift: Drift[]) => drift.map(({ kind, was, heals }) => [kind, was, heals]);
    const expected = [
      ["rule", null, revokes],
      ["route", null, deletes],
    ];
    assert.deepEqual(told(await listed()), expected);
    const plan = await preview();
    assert.deepEqual([changing(plan), plan.resources, told(plan.drift)], [[], [], expected]);
    for (const command of ["list", "preview", "check"]) {
      const { stdout } = await bench.spot([command]);
      for (const way of [revokes, deletes]) assert.ok(stdout.includes(way), `${command}: ${stdout}`);
    }
    const up = await bench.spot(["up"]);
    assert.match(up.stdout, /Nothing to change/, textOf(up));
    assert.deepEqual(told(await listed()), expected, "it is still there");
    await client.send(new RevokeSecurityGroupIngressCommand({ GroupId: group, SecurityGroupRuleIds: [added] }));
    await client.send(
      new DeleteRouteCommand({ RouteTableId: table.RouteTableId, DestinationCidrBlock: "198.51.100.0/24" }),
    );
    assert.deepEqual(await listed(), []);
  });

  it("is replaced: an instance that was stopped", async () => {
    const [instance] = (await network()).instances;
    const id = instance!.InstanceId!;
    await client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    await until(`${id} is stopped`, async () =>
      (await bench.live([REGION])).instances.some((one) => one.InstanceId === id && one.State?.Name === "stopped"),
    );
    const before = await ids();
    const [found] = await listed();
    assert.deepEqual([found?.kind, found?.id, found?.is], ["instance", id, "stopped"]);
    const { stdout } = await bench.spot(["list"]);
    assert.match(
      stdout,
      new RegExp(`^${found?.node}: ${id} is stopped: .*\`up\` replaces it, and asks first\\.$`, "m"),
    );
    assert.deepEqual(
      changing(await preview()).map(({ name, kind, reason }) => [name, kind, reason]),
      [[found?.node, "replace", `drift: instance ${id} was stopped outside this tool`]],
    );
    const up = await bench.spot(["up", "--yes"]);
    assert.equal(up.code, DONE, textOf(up));
    const after = await ids();
    assert.deepEqual([after.includes(id), after.length], [false, 2]);
    assert.deepEqual(after.filter((one) => before.includes(one)).length, 1, "the other one is touched");
    await isWhole();
  });

  it("is said by `recover` and `check`, and healed by `repair` before it judges nodes", async () => {
    const before = await ids();
    await revoke(client, await network());
    const recover = await bench.spot(["recover"]);
    assert.match(recover.stdout, /^drift: us-west-2: rule .* was removed outside this tool\. `up` makes it again$/m);
    assert.match(recover.stdout, /^Record and cloud agree but for 1 difference made outside this tool/m);
    assert.match((await bench.spot(["check"])).stdout, /^drift: us-west-2: rule .* `up` makes it again$/m);
    const repair = await bench.spot(["repair"]);
    assert.equal(repair.code, DONE, textOf(repair));
    assert.deepEqual(await ids(), before);
    await isWhole();
  });

  it("lets a caller in whose rule was removed", async () => {
    bench.config({ [REGION]: 2 }, { top: ["market: on-demand", `ssh: {allow: [auto, ${OFFICE}]}`] });
    const first = await json<{ changed: boolean; caller: string }>(["allow-me"]);
    assert.equal(first.changed, true);
    assert.equal((await json<{ changed: boolean }>(["allow-me"])).changed, false);
    const { group, rules } = await network();
    const mine = rules.find(({ CidrIpv4 }) => CidrIpv4 === first.caller)!.SecurityGroupRuleId!;
    await client.send(new RevokeSecurityGroupIngressCommand({ GroupId: group, SecurityGroupRuleIds: [mine] }));
    assert.equal((await json<{ changed: boolean }>(["allow-me"])).changed, true);
    assert.ok((await network()).rules.some(({ CidrIpv4 }) => CidrIpv4 === first.caller));
    await isWhole();
  });

  it("is not known where AWS does not tell, and nothing fails because of it", async () => {
    const effect = { error: { code: "UnauthorizedOperation", status: 403, message: "You are not authorized" } };
    await bench.control("POST", "faults", [
      { action: "DescribeSecurityGroupRules", effect },
      { action: "DescribeRouteTables", effect },
    ]);
    const found = await json<{ drift: Drift[]; driftUnknown: string[] }>(["list"]);
    const { code, stderr } = await bench.spot(["list"]);
    await bench.control("DELETE", "faults");
    assert.deepEqual([found.drift, found.driftUnknown, code], [[], [REGION], 0]);
    assert.match(
      stderr,
      /^\[us-west-2\] WARNING: whether anything was changed outside this tool is not known: DescribeSecurityGroupRules/m,
    );
  });

  it("is made again: an instance that was ended", async () => {
    const [instance] = (await network()).instances;
    const id = instance!.InstanceId!;
    await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await until(`${id} has ended`, async () => !(await ids()).includes(id));
    const [found] = await listed();
    assert.deepEqual([found?.kind, found?.id, found?.is], ["instance", id, "terminated"]);
    assert.deepEqual(
      changing(await preview()).map(({ name, kind, reason }) => [name, kind, reason]),
      [[found?.node, "create", `drift: instance ${id} is gone`]],
    );
  });
});

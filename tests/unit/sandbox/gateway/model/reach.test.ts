import assert from "node:assert/strict";
import { reachIn, reachOf, type VpcParts } from "../../../../../sandbox/gateway/model/reach";
import { instancesOf, items, text, type Node } from "../../../../../sandbox/gateway/protocol/xml";
import { admissionRules } from "../../../../../sandbox/hosts/admission";
import { unreachable, type HostDriver } from "../../../../../sandbox/hosts/driver";
import { Instances } from "../../../../../sandbox/gateway/model/instances";
import { noHosts } from "../../../../../sandbox/hosts/no-hosts";
import { list, scriptedCloud, type Script } from "../../../../support/scripted-cloud";

const nodes = (value: object[]): Node[] => value as Node[];
const table = (id: string, association: object, ...routes: [string, string][]) => ({
  routeTableId: id,
  associationSet: list(association),
  routeSet: list(...routes.map(([destinationCidrBlock, gatewayId]) => ({ destinationCidrBlock, gatewayId }))),
});
const ssh = (cidrIp: string) => ({ ipProtocol: "tcp", fromPort: "22", toPort: "22", ipRanges: list({ cidrIp }) });
const everything = { ipProtocol: "-1", ipRanges: list({ cidrIp: "0.0.0.0/0" }) };

const gateway = { internetGatewayId: "igw-1" };
const main = table("rtb-main", { main: "true" }, ["10.0.0.0/16", "local"]);
const open = table("rtb-open", { subnetId: "subnet-open" }, ["10.0.0.0/16", "local"], ["0.0.0.0/0", "igw-1"]);
const group = { groupId: "sg-1", ipPermissions: list(ssh("198.18.7.1/32")), ipPermissionsEgress: list(everything) };
const other = { groupId: "sg-2", ipPermissions: list(everything), ipPermissionsEgress: list() };
const instance = { subnet: "subnet-open", groups: ["sg-1"] };
const sshRule = { protocol: "tcp", fromPort: 22, toPort: 22, cidr: "198.18.7.1/32" };
const allRule = { protocol: "-1", cidr: "0.0.0.0/0" };

describe("what reaches an instance in the sandbox", () => {
  const cases: [
    string,
    { tables?: object[]; gateways?: object[]; groups?: object[]; of?: Partial<typeof instance> },
    ReturnType<typeof reachIn>,
  ][] = [
    [
      "a gateway, a route and a rule: what the rule says",
      {},
      { internet: ["0.0.0.0/0"], ingress: [sshRule], egress: [allRule] },
    ],
    [
      "no gateway attached: nothing, though the route stands",
      { gateways: [] },
      { internet: [], ingress: [sshRule], egress: [allRule] },
    ],
    [
      "another gateway than the route's: nothing",
      { gateways: [{ internetGatewayId: "igw-2" }] },
      { internet: [], ingress: [sshRule], egress: [allRule] },
    ],
    [
      "no association with the table: what the main one says",
      { of: { subnet: "subnet-other" } },
      { internet: [], ingress: [sshRule], egress: [allRule] },
    ],
    [
      "a way out in the main table",
      { tables: [table("rtb-main", { main: "true" }, ["0.0.0.0/0", "igw-1"])] },
      { internet: ["0.0.0.0/0"], ingress: [sshRule], egress: [allRule] },
    ],
    [
      "a way to some addresses only",
      { tables: [table("rtb", { subnetId: "subnet-open" }, ["203.0.113.0/24", "igw-1"], ["0.0.0.0/0", "nat-1"])] },
      { internet: ["203.0.113.0/24"], ingress: [sshRule], egress: [allRule] },
    ],
    ["no group with a rule", { groups: [{ groupId: "sg-1" }] }, { internet: ["0.0.0.0/0"], ingress: [], egress: [] }],
    [
      "two groups: both",
      { of: { groups: ["sg-1", "sg-2"] } },
      { internet: ["0.0.0.0/0"], ingress: [sshRule, allRule], egress: [allRule] },
    ],
    [
      "a group's rule about another group: no address",
      {
        groups: [
          {
            groupId: "sg-1",
            ipPermissions: list({ ipProtocol: "-1", groups: list({ groupId: "sg-2" }), ipRanges: "" }),
          },
        ],
      },
      { internet: ["0.0.0.0/0"], ingress: [], egress: [] },
    ],
  ];
  for (const [
    what,
    { tables = [main, open], gateways = [gateway], groups = [group, other], of = {} },
    expected,
  ] of cases) {
    it(what, () => {
      const parts: VpcParts = {
        routeTables: nodes(tables),
        internetGateways: nodes(gateways),
        securityGroups: nodes(groups),
      };
      assert.deepEqual(reachIn(parts, { ...instance, ...of }), expected);
    });
  }

  const running = {
    instanceId: "i-01",
    instanceState: { name: "running" },
    vpcId: "vpc-1",
    subnetId: "subnet-open",
    networkInterfaceSet: list({ groupSet: list({ groupId: "sg-1" }) }),
  };
  const script: Script = {
    DescribeInstances: { reservationSet: list({ instancesSet: list(running) }) },
    DescribeRouteTables: { routeTableSet: list(main, open) },
    DescribeInternetGateways: (params) => ({
      internetGatewaySet: params.get("Filter.1.Value.1") === "vpc-1" ? list(gateway) : "",
    }),
    DescribeSecurityGroups: { securityGroupInfo: list(group, other) },
    RunInstances: { instancesSet: list(running) },
  };

  it("is read from the emulated state", async () => {
    const { cloud } = scriptedCloud(script);
    assert.deepEqual(await reachOf(cloud.moto, "us-west-2", "i-01"), {
      internet: ["0.0.0.0/0"],
      ingress: [sshRule],
      egress: [allRule],
    });
  });

  it("is looked up again after the launch and after each change of the region's network, and at no other call", async () => {
    const admitted: string[] = [];
    const driver: HostDriver = { ...noHosts, admit: (id) => Promise.resolve(void admitted.push(id)) };
    const { call, cloud } = scriptedCloud(script);
    cloud.instances = new Instances(driver, () => undefined);
    const after = async (action: string, region = "us-west-2"): Promise<number> => {
      admitted.length = 0;
      await call(action, {}, { region });
      await new Promise(setImmediate);
      return admitted.length;
    };
    assert.equal(await after("RunInstances"), 1);
    const changes = [
      "CreateRoute",
      "DeleteRoute",
      "ReplaceRoute",
      "AssociateRouteTable",
      "DisassociateRouteTable",
      "ReplaceRouteTableAssociation",
      "AttachInternetGateway",
      "DetachInternetGateway",
      "AuthorizeSecurityGroupIngress",
      "AuthorizeSecurityGroupEgress",
      "RevokeSecurityGroupIngress",
      "RevokeSecurityGroupEgress",
      "ModifySecurityGroupRules",
      "ModifyInstanceAttribute",
      "ModifyNetworkInterfaceAttribute",
    ];
    for (const action of changes) assert.equal(await after(action), 1, action);
    for (const action of [
      "DescribeRouteTables",
      "DescribeSecurityGroups",
      "DescribeInstances",
      "CreateSubnet",
      "CreateTags",
    ])
      assert.equal(await after(action), 0, action);
    assert.equal(await after("CreateRoute", "us-east-1"), 0, "another region");
  });
});

describe("a host's firewall", () => {
  const accepted = (reach: Parameters<typeof admissionRules>[0], chain: "input" | "output"): string[] => {
    const body = new RegExp(`chain ${chain} \\{([^}]*)\\}`).exec(admissionRules(reach))?.[1] ?? "";
    return body
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  };
  const inBefore = [
    "type filter hook input priority filter; policy drop",
    'iifname "lo" accept',
    "ip saddr 169.254.169.254 ct state established accept",
  ];
  const outBefore = [
    "type filter hook output priority filter; policy drop",
    'oifname "lo" accept',
    "ip daddr 169.254.169.254 accept",
  ];

  it("lets nothing through but the metadata service when there is no way", () => {
    for (const reach of [unreachable, { ...unreachable, ingress: [sshRule], egress: [allRule] }]) {
      assert.deepEqual(accepted(reach, "input"), inBefore);
      assert.deepEqual(accepted(reach, "output"), outBefore);
    }
  });

  it("lets in what both a route and a rule name, and the replies to what went out", () => {
    const reach = {
      internet: ["0.0.0.0/0"],
      ingress: [sshRule, { protocol: "udp", cidr: "10.0.0.0/8" }, { protocol: "icmp", cidr: "0.0.0.0/0" }],
      egress: [allRule],
    };
    assert.deepEqual(accepted(reach, "input"), [
      ...inBefore,
      "ip saddr 0.0.0.0/0 ct state established,related accept",
      "ip saddr 0.0.0.0/0 ip saddr 198.18.7.1/32 tcp dport 22-22 accept",
      "ip saddr 0.0.0.0/0 ip saddr 10.0.0.0/8 udp dport 0-65535 accept",
      "ip saddr 0.0.0.0/0 ip saddr 0.0.0.0/0 ip protocol icmp accept",
    ]);
    assert.deepEqual(accepted(reach, "output"), [
      ...outBefore,
      "ip daddr 0.0.0.0/0 ct state established,related accept",
      "ip daddr 0.0.0.0/0 ip daddr 0.0.0.0/0 accept",
    ]);
  });

  it("takes the place of the one before in one step", () =>
    assert.match(
      admissionRules(unreachable),
      /^\nadd table inet admission\ndelete table inet admission\ntable inet admission \{/,
    ));
});

describe("a new instance's id (eventual consistency)", () => {
  const born = { instanceId: "i-new", tagSet: list({ key: "a", value: "b" }) };
  const old = { instanceId: "i-old" };
  const script: Script = {
    RunInstances: { instancesSet: list(born) },
    DescribeInstances: {
      reservationSet: list({ instancesSet: list(old) }, { instancesSet: list(born) }),
      nextToken: "more",
    },
  };

  it("is refused by name and left out of listings for as long as it is set, and then known", async () => {
    const { call, cloud, setTime } = scriptedCloud(script);
    cloud.timings.newIdUnknownMs = 1_000;
    setTime(10_000);
    await call("RunInstances");
    const listed = async () =>
      instancesOf((await call("DescribeInstances")) as Node).map((instance) => text(instance, "instanceId"));
    const named = () => call("TerminateInstances", { "InstanceId.1": "i-new" });
    setTime(10_999);
    assert.deepEqual(await listed(), ["i-old"]);
    assert.equal(await named(), "InvalidInstanceID.NotFound");
    const page = (await call("DescribeInstances")) as Node;
    assert.deepEqual([items(page, "reservationSet").length, text(page, "nextToken")], [1, "more"]);
    setTime(11_000);
    assert.deepEqual(await listed(), ["i-old", "i-new"]);
    assert.equal(typeof (await named()), "object");
  });
});

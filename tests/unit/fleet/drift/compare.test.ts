import assert from "node:assert/strict";
import { AwsType } from "../../../../fleet/aws/resource-types";
import { driftIn } from "../../../../fleet/drift/compare";
import { driftLine } from "../../../../fleet/drift/words";
import type { FoundDrift, Recorded, SeenRegion, SeenRule, SeenTable } from "../../../../fleet/drift/types";

const REGION = "us-west-2";
const PLACE = { region: REGION, awsCli: "aws --profile p" };

function recorded(type: string, id: string, inputs: Recorded["inputs"] = {}, node?: string): Recorded {
  return { urn: `urn:${id}`, type, id, inputs, node };
}

const tcp22 = { ipProtocol: "tcp", fromPort: 22, toPort: 22 };
const RECORD: readonly Recorded[] = [
  recorded(AwsType.vpc, "vpc-1"),
  recorded(AwsType.subnet, "subnet-1"),
  recorded(AwsType.internetGateway, "igw-1", { vpcId: "vpc-1" }),
  recorded(AwsType.routeTable, "rtb-1"),
  recorded(AwsType.route, "r-1", { routeTableId: "rtb-1", destinationCidrBlock: "0.0.0.0/0", gatewayId: "igw-1" }),
  recorded(AwsType.association, "rtbassoc-1", { routeTableId: "rtb-1", subnetId: "subnet-1" }),
  recorded(AwsType.securityGroup, "sg-1"),
  recorded(AwsType.ingressRule, "sgr-4", {
    securityGroupId: "sg-1",
    ...tcp22,
    cidrIpv4: "203.0.113.0/24",
    description: "SSH",
  }),
  recorded(AwsType.ingressRule, "sgr-6", {
    securityGroupId: "sg-1",
    ...tcp22,
    cidrIpv6: "2001:0db8::/64",
    description: "SSH",
  }),
  recorded(AwsType.egressRule, "sgr-out", {
    securityGroupId: "sg-1",
    ipProtocol: "-1",
    cidrIpv4: "0.0.0.0/0",
    description: "everything out",
  }),
  recorded(AwsType.instance, "i-1", { vpcSecurityGroupIds: ["sg-1", "sg-named"] }, "us-west-2-0"),
];

const rule = (id: string, more: Partial<SeenRule>): SeenRule => ({
  id,
  group: "sg-1",
  isEgress: false,
  protocol: "tcp",
  fromPort: 22,
  toPort: 22,
  description: "SSH",
  ...more,
});

const RULES: readonly SeenRule[] = [
  rule("sgr-4", { cidrIpv4: "203.0.113.0/24" }),
  rule("sgr-6", { cidrIpv6: "2001:db8::/64" }),
  {
    id: "sgr-out",
    group: "sg-1",
    isEgress: true,
    protocol: "-1",
    cidrIpv4: "0.0.0.0/0",
    description: "everything out",
  },
];

const TABLE: SeenTable = {
  id: "rtb-1",
  routes: [
    { destination: "10.42.0.0/16", target: "local", isMade: false },
    { destination: "0.0.0.0/0", target: "igw-1", isMade: true },
  ],
  associations: [{ id: "rtbassoc-1", subnet: "subnet-1" }],
};
const MAIN: SeenTable = { id: "rtb-main", routes: [], associations: [] };

/** Just what is recorded. */
const SAME: Required<SeenRegion> = {
  instances: new Map([["i-1", { state: "running", groups: ["sg-named", "sg-1"] }]]),
  gateways: new Map([["igw-1", ["vpc-1"]]]),
  rules: RULES,
  tables: [TABLE, MAIN],
  present: new Set(["vpc-1", "subnet-1", "igw-1", "rtb-1", "sg-1", "i-1"]),
};

const without = (id: string): Pick<SeenRegion, "rules"> => ({ rules: RULES.filter((one) => one.id !== id) });
const changed = (id: string, more: Partial<SeenRule>): Pick<SeenRegion, "rules"> => ({
  rules: RULES.map((one) => (one.id === id ? { ...one, ...more } : one)),
});
const tables = (own: Partial<SeenTable>, main: Partial<SeenTable> = {}): Pick<SeenRegion, "tables"> => ({
  tables: [
    { ...TABLE, ...own },
    { ...MAIN, ...main },
  ],
});
const absent = (id: string): Pick<SeenRegion, "present"> => ({
  present: new Set([...SAME.present].filter((one) => one !== id)),
});
const instance = (state: string, groups = ["sg-1", "sg-named"]): Pick<SeenRegion, "instances"> => ({
  instances: new Map([["i-1", { state, groups }]]),
});

type Told = Pick<FoundDrift, "kind" | "id" | "was" | "is"> &
  Partial<Pick<FoundDrift, "heals" | "properties" | "inTheWay">>;

const SSH = "tcp 22 from 203.0.113.0/24 (SSH)";
const OUT = "0.0.0.0/0 by igw-1";
const GOES = "subnet-1 goes by rtb-1";

/** Each kind of drift. To add one, add a row. */
const ROWS: readonly [what: string, seen: Partial<SeenRegion>, told: Told][] = [
  ["a removed rule", without("sgr-4"), { kind: "rule", id: "sgr-4", was: SSH, is: null, inTheWay: [] }],
  [
    "a removed way out",
    without("sgr-out"),
    { kind: "rule", id: "sgr-out", was: "everything to 0.0.0.0/0 (everything out)", is: null },
  ],
  [
    "another block",
    changed("sgr-4", { cidrIpv4: "0.0.0.0/0" }),
    { kind: "rule", id: "sgr-4", was: SSH, is: "tcp 22 from 0.0.0.0/0 (SSH)", properties: ["cidrIpv4"] },
  ],
  [
    "other ports",
    changed("sgr-4", { toPort: 23 }),
    { kind: "rule", id: "sgr-4", was: SSH, is: "tcp 22-23 from 203.0.113.0/24 (SSH)", properties: ["toPort"] },
  ],
  [
    "another description",
    changed("sgr-4", { description: undefined }),
    { kind: "rule", id: "sgr-4", was: SSH, is: "tcp 22 from 203.0.113.0/24", properties: ["description"] },
  ],
  [
    "a removed route",
    tables({ routes: TABLE.routes.slice(0, 1) }),
    { kind: "route", id: "rtb-1 0.0.0.0/0", was: OUT, is: null, properties: [] },
  ],
  [
    "a route that leads elsewhere",
    tables({ routes: [{ destination: "0.0.0.0/0", target: "eni-1", isMade: true }] }),
    { kind: "route", id: "rtb-1 0.0.0.0/0", was: OUT, is: "0.0.0.0/0 by eni-1", properties: ["gatewayId"] },
  ],
  [
    "a removed association",
    tables({ associations: [] }),
    { kind: "association", id: "rtbassoc-1", was: GOES, is: null, inTheWay: [] },
  ],
  [
    "an association with another table",
    tables({ associations: [] }, { associations: [{ id: "rtbassoc-2", subnet: "subnet-1" }] }),
    {
      kind: "association",
      id: "rtbassoc-1",
      was: GOES,
      is: "subnet-1 goes by rtb-main",
      inTheWay: ["rtbassoc-2"],
    },
  ],
  [
    "a gateway that is detached",
    { gateways: new Map([["igw-1", []]]) },
    {
      kind: "gateway",
      id: "igw-1",
      was: "attached to vpc-1",
      is: "attached to no VPC",
      properties: ["vpcId"],
    },
  ],
  ["a removed gateway", { gateways: new Map() }, { kind: "gateway", id: "igw-1", was: "igw-1", is: null }],
  ["a removed VPC", absent("vpc-1"), { kind: "vpc", id: "vpc-1", was: "vpc-1", is: null }],
  ["a removed subnet", absent("subnet-1"), { kind: "subnet", id: "subnet-1", was: "subnet-1", is: null }],
  ["a removed group", absent("sg-1"), { kind: "security-group", id: "sg-1", was: "sg-1", is: null }],
  ["a removed table", absent("rtb-1"), { kind: "route-table", id: "rtb-1", was: "rtb-1", is: null }],
  [
    "another group",
    instance("running", ["sg-1", "sg-2"]),
    {
      kind: "security-groups",
      id: "i-1",
      was: "sg-1, sg-named",
      is: "sg-1, sg-2",
      properties: ["vpcSecurityGroupIds"],
    },
  ],
  [
    "a group less",
    instance("running", ["sg-1"]),
    { kind: "security-groups", id: "i-1", was: "sg-1, sg-named", is: "sg-1" },
  ],
  [
    "a stopped instance",
    instance("stopped"),
    { kind: "instance", id: "i-1", was: "running", is: "stopped", heals: "`up` replaces its node, and asks first" },
  ],
  ["an instance that stops", instance("stopping"), { kind: "instance", id: "i-1", was: "running", is: "stopping" }],
  ["an ended instance", instance("terminated", []), { kind: "instance", id: "i-1", was: "running", is: "terminated" }],
  ["an instance that is gone", { instances: new Map() }, { kind: "instance", id: "i-1", was: "running", is: null }],
  [
    "a foreign rule",
    { rules: [...RULES, rule("sgr-9", { fromPort: 8080, toPort: 8080, cidrIpv4: "0.0.0.0/0", description: "mine" })] },
    {
      kind: "rule",
      id: "sgr-9",
      was: null,
      is: "tcp 8080 from 0.0.0.0/0 (mine)",
      heals:
        "aws --profile p ec2 revoke-security-group-ingress --region us-west-2 --group-id sg-1 --security-group-rule-ids sgr-9",
    },
  ],
  [
    "a foreign rule for what goes out",
    { rules: [...RULES, { ...rule("sgr-9", { referencedGroup: "sg-2", description: undefined }), isEgress: true }] },
    {
      kind: "rule",
      id: "sgr-9",
      was: null,
      is: "tcp 22 to sg-2",
      heals:
        "aws --profile p ec2 revoke-security-group-egress --region us-west-2 --group-id sg-1 --security-group-rule-ids sgr-9",
    },
  ],
  [
    "a rule such as this program makes",
    { rules: [...RULES, rule("sgr-9", { cidrIpv4: "198.51.100.7/32" })] },
    { kind: "rule", id: "sgr-9", was: null, is: "tcp 22 from 198.51.100.7/32 (SSH)", heals: "`up` takes it away" },
  ],
  ...(
    [
      ["pl-1", "igw-1", "delete-route --region us-west-2 --route-table-id rtb-1 --destination-prefix-list-id pl-1"],
      ["::/0", "igw-1", "delete-route --region us-west-2 --route-table-id rtb-1 --destination-ipv6-cidr-block ::/0"],
      [
        "10.0.0.0/8",
        "pcx-1",
        "delete-route --region us-west-2 --route-table-id rtb-1 --destination-cidr-block 10.0.0.0/8",
      ],
      [
        "pl-2",
        "vpce-1",
        "modify-vpc-endpoint --region us-west-2 --vpc-endpoint-id vpce-1 --remove-route-table-ids rtb-1",
      ],
    ] as const
  ).map(([destination, target, command]): [string, Partial<SeenRegion>, Told] => [
    `a foreign route to ${destination} by ${target}`,
    tables({ routes: [...TABLE.routes, { destination, target, isMade: true }] }),
    {
      kind: "route",
      id: `rtb-1 ${destination}`,
      was: null,
      is: `${destination} by ${target}`,
      heals: `aws --profile p ec2 ${command}`,
    },
  ]),
  [
    "a foreign association with a table of ours",
    tables({ associations: [...TABLE.associations, { id: "rtbassoc-9", subnet: "subnet-9" }] }),
    { kind: "association", id: "rtbassoc-9", was: null, is: "subnet-9 goes by rtb-1", heals: "`up` takes it away" },
  ],
];

describe("what differs between the record and the cloud", () => {
  it("is nothing where nothing was done, however AWS writes it", () => {
    assert.deepEqual(driftIn(PLACE, RECORD, SAME), []);
  });

  it("is nothing where nothing could be looked at", () => {
    assert.deepEqual(driftIn(PLACE, RECORD, {}), []);
  });

  for (const [what, seen, told] of ROWS)
    it(`is told of ${what}, and of nothing else`, () => {
      const [found, ...others] = driftIn(PLACE, RECORD, { ...SAME, ...seen });
      assert.deepEqual(others, []);
      assert.deepEqual({ ...found, ...told }, found);
      assert.deepEqual([found?.region, found?.urn === undefined], [REGION, told.was === null]);
      assert.match(
        driftLine(found!),
        /^us-west-2(, us-west-2-0)?: .+\. (`up` .+|This removes it: aws --profile p ec2 .+)$/,
      );
    });

  it("has in the way what stands in the place of a removed rule, which is healed by making it anew", () => {
    const again = rule("sgr-9", { cidrIpv4: "203.0.113.0/24", description: "by hand" });
    const found = driftIn(PLACE, RECORD, { ...SAME, rules: [...(without("sgr-4").rules ?? []), again] });
    assert.deepEqual(
      found.map(({ id, inTheWay, heals }) => [id, inTheWay, heals]),
      [
        ["sgr-4", ["sgr-9"], "`up` makes it again"],
        ["sgr-9", [], "`up` puts its own in the place of it"],
      ],
    );
  });

  it("is taken away where AWS put it into a group that was not finished, and is somebody's in any other", () => {
    const byAws = rule("sgr-9", {
      isEgress: true,
      protocol: "-1",
      fromPort: undefined,
      toPort: undefined,
      cidrIpv6: "::/0",
      description: undefined,
    });
    const seen = { ...SAME, rules: [...(without("sgr-out").rules ?? []), byAws] };
    const heals = (record: readonly Recorded[]) =>
      driftIn(PLACE, record, seen).flatMap(({ id, heals }) => (id === "sgr-9" ? heals : []));
    const unfinished = RECORD.filter(({ id }) => id !== "sgr-out" && id !== "i-1");
    assert.deepEqual(heals(unfinished), ["`up` takes it away"]);
    for (const finished of [RECORD, RECORD.filter(({ id }) => id !== "sgr-out")])
      assert.match(heals(finished).join(), /revoke-security-group-egress .*sgr-9/);
  });

  it("is told of an instance by its node, and of everything that is recorded by its URN", () => {
    const [found] = driftIn(PLACE, RECORD, { ...SAME, ...instance("stopped") });
    assert.deepEqual([found?.node, found?.urn], ["us-west-2-0", "urn:i-1"]);
  });

  it("is no other network's: rules and routes of groups and tables that are not recorded", () => {
    const rules = [...RULES, rule("sgr-9", { group: "sg-9", cidrIpv4: "0.0.0.0/0", description: undefined })];
    const route = { destination: "0.0.0.0/0", target: "nat-1", isMade: true };
    assert.deepEqual(driftIn(PLACE, RECORD, { ...SAME, rules, ...tables({}, { routes: [route] }) }), []);
  });
});

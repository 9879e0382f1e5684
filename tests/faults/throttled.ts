import { DONE, throttled, type Fault, type Scenario } from "./scenarios";

/** What `up` and `down` ask of AWS where nothing goes wrong, for one node in one region. A test holds it to the gateway's count. */
export const actions = {
  up: [
    "AssociateRouteTable",
    "AttachInternetGateway",
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CreateInternetGateway",
    "CreateInternetGateway?DryRun",
    "CreateRoute",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "CreateSecurityGroup?DryRun",
    "CreateSubnet",
    "CreateTags",
    "CreateTags?DryRun",
    "CreateVpc",
    "CreateVpc?DryRun",
    "DescribeAvailabilityZones",
    "DescribeImages",
    "DescribeInstanceAttribute?DryRun",
    "DescribeInstanceCreditSpecifications",
    "DescribeInstanceCreditSpecifications?DryRun",
    "DescribeInstanceTypeOfferings",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeInternetGateways",
    "DescribeInternetGateways?DryRun",
    "DescribeNetworkAcls",
    "DescribeNetworkAcls?DryRun",
    "DescribeNetworkInterfaces?DryRun",
    "DescribeRegions",
    "DescribeRouteTables",
    "DescribeRouteTables?DryRun",
    "DescribeSecurityGroupRules",
    "DescribeSecurityGroupRules?DryRun",
    "DescribeSecurityGroups",
    "DescribeSecurityGroups?DryRun",
    "DescribeSpotInstanceRequests",
    "DescribeSpotInstanceRequests?DryRun",
    "DescribeSpotPriceHistory",
    "DescribeSubnets",
    "DescribeSubnets?DryRun",
    "DescribeTags?DryRun",
    "DescribeVolumes",
    "DescribeVolumes?DryRun",
    "DescribeVpcAttribute",
    "DescribeVpcAttribute?DryRun",
    "DescribeVpcs",
    "DescribeVpcs?DryRun",
    "GetCallerIdentity",
    "GetParameter",
    "GetServiceQuota",
    "ModifyVpcAttribute",
    "RevokeSecurityGroupEgress",
    "RunInstances",
    "RunInstances?DryRun",
  ],
  down: [
    "CancelSpotInstanceRequests",
    "DeleteInternetGateway",
    "DeleteRoute",
    "DeleteRouteTable",
    "DeleteSecurityGroup",
    "DeleteSubnet",
    "DeleteVpc",
    "DescribeAddresses",
    "DescribeEgressOnlyInternetGateways",
    "DescribeInstances",
    "DescribeInternetGateways",
    "DescribeNatGateways",
    "DescribeNetworkAcls",
    "DescribeNetworkInterfaces",
    "DescribeRouteTables",
    "DescribeSecurityGroups",
    "DescribeSubnets",
    "DescribeVolumes",
    "DescribeVpcEndpoints",
    "DescribeVpcPeeringConnections",
    "DescribeVpcs",
    "DescribeVpnGateways",
    "DetachInternetGateway",
    "DisassociateRouteTable",
    "GetCallerIdentity",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
    "TerminateInstances",
  ],
} as const;

/** Asked once a run, wherever the nodes are. */
const ONCE: ReadonlySet<string> = new Set(["DescribeRegions", "GetCallerIdentity"]);

/** Of the regions that every account has. */
const REGIONS = [
  "us-east-1",
  "us-west-1",
  "us-west-2",
  "ap-northeast-1",
  "ap-northeast-2",
  "ap-south-1",
  "ap-southeast-1",
  "ap-southeast-2",
  "ca-central-1",
  "eu-central-1",
  "eu-north-1",
  "eu-west-1",
  "eu-west-2",
  "sa-east-1",
];

/** As often as the provider tries a call, so that the fleet must try it again; our own calls are tried once more by the SDK. */
const TIMES = 3;

/**
 * Each action throttled and then let through: no node may be missing for it, or left over. A fleet of one node a region
 * meets as many of them in one run, each in a region of its own.
 */
export const throttledScenarios: readonly Scenario[] = [
  ...runsOf(actions.up).map(
    (faults): Scenario => ({ ...sceneOf("up", faults), expect: { exit: DONE, nodes: faults.length, struck: true } }),
  ),
  ...runsOf(actions.down).map((faults): Scenario => {
    const scene = sceneOf("down", faults);
    return {
      ...scene,
      standing: { counts: scene.counts },
      command: ["down"],
      expect: { exit: 0, nodes: 0, struck: true },
    };
  }),
];

function runsOf(all: readonly string[]): Fault[][] {
  const faults = all.map(
    (action, n): Fault => ({
      action,
      times: TIMES,
      effect: throttled,
      ...(ONCE.has(action) ? {} : { region: REGIONS[n % REGIONS.length] }),
    }),
  );
  return Array.from({ length: Math.ceil(faults.length / REGIONS.length) }, (_, n) =>
    faults.slice(n * REGIONS.length, (n + 1) * REGIONS.length),
  );
}

function sceneOf(
  command: string,
  faults: readonly Fault[],
): { name: string; counts: Record<string, number>; faults: Fault[] } {
  return {
    name: `each action throttled, in a region of its own, during ${command}: ${faults[0]?.action} to ${faults.at(-1)?.action}`,
    counts: Object.fromEntries(faults.map((_, at) => [REGIONS[at]!, 1])),
    faults: [...faults],
  };
}

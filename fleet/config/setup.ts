/** What `setup` finds out. */
export interface SetupAnswers {
  regions: string[];
  count: number;
  machineType: string;
  /** Path; absent: a pair is made for the fleet. */
  privateKey: string | undefined;
}

/** How many regions `setup` proposes. */
const PROPOSED = 3;

/** Regions to propose, nearest first, and how that was found: a phrase for whoever is asked. */
export interface RegionProposal {
  regions: string[];
  because: string;
}

/**
 * The regions whose APIs answered fastest. Where too few answered (no network, a proxy, an emulated AWS), those near
 * the clock's time zone.
 * @param latencies milliseconds by region
 */
export function proposedRegions(latencies: ReadonlyMap<string, number>, timeZone: string): RegionProposal {
  const nearest = [...latencies].sort(([, a], [, b]) => a - b).slice(0, PROPOSED);
  if (nearest.length === PROPOSED) {
    return {
      regions: nearest.map(([region]) => region),
      because: `nearest by latency: ${nearest.map(([region, ms]) => `${region} ${Math.round(ms)} ms`).join(", ")}`,
    };
  }
  return {
    regions: NEAR.find(({ zone }) => zone.test(timeZone))?.regions ?? ELSEWHERE,
    because: `by the time zone ${timeZone}: the latency of AWS's regions could not be measured`,
  };
}

/** Regions near a time zone (IANA name), all of them enabled in every account: where the clock is set is a fair guess. */
const NEAR: { zone: RegExp; regions: string[] }[] = [
  { zone: /^Europe\//, regions: ["eu-west-1", "eu-central-1", "eu-north-1"] },
  { zone: /^Africa\//, regions: ["eu-west-1", "eu-west-3", "eu-central-1"] },
  {
    zone: /^Asia\/(Kolkata|Calcutta|Colombo|Dhaka|Karachi|Kathmandu)$/,
    regions: ["ap-south-1", "ap-southeast-1", "eu-central-1"],
  },
  { zone: /^Asia\//, regions: ["ap-northeast-1", "ap-southeast-1", "ap-south-1"] },
  { zone: /^(Australia|Pacific)\//, regions: ["ap-southeast-2", "ap-southeast-1", "us-west-2"] },
  { zone: /^America\/(Sao_Paulo|Argentina.*|Santiago|Montevideo)$/, regions: ["sa-east-1", "us-east-1", "us-east-2"] },
];
const ELSEWHERE = ["us-west-2", "us-east-1", "eu-west-1"];

/** The answers as a config.yaml. */
export function setupText({ regions, count, machineType, privateKey }: SetupAnswers): string {
  return [
    "# yaml-language-server: $schema=./config.schema.json",
    "# The fleet. config.example.yaml documents every key.",
    "aws:",
    `  total_instances: ${count}`,
    "  username: ubuntu",
    ...(privateKey === undefined ? [] : [`  private_ssh_key_path: ${JSON.stringify(privateKey)}`]),
    "",
    "regions:",
    ...regions.flatMap((region) => [
      `  - ${region}:`,
      `      machine_type: ${/^[\w.-]+$/.test(machineType) ? machineType : JSON.stringify(machineType)}`,
      "      image: auto",
    ]),
    "",
  ].join("\n");
}

/**
 * The regions of AWS's standard partition, as of November 2026 (AWS documentation, "AWS Regions"; the same 34 that
 * DescribeRegions lists with AllRegions). GovCloud and China are other partitions, with accounts, images and
 * endpoints of their own: not supported.
 *
 * `optIn`: switched off in a new account until its owner enables the region. That is the account's matter, asked of
 * AWS before anything is made there; this table only words the advice.
 */
export const awsRegions = {
  "af-south-1": { city: "Cape Town", optIn: true },
  "ap-east-1": { city: "Hong Kong", optIn: true },
  "ap-east-2": { city: "Taipei", optIn: true },
  "ap-northeast-1": { city: "Tokyo", optIn: false },
  "ap-northeast-2": { city: "Seoul", optIn: false },
  "ap-northeast-3": { city: "Osaka", optIn: false },
  "ap-south-1": { city: "Mumbai", optIn: false },
  "ap-south-2": { city: "Hyderabad", optIn: true },
  "ap-southeast-1": { city: "Singapore", optIn: false },
  "ap-southeast-2": { city: "Sydney", optIn: false },
  "ap-southeast-3": { city: "Jakarta", optIn: true },
  "ap-southeast-4": { city: "Melbourne", optIn: true },
  "ap-southeast-5": { city: "Malaysia", optIn: true },
  "ap-southeast-6": { city: "New Zealand", optIn: true },
  "ap-southeast-7": { city: "Thailand", optIn: true },
  "ca-central-1": { city: "Canada (Central)", optIn: false },
  "ca-west-1": { city: "Calgary", optIn: true },
  "eu-central-1": { city: "Frankfurt", optIn: false },
  "eu-central-2": { city: "Zurich", optIn: true },
  "eu-north-1": { city: "Stockholm", optIn: false },
  "eu-south-1": { city: "Milan", optIn: true },
  "eu-south-2": { city: "Spain", optIn: true },
  "eu-west-1": { city: "Ireland", optIn: false },
  "eu-west-2": { city: "London", optIn: false },
  "eu-west-3": { city: "Paris", optIn: false },
  "il-central-1": { city: "Tel Aviv", optIn: true },
  "me-central-1": { city: "UAE", optIn: true },
  "me-south-1": { city: "Bahrain", optIn: true },
  "mx-central-1": { city: "Mexico (Central)", optIn: true },
  "sa-east-1": { city: "São Paulo", optIn: false },
  "us-east-1": { city: "N. Virginia", optIn: false },
  "us-east-2": { city: "Ohio", optIn: false },
  "us-west-1": { city: "N. California", optIn: false },
  "us-west-2": { city: "Oregon", optIn: false },
} as const satisfies Record<string, { city: string; optIn: boolean }>;

export type AwsRegion = keyof typeof awsRegions;

export const awsRegionNames = Object.keys(awsRegions) as AwsRegion[];

export function isAwsRegion(name: string): name is AwsRegion {
  return Object.hasOwn(awsRegions, name);
}

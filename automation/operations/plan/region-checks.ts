import type { FleetConfig } from "../../../fleet/config";
import { errorInfo, isSpotError, SpotError, type ErrorInfo } from "../../../fleet/errors";
import { again, outside } from "../../../fleet/steps";
import { poolText } from "../../../fleet/aws/pools";
import { ownerTags } from "../../../fleet/identity/tags";
import { pluralize } from "../../../fleet/text/words";
import { hasInstanceProfile } from "../../../cloud/instance-profiles";
import { hasKeyPair } from "../../../cloud/key-pairs";
import { lookUpNetwork } from "../../../cloud/offerings/regions";
import { deniedActions, NOTHING, type Standing } from "../../../cloud/permissions";
import { standingIn } from "../../../cloud/resources/standing";
import { vcpuQuota, vcpusOfOthers } from "../../../cloud/offerings/quotas";
import type { Session } from "../../session";
import { requestFor, type Offered, type Offers } from "../../../cloud/offerings/offers";

/** What a check found wrong, with what to do about it. */
export interface Finding {
  check: string;
  level: "error" | "warning";
  error: ErrorInfo;
}

export interface RegionReport {
  region: string;
  /** Nodes asked for there. */
  nodes: number;
  findings: Finding[];
  /** The pool that the next node would go to, with its price when it is known. */
  pool?: string;
  /** vCPUs that the nodes need and that the quota leaves, when AWS told it. */
  vcpus?: { wanted: number; free: number };
}

interface RegionFacts {
  session: Session;
  config: FleetConfig;
  region: string;
  nodes: number;
  offer: NonNullable<Offered["offer"]>;
  report: RegionReport;
  command: "check" | "up";
}

/** The questions to one region, asked all at once. Each answers with what is wrong. To add one, add a row. */
const REGION_CHECKS: readonly { check: string; ask: (facts: RegionFacts) => Promise<Finding[]> }[] = [
  { check: "permissions", ask: permissions },
  { check: "quota", ask: quota },
  { check: "key pair", ask: keyPair },
  { check: "network", ask: network },
  { check: "instance profile", ask: instanceProfile },
];

/** One region's report. @throws SpotError E_CREDENTIALS */
export async function regionReport(
  session: Session,
  config: FleetConfig,
  region: string,
  nodes: number,
  offers: Offers,
  command: "check" | "up",
): Promise<RegionReport> {
  const report: RegionReport = { region, nodes, findings: [] };
  const { offer, candidates, error } = await offers.of(region);
  if (!offer) {
    report.findings.push(findingOf("offer", error));
    // Of what is not allowed, all is named at once.
    if (error.code === "E_PERMISSION")
      report.findings.push(...(await permissions({ session, config, region, command })));
    return report;
  }
  const [first] = candidates;
  if (first) report.pool = `${poolText(first.pool)}${first.price === undefined ? "" : `, ${first.price} USD/h`}`;
  const facts = { session, config, region, nodes, offer, report, command };
  const answers = await Promise.all(
    REGION_CHECKS.map(async ({ check, ask }) => {
      try {
        return await ask(facts);
      } catch (cause) {
        if (isSpotError(cause) && cause.code === "E_CREDENTIALS") throw cause;
        // A question that AWS does not answer (a role that may not read quotas) is no reason against the region.
        return [{ ...findingOf(check, errorInfo(cause)), level: "warning" as const }];
      }
    }),
  );
  report.findings.push(...answers.flat());
  return report;
}

export const findingOf = (check: string, error: ErrorInfo): Finding => ({ check, level: "error", error });

async function permissions({
  session,
  config,
  region,
  offer,
  command,
}: Omit<RegionFacts, "nodes" | "report" | "offer"> & Partial<Pick<RegionFacts, "offer">>): Promise<Finding[]> {
  const { machineTypes, network } = requestFor(config, region);
  const type = offer?.types[0] ?? { ami: NOTHING.image, name: machineTypes[0] ?? "" };
  const owner = { lineage: session.lineage, stack: session.target.stack, extra: config.tags };
  const denied = await deniedActions(
    session.cloud,
    region,
    {
      ami: type.ami,
      machineType: type.name,
      market: config.markets[0] ?? "spot",
      keyName: config.ssh.keyName,
      profile: config.instanceProfile,
      vpc: network === "create" ? undefined : offer && offer.pin.network !== "create" ? offer.pin.vpcId : NOTHING.vpc,
      tags: ownerTags(owner, `${owner.stack}-${region}`),
    },
    command === "up" ? { command } : { command, standing: await standing(session, region) },
  );
  const [first] = denied;
  if (first === undefined) return [];
  return [
    findingOf(
      "permissions",
      errorInfo(
        new SpotError("E_PERMISSION", {
          message: `${region}: not allowed: ${denied.map(({ action }) => action).join(", ")}`,
          next: first.next,
          step: first.step,
        }),
      ),
    ),
  ];
}

/** Nothing where it cannot be looked at: by what is not allowed then, the answer says so. */
async function standing({ cloud, lineage }: Session, region: string): Promise<Standing> {
  try {
    return await standingIn(cloud, lineage, region);
  } catch (error) {
    if (isSpotError(error) && error.code === "E_PERMISSION") return {};
    throw error;
  }
}

async function quota({ session, config, region, nodes, offer, report }: RegionFacts): Promise<Finding[]> {
  const [type] = offer.types;
  const [market] = config.markets;
  if (!type || !market) return [];
  const [limit, others] = await Promise.all([
    vcpuQuota(session.cloud, region, type.name, market),
    vcpusOfOthers(session.cloud, region, session.lineage, market),
  ]);
  if (!limit) return [];
  const wanted = nodes * type.vcpus;
  const free = Math.max(0, limit.limit - others);
  report.vcpus = { wanted, free };
  if (wanted <= free) return [];
  const error = errorInfo(
    new SpotError("E_NO_POOL", {
      class: "quota",
      message: `${region}: ${pluralize(nodes, "node")} would take ${pluralize(wanted, "vCPU")} (${market}), the quota leaves ${free} of ${limit.limit}: ${pluralize(Math.floor(free / type.vcpus), "node")} at most`,
      next: `Ask for a higher quota (\`${session.cloud.cli} service-quotas request-service-quota-increase --service-code ec2 --quota-code ${limit.code} --desired-value ${wanted + others} --region ${region}\`), or ask for fewer nodes.`,
      step: outside("change-account", again()),
    }),
  );
  // AWS judges the launch: its own count may be newer, and the nodes for which there is room are made.
  return [{ check: "quota", level: "warning", error }];
}

async function keyPair({ session, config, region }: RegionFacts): Promise<Finding[]> {
  const { keyName } = config.ssh;
  if (keyName === undefined || (await hasKeyPair(session.cloud, region, keyName))) return [];
  const next = `Import it there (\`${session.cloud.cli} ec2 import-key-pair --region ${region} --key-name ${keyName} …\`), or remove aws.ssh_key_name.`;
  const step = outside("change-account", again());
  return [
    findingOf(
      "key pair",
      errorInfo(new SpotError("E_SSH_KEY", { message: `${region} has no key pair ${keyName}`, next, step })),
    ),
  ];
}

/** What was decided once is kept, so a network or group that is named now may never have been looked for. */
async function network({ session, config, region, offer }: RegionFacts): Promise<Finding[]> {
  if (offer.pin.network === "create") return [];
  try {
    await lookUpNetwork(session.cloud, { ...requestFor(config, region), network: offer.pin.vpcId });
    return [];
  } catch (error) {
    if (isSpotError(error) && error.code === "E_NETWORK") return [findingOf("network", errorInfo(error))];
    throw error;
  }
}

async function instanceProfile({ session, config, region }: RegionFacts): Promise<Finding[]> {
  const { instanceProfile: name } = config;
  if (name === undefined || (await hasInstanceProfile(session.cloud, region, name))) return [];
  const next = `Make it (\`${session.cloud.cli} iam create-instance-profile --instance-profile-name ${name}\`, then add its role), name another one, or remove aws.iam_instance_profile.`;
  const step = outside("change-account", again());
  return [
    findingOf(
      "instance profile",
      errorInfo(
        new SpotError("E_INSTANCE_PROFILE", { message: `the account has no instance profile ${name}`, next, step }),
      ),
    ),
  ];
}

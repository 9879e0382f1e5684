import { spotStatusText } from "../aws/spot-requests";
import { isWithin } from "../config/cidr";
import { AS_CATALOGUED, type Advice, type OwnAdvice } from "../errors";
import { MANAGED_BY, Tag } from "../model";
import { NODE, outside, spot } from "../steps";
import { shellQuote } from "../text/shell-quote";
import { capitalized } from "../text/words";
import type { Check, CloudFacts, GroupFacts, Lookup, NodeExpectation, Verdict } from "./types";
import { joinList, fromLookup, notLookedAt, QUICK, REPLACE, correctConfiguration, expectFields } from "./expectations";

/** What a person would ask AWS to see the same. */
const aws = (call: string, { awsCli, region }: NodeExpectation): string => `${awsCli} ec2 ${call} --region ${region}`;
const describe = (node: NodeExpectation): string => aws(`describe-instances --instance-ids ${node.instanceId}`, node);
const ofInstance = (call: string, node: NodeExpectation): string =>
  aws(
    `${call} --filters Name=${call === "describe-volumes" ? "attachment." : ""}instance-id,Values=${node.instanceId}`,
    node,
  );

/** What a call of its own answered. Where the instances could not be listed, no other call was made. */
const asked = <T>({ unanswered }: CloudFacts, fact: Lookup<T> | undefined): Lookup<T> | undefined =>
  unanswered === undefined ? fact : { failure: unanswered };

const LET_IN = { next: "Run `allow-me`: it lets your address in.", step: spot("allow-me") };
/** Only the configuration can let anybody in. */
const NAME_ADDRESS = correctConfiguration(
  "`ssh.allow` names fixed addresses only: add `auto` or your address to it in config.yaml, then run `up`.",
);
const RULE_GONE = { next: "Run `up`: it brings back the rule that lets your address in.", step: spot("up") };

/** What lets an address in that no rule of the fleet's is for. */
export const lettingIn = ({ mayAdmitCallers }: Pick<NodeExpectation, "mayAdmitCallers">): Advice =>
  mayAdmitCallers ? LET_IN : NAME_ADDRESS;

/** What to do where there is no way to the internet. An address is given at the launch, and never later. */
function networkAdvice(hasRoute: boolean, hasOwnNetwork: boolean): OwnAdvice {
  if (hasOwnNetwork) return hasRoute ? REPLACE : AS_CATALOGUED;
  return hasRoute
    ? {
        next: "Let your subnet give public addresses, or use `network: create`; then `replace NODE`.",
        step: outside("mend-network", spot("replace", NODE)),
      }
    : {
        next: "Give your subnet a route to an internet gateway, or use `network: create`; then run `verify` again.",
        step: outside("mend-network", spot("verify")),
      };
}

/** A: what AWS says of the instance, before anything connects to it. */
export const cloudChecks: readonly Check[] = [
  {
    id: "A1",
    title: "credentials valid",
    phase: "cloud",
    where: "cloud",
    needs: [],
    severity: "fail",
    deadlineMs: QUICK,
    command: ({ awsCli, region }) => `${awsCli} sts get-caller-identity --region ${region}`,
    judge: ({ account }) => ({
      ok: account !== undefined,
      expected: "an account",
      actual: account ?? "credentials refused",
      severity: "unknown",
    }),
    cause: "The credentials are missing, expired or of another account.",
    next: "Log in, then run `verify` again.",
    step: outside("log-in", spot("verify")),
  },
  {
    id: "A2",
    title: "instance running, of this fleet, as ordered",
    phase: "cloud",
    where: "cloud",
    needs: ["A1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: describe,
    judge: (
      { account, instance, unanswered = account === undefined ? "AWS refused the credentials" : undefined },
      node,
    ) => {
      if (unanswered !== undefined) return notLookedAt(unanswered, "running, of this fleet, as ordered");
      const verdict = expectFields(
        {
          state: "running",
          "fleet ID": node.lineage,
          type: node.instanceType,
          zone: node.availabilityZone,
          market: node.market,
        },
        {
          state: instance?.state ?? "no such instance",
          "fleet ID": instance?.tags[Tag.lineage] ?? "none",
          type: instance?.instanceType ?? "none",
          zone: instance?.availabilityZone ?? "none",
          market: instance?.market ?? "none",
        },
      );
      return {
        ...verdict,
        // One that runs can be looked at, whatever else of it is not as ordered.
        ...(instance?.state === "running" ? { blocks: [], ...REPLACE } : AS_CATALOGUED),
        ...(instance?.stateReason && instance.state !== "running"
          ? { cause: `AWS says: ${instance.stateReason}` }
          : {}),
        ...(instance?.launchedAt ? { spans: [{ name: "launched", start: instance.launchedAt }] } : {}),
      };
    },
    cause: "The instance was interrupted, ended or changed outside this tool.",
    next: "`up` makes the node again.",
    step: spot("up"),
  },
  {
    id: "A3",
    title: "public address and a way to the internet",
    phase: "cloud",
    where: "cloud",
    needs: ["A2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: (node) => aws("describe-route-tables", node),
    judge: (facts, { hasOwnNetwork }) => {
      const { instance, internetRoute } = facts;
      const expected = "an address, and a route to an internet gateway";
      const address = instance?.publicAddress ?? "no address";
      return fromLookup(asked(facts, internetRoute), expected, (route) => ({
        ok: instance?.publicAddress !== undefined && route?.startsWith("igw-") === true,
        expected,
        actual: `${address}, ${route === null ? "no route to the internet" : `route to ${route}`}`,
        ...networkAdvice(route?.startsWith("igw-") === true, hasOwnNetwork),
      }));
    },
    cause: "The subnet gives no public addresses, or its route table was changed outside this tool.",
    next: "`up` brings back a route of the fleet's own network. In a network of yours: use a subnet with public addresses and a route to an internet gateway, or `network: create`.",
    step: spot("up"),
  },
  {
    id: "A4",
    title: "SSH admitted from here, and nothing unintended",
    phase: "cloud",
    where: "cloud",
    needs: ["A2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: (node) => aws(`describe-security-groups --filters Name=tag:${Tag.lineage},Values=${node.lineage}`, node),
    judge: judgeGroups,
    cause: "Your address changed since it was confirmed, or the security group was changed outside this tool.",
    ...LET_IN,
  },
  {
    id: "A5",
    title: "IMDSv2 required, root volume encrypted, tags complete",
    phase: "cloud",
    where: "cloud",
    needs: ["A2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: (node) => `${describe(node)}; ${ofInstance("describe-volumes", node)}`,
    judge: (facts, node) =>
      fromLookup(asked(facts, facts.rootVolume), "an encrypted root volume with the fleet's tags", (volume) =>
        expectFields(
          {
            tokens: "required",
            ManagedBy: MANAGED_BY,
            node: node.name,
            encrypted: "yes",
            "the volume's fleet ID": node.lineage,
          },
          {
            tokens: facts.instance?.httpTokens ?? "none",
            ManagedBy: facts.instance?.tags[Tag.managedBy] ?? "none",
            node: facts.instance?.tags[Tag.node] ?? "none",
            encrypted: volume.encrypted ? "yes" : "no",
            "the volume's fleet ID": volume.tags[Tag.lineage] ?? "none",
          },
        ),
      ),
    cause: "The instance was changed outside this tool.",
    ...REPLACE,
  },
  {
    id: "A6",
    title: "spot request active, no interruption announced",
    phase: "cloud",
    where: "cloud",
    needs: ["A2"],
    severity: "fail",
    deadlineMs: QUICK,
    applies: ({ market }) => market === "spot",
    command: (node) => ofInstance("describe-spot-instance-requests", node),
    judge: (facts) =>
      fromLookup(asked(facts, facts.spotRequest), "active, fulfilled", (request) => {
        const told = spotStatusText(request);
        return {
          ok: request.state === "active" && request.status === "fulfilled",
          expected: "active, fulfilled",
          actual: `${request.state}, ${request.status}`,
          ...(told === undefined ? {} : { cause: `${capitalized(told)}.` }),
        };
      }),
    cause: "AWS takes the instance back, or the request was cancelled outside this tool.",
    next: "Run `replace NODE` to have another one in its place now; or let it go: then `up` makes the node again.",
    step: spot("replace", NODE),
  },
];

const SSH_PORT = 22;

const UNCERTAIN = {
  severity: "warn",
  cause:
    "Your address changed since it was confirmed; or HTTPS goes out by another way than SSH (a proxy, a split tunnel), and B1 tells whether SSH is let in.",
} as const;

/** The groups that let a CIDR block's SSH in. */
export const admitting = (groups: readonly GroupFacts[], cidr: string): GroupFacts[] =>
  groups.filter(({ ingress }) =>
    ingress.some(
      ({ protocol, fromPort, toPort, source }) =>
        (protocol === "-1" || (protocol === "tcp" && fromPort <= SSH_PORT && SSH_PORT <= toPort)) &&
        isWithin(cidr, source),
    ),
  );

export const notAdmitted = (cidr: string): string => `no group admits SSH from ${cidr}`;

/**
 * Only the fleet's own group is held to what was configured: others are the user's affair. Where SSH may come from
 * another address than the one that is known, B1 is to tell whether it is let in.
 */
function judgeGroups(facts: CloudFacts, node: NodeExpectation): Verdict {
  const { sshFrom } = node;
  const { groups, caller } = facts;
  const expected = `SSH from ${caller?.cidr ?? "the configured addresses"}; in the fleet's own group nothing but SSH from ${sshFrom.join(", ") || "nowhere"}`;
  return fromLookup(asked(facts, groups), expected, (found) => {
    const unintended = found
      .filter(({ isOwn }) => isOwn)
      .flatMap(({ id, ingress }) =>
        ingress
          .filter(
            ({ protocol, fromPort, toPort, source }) =>
              !(protocol === "tcp" && fromPort === SSH_PORT && toPort === SSH_PORT && sshFrom.includes(source)),
          )
          .map((rule) => ({ id, ...rule })),
      );
    const shutOut = caller !== undefined && admitting(found, caller.cidr).length === 0;
    const problems = [...(shutOut ? [notAdmitted(caller.cidr)] : []), ...unintended.map(ruleText)];
    const isUncertain = shutOut && !caller.isCertain && unintended.length === 0;
    return {
      ok: problems.length === 0,
      expected,
      actual: joinList(problems) || expected,
      // What is admitted besides keeps nobody from the node.
      ...(shutOut ? {} : { blocks: [] }),
      ...(isUncertain ? UNCERTAIN : {}),
      ...groupAdvice(
        shutOut ? (sshFrom.some((block) => isWithin(caller.cidr, block)) ? RULE_GONE : lettingIn(node)) : undefined,
        unintended.map((rule) => aws(revoking(rule), node)),
      ),
    };
  });
}

/** A rule of a group: who may come in. */
type GroupRule = { id: string } & GroupFacts["ingress"][number];

const ruleText = ({ id, protocol, fromPort, toPort, source }: GroupRule): string =>
  `${id} admits ${protocol === "-1" ? "everything" : `${protocol} ${fromPort}-${toPort}`} from ${source}`;

/** How a source is named in a permission of EC2's, by what it begins with. The first that fits counts. */
const SOURCES: readonly [RegExp, (source: string) => string][] = [
  [/^sg-/, (source) => `UserIdGroupPairs=[{GroupId=${source}}]`],
  [/^pl-/, (source) => `PrefixListIds=[{PrefixListId=${source}}]`],
  [/:/, (source) => `Ipv6Ranges=[{CidrIpv6=${source}}]`],
  [/^/, (source) => `IpRanges=[{CidrIp=${source}}]`],
];

/** The call of the AWS CLI that takes a rule away. */
function revoking({ id, protocol, fromPort, toPort, source }: GroupRule): string {
  const named = SOURCES.find(([pattern]) => pattern.test(source))?.[1](source) ?? "";
  const ports = protocol === "-1" ? "" : `FromPort=${fromPort},ToPort=${toPort},`;
  return `revoke-security-group-ingress --group-id ${id} --ip-permissions ${shellQuote(`IpProtocol=${protocol},${ports}${named}`)}`;
}

/** What to do about groups. @param shutOut what lets the caller in, who is not. @param revoking a command for each rule too many */
function groupAdvice(shutOut: Advice | undefined, revoking: readonly string[]): OwnAdvice {
  if (revoking.length === 0) return shutOut ?? AS_CATALOGUED;
  const remove = `Remove what somebody added: ${revoking.map((command) => `\`${command}\``).join("; ")}.`;
  if (shutOut === undefined)
    return { next: `${remove} Then run \`verify\` again.`, step: outside("revoke-rule", spot("verify")) };
  const then = "command" in shutOut.step ? shutOut.step : shutOut.step.then;
  return { next: `${remove} ${shutOut.next}`, step: outside("revoke-rule", then) };
}

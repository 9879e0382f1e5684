import { spotStatusText } from "../aws/spot-requests";
import { isWithin } from "../config/cidr";
import { MANAGED_BY, Tag } from "../model";
import { capitalized } from "../text/words";
import type { Check, CloudFacts, GroupFacts, Lookup, NodeExpectation, Verdict } from "./types";
import { joinList, fromLookup, notLookedAt, QUICK, REPLACE, expectFields } from "./expectations";

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
        ...(instance?.state === "running" ? { blocks: [] } : {}),
        ...(instance?.stateReason && instance.state !== "running"
          ? { cause: `AWS says: ${instance.stateReason}` }
          : {}),
        ...(instance?.launchedAt ? { spans: [{ name: "launched", start: instance.launchedAt }] } : {}),
      };
    },
    cause: "The instance was interrupted, ended or changed outside this tool.",
    next: "`up` makes the node again.",
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
    judge: (facts) => {
      const { instance, internetRoute } = facts;
      const expected = "an address, and a route to an internet gateway";
      const address = instance?.publicAddress ?? "no address";
      return fromLookup(asked(facts, internetRoute), expected, (route) => ({
        ok: instance?.publicAddress !== undefined && route?.startsWith("igw-") === true,
        expected,
        actual: `${address}, ${route === null ? "no route to the internet" : `route to ${route}`}`,
      }));
    },
    cause: "The subnet gives no public addresses, or its route table was changed outside this tool.",
    next: "Use `network: create`, or a subnet with public addresses and a route to an internet gateway.",
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
    next: "Run `spot allow-me` when your address changed; `up` takes away what is not configured.",
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
    next: REPLACE,
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
    next: "Let it go: `up` makes the node again.",
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
function judgeGroups(facts: CloudFacts, { sshFrom }: NodeExpectation): Verdict {
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
          .map(
            ({ protocol, fromPort, toPort, source }) =>
              `${id} admits ${protocol === "-1" ? "everything" : `${protocol} ${fromPort}-${toPort}`} from ${source}`,
          ),
      );
    const shutOut = caller !== undefined && admitting(found, caller.cidr).length === 0;
    const problems = [...(shutOut ? [notAdmitted(caller.cidr)] : []), ...unintended];
    const isUncertain = shutOut && !caller.isCertain && unintended.length === 0;
    return {
      ok: problems.length === 0,
      expected,
      actual: joinList(problems) || expected,
      // What is admitted besides keeps nobody from the node.
      ...(shutOut ? {} : { blocks: [] }),
      ...(isUncertain ? UNCERTAIN : {}),
    };
  });
}

import { isAdministrator } from "../protocol/accounts";
import { AwsError, type Call } from "../protocol/call";
import { isUsable } from "../model/regions";
import type { Cloud } from "../model/rule";
import { principalOf, subjectsOf, UnknownAuthorization, type Subject } from "./authorization";
import { concerns, evaluate, type Verdict } from "./evaluate";
import { keysOfExisting } from "./facts";
import type { Policies, Statement } from "./statement";

/**
 * Judges a call by the policies. Where there are none, and for administrators, everything is allowed.
 * @throws AwsError for what they do not allow
 */
export async function authorize(call: Call, cloud: Cloud, { documents, statements }: Policies): Promise<void> {
  if (documents.length === 0 || isAdministrator(call.accessKeyId)) return;
  // A region that is not enabled does not know the credentials, which the rules say (rules/regions.ts).
  if (!isUsable(call.region)) return;
  const judged = await Promise.all(
    (await subjects(call, cloud)).map((subject) => judge(subject, call, cloud, statements)),
  );
  const refused =
    judged.find(({ verdict }) => verdict === "explicit-deny") ?? judged.find(({ verdict }) => verdict !== "allowed");
  if (refused !== undefined)
    throw refusal(call, cloud, refused.subject, reasons[refused.verdict](refused.subject.action));
}

interface Judged {
  subject: Subject;
  verdict: Verdict;
}

async function subjects(call: Call, cloud: Cloud): Promise<Subject[]> {
  try {
    return await subjectsOf(call, cloud);
  } catch (error) {
    if (!(error instanceof UnknownAuthorization)) throw error;
    const unknown = { action: `${call.service}:${call.action}`, resource: "*", keys: new Map<string, string[]>() };
    throw refusal(call, cloud, unknown, `because ${error.message}`);
  }
}

async function judge(
  subject: Subject,
  { region }: Call,
  cloud: Cloud,
  statements: readonly Statement[],
): Promise<Judged> {
  const { of } = subject;
  // To look is slow, so only where it can matter.
  if (of?.id !== undefined && statements.some((statement) => asksOfExisting(statement) && concerns(statement, subject)))
    for (const [key, values] of await keysOfExisting(cloud, region, of)) subject.keys.set(key, values);
  return { subject, verdict: evaluate(statements, subject) };
}

const ofExisting = /^((aws|ec2):resourcetag\/|ec2:instance(market)?type$)/;
const asksOfExisting = ({ conditions }: Statement): boolean => conditions.some(({ key }) => ofExisting.test(key));

const reasons: Record<Verdict, (action: string) => string> = {
  allowed: () => "",
  "explicit-deny": () => "with an explicit deny in an identity-based policy",
  "implicit-deny": (action) => `because no identity-based policy allows the ${action} action`,
};

/** In the words of each service ("Troubleshoot access denied error messages", IAM User Guide). */
function refusal(call: Call, cloud: Cloud, { action, resource }: Subject, reason: string): AwsError {
  const text = `User: ${principalOf(cloud.moto.account)} is not authorized to perform: ${action} on resource: ${resource} ${reason}`;
  if (call.protocol === "ec2")
    return new AwsError("UnauthorizedOperation", `You are not authorized to perform this operation. ${text}`, 403);
  return new AwsError(call.protocol === "query" ? "AccessDenied" : "AccessDeniedException", text, 403);
}

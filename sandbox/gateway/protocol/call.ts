/** One request to an AWS service, understood as far as the gateway needs. */
export interface Call {
  accessKeyId: string;
  /** The signing name: `ec2`, `sts`, `ssm`, `servicequotas`, ... */
  service: string;
  region: string;
  action: string;
  /** How the service speaks: EC2's own query flavour, the query flavour of STS and IAM, or JSON. */
  protocol: "ec2" | "query" | "json";
  /** The form fields of the query protocols; empty for JSON. A rule may change them before it passes the call on. */
  params: URLSearchParams;
  /** The body of the JSON protocol; empty for the others. */
  json: Record<string, unknown>;
  path: string;
  headers: Record<string, string>;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** AWS refuses: rendered in the words of the protocol in which it was asked. */
export class AwsError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status = 400,
  ) {
    super(message);
  }
}

/** Signature version 4: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`. */
const credentialScope = /Credential=([^/]+)\/\d+\/([^/]+)\/([^/]+)\/aws4_request/;

/** Reads a request. Undefined when it is not signed as AWS's clients sign. */
export function readCall(path: string, headers: Record<string, string>, body: string): Call | undefined {
  const scope = credentialScope.exec(headers["authorization"] ?? "");
  if (scope === null) return undefined;
  const [, accessKeyId, region, service] = scope as unknown as [string, string, string, string];
  const target = headers["x-amz-target"];
  if (target !== undefined) {
    const action = target.slice(target.indexOf(".") + 1);
    return {
      accessKeyId,
      service,
      region,
      action,
      protocol: "json",
      params: new URLSearchParams(),
      json: readJson(body),
      path,
      headers,
    };
  }
  const params = new URLSearchParams(body);
  const protocol = service === "ec2" ? "ec2" : "query";
  return {
    accessKeyId,
    service,
    region,
    action: params.get("Action") ?? "",
    protocol,
    params,
    json: {},
    path,
    headers,
  };
}

function readJson(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body || "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The body to pass on: the form as rules have left it. */
export function bodyOf(call: Call): string {
  return call.protocol === "json" ? JSON.stringify(call.json) : call.params.toString();
}

/** The values of a list in a form: `InstanceId.1`, `InstanceId.2`, ... */
export function listOf(params: URLSearchParams, name: string): string[] {
  const values: string[] = [];
  for (let index = 1; params.has(`${name}.${index}`); index++) values.push(params.get(`${name}.${index}`) as string);
  return values;
}

/** The filters of a Describe call: name -> values. */
export function filtersOf(params: URLSearchParams): Map<string, string[]> {
  const filters = new Map<string, string[]>();
  for (let index = 1; params.has(`Filter.${index}.Name`); index++) {
    filters.set(params.get(`Filter.${index}.Name`) as string, listOf(params, `Filter.${index}.Value`));
  }
  return filters;
}

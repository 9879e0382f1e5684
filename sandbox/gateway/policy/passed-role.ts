import type { Call } from "../protocol/call";
import type { Cloud } from "../model/rule";
import { parseXml, text } from "../protocol/xml";

/**
 * The role that a launch passes on with its instance profile; undefined of a launch without one. Of a profile that moto
 * does not know the role is taken to have its name, as the IAM console gives both the same.
 */
export async function passedRole(call: Call, cloud: Cloud): Promise<string | undefined> {
  const profile =
    call.params.get("IamInstanceProfile.Name") || call.params.get("IamInstanceProfile.Arn")?.split("/").at(-1);
  if (!profile) return undefined;
  const answer = await cloud.moto.pass({
    ...call,
    service: "iam",
    region: "us-east-1",
    action: "GetInstanceProfile",
    protocol: "query",
    path: "/",
    params: new URLSearchParams({
      Action: "GetInstanceProfile",
      Version: "2010-05-08",
      InstanceProfileName: profile,
    }),
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=${call.accessKeyId}/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0`,
      "content-type": "application/x-www-form-urlencoded",
    },
  });
  const role =
    answer.status < 300
      ? text(parseXml(answer.body), "GetInstanceProfileResult", "InstanceProfile", "Roles", "member", "Arn")
      : "";
  return role || `arn:aws:iam::${cloud.moto.account}:role/${profile}`;
}

import XMLBuilder from "fast-xml-builder";
import { XMLParser } from "fast-xml-parser";
import { randomUUID } from "node:crypto";
import { AwsError, type Answer, type Call } from "./call";

/** An element of an answer: text, or children by name; `item` (a list's member) is always an array. */
export type Node = { [name: string]: Node | Node[] | string | undefined };

const parser = new XMLParser({ ignoreAttributes: true, parseTagValue: false, isArray: (name) => name === "item" });
const builder = new XMLBuilder({ ignoreAttributes: false, suppressEmptyNode: true });

/** The content of the answer's root element. */
export function parseXml(text: string): Node {
  const document = parser.parse(text) as Record<string, Node | string>;
  const root = Object.entries(document).find(([name]) => name !== "?xml")?.[1];
  return typeof root === "object" ? root : {};
}

export function text(node: Node | undefined, ...path: string[]): string {
  let at: Node | Node[] | string | undefined = node;
  for (const name of path) at = typeof at === "object" && !Array.isArray(at) ? at[name] : undefined;
  return typeof at === "string" ? at : "";
}

/** The members of a list element such as `instancesSet`; of a missing or empty one, none. */
export function items(node: Node | undefined, name: string): Node[] {
  const list = node?.[name];
  const members = typeof list === "object" && !Array.isArray(list) ? list["item"] : undefined;
  return Array.isArray(members) ? members : [];
}

/** The instances of a DescribeInstances answer. */
export const instancesOf = (answer: Node): Node[] =>
  items(answer, "reservationSet").flatMap((reservation) => items(reservation, "instancesSet"));

export const tagsOf = (node: Node): Record<string, string> =>
  Object.fromEntries(items(node, "tagSet").map((tag) => [text(tag, "key"), text(tag, "value")]));

/** An EC2 answer of our own: `fields` as XML children; a list is `{ item: [...] }`. */
export function ec2Answer(action: string, fields: Record<string, unknown>): Answer {
  const body = builder.build({
    [`${action}Response`]: {
      "@_xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/",
      requestId: randomUUID(),
      ...fields,
    },
  });
  return {
    status: 200,
    headers: { "content-type": "text/xml;charset=UTF-8" },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}`,
  };
}

export function jsonAnswer(value: unknown, status = 200): Answer {
  return { status, headers: { "content-type": "application/x-amz-json-1.1" }, body: JSON.stringify(value) };
}

/** The shapes of an error per protocol, as the SDKs parse them. */
const errorShapes: Record<Call["protocol"], (error: AwsError, requestId: string) => Answer> = {
  ec2: (error, id) =>
    xmlError(error, { Response: { Errors: { Error: { Code: error.code, Message: error.message } }, RequestID: id } }),
  query: (error, id) =>
    xmlError(error, {
      ErrorResponse: {
        Error: { Type: error.status < 500 ? "Sender" : "Receiver", Code: error.code, Message: error.message },
        RequestId: id,
      },
    }),
  json: (error) => {
    const answer = jsonAnswer({ __type: error.code, message: error.message }, error.status);
    return { ...answer, headers: { ...answer.headers, "x-amzn-errortype": error.code } };
  },
};

function xmlError(error: AwsError, document: object): Answer {
  return {
    status: error.status,
    headers: { "content-type": "text/xml;charset=UTF-8" },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${builder.build(document)}`,
  };
}

export function errorAnswer(protocol: Call["protocol"], error: AwsError): Answer {
  return errorShapes[protocol](error, randomUUID());
}

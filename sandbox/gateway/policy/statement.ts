/** Operators of conditions, without `IfExists` and set prefix. */
export const operators = [
  "StringEquals",
  "StringNotEquals",
  "StringLike",
  "StringNotLike",
  "Null",
  "Bool",
  "ArnLike",
] as const;
export type Operator = (typeof operators)[number];

export interface Condition {
  operator: Operator;
  ifExists: boolean;
  quantifier?: "ForAllValues" | "ForAnyValue";
  /** As `normalKey` writes it. */
  key: string;
  values: string[];
}

export interface Statement {
  effect: "Allow" | "Deny";
  actions: string[];
  resources: string[];
  conditions: Condition[];
}

/** Policies in force: as they were written, and as they are evaluated. */
export interface Policies {
  documents: readonly unknown[];
  statements: readonly Statement[];
}

/** Without any policy everything is allowed. */
export const noPolicies: Policies = { documents: [], statements: [] };

/** Names of condition keys ignore case, and so does a tag key in them ("aws:ResourceTag/tag-key", IAM User Guide). */
export const normalKey = (key: string): string => key.toLowerCase();

/** Keys that hold more than one value, which only `ForAllValues:` and `ForAnyValue:` compare. */
export const multivalued: ReadonlySet<string> = new Set(["aws:tagkeys"]);

/** The condition keys that the gateway can supply. */
export const suppliedKeys: ReadonlySet<string> = new Set([
  ...multivalued,
  "aws:requestedregion",
  "aws:principalarn",
  "aws:principalaccount",
  "aws:viaawsservice",
  "ec2:region",
  "ec2:createaction",
  "ec2:instancetype",
  "ec2:instancemarkettype",
  "iam:passedtoservice",
]);

/** Those that end with a tag's key. */
export const suppliedTagKeys = ["aws:requesttag/", "aws:resourcetag/", "ec2:resourcetag/"] as const;

/** The account that owns a resource, by its ARN (`arn:PARTITION:SERVICE:REGION:ACCOUNT:…`); undefined where it names none. */
export function accountOfArn(arn: string): string | undefined {
  return /^arn:[\w-]+:[\w-]*:[\w-]*:(\d{12}):/.exec(arn)?.[1];
}

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/** A call of the AWS CLI: with which key, and with which arguments. */
export interface AwsCall {
  key: string;
  args: string[];
}

/**
 * Pastes a command into a shell as a person set it up, whose `aws` only tells how it was called.
 * @param dir a folder of the test's own
 */
export function pasted(command: string, dir: string): AwsCall[] {
  const bin = path.join(dir, "stand-in");
  mkdirSync(bin, { recursive: true });
  writeFileSync(path.join(bin, "aws"), '#!/bin/sh\nprintf "%s\\n" "call $AWS_ACCESS_KEY_ID" "$@"\n', { mode: 0o755 });
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    AWS_ACCESS_KEY_ID: "the user's own",
    AWS_SECRET_ACCESS_KEY: "the user's own",
  };
  const calls = execFileSync("bash", ["-c", command], { env, encoding: "utf8" })
    .split(/^call /m)
    .slice(1);
  return calls.map((call) => {
    const [key = "", ...args] = call.trimEnd().split("\n");
    return { key, args };
  });
}

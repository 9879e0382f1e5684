import { mkdirSync, writeFileSync } from "node:fs";
import { POLICIES } from "../../fleet/aws/permissions";
import type { Sandbox } from "../../sandbox/control";
import { homeFiles } from "../../sandbox/home/records";
import { control } from "./sandbox";

export type PolicyName = keyof typeof POLICIES;

/** What every command must come out with, but those that touch what has no tag of a fleet. */
export const OPERATOR: readonly PolicyName[] = ["operator", "instance-profile"];

const documentsOf = (names: readonly PolicyName[]) => names.map((name) => POLICIES[name]);

/** What a sandbox that starts in this home will find. */
export function attach(home: string, ...names: readonly PolicyName[]): void {
  mkdirSync(home, { recursive: true });
  writeFileSync(homeFiles(home).policy, JSON.stringify(documentsOf(names)));
}

/** What counts in a running sandbox from now on. */
export const put = (sandbox: Sandbox, ...names: readonly PolicyName[]): Promise<unknown> =>
  control(sandbox, "PUT", "policy", { documents: documentsOf(names) });

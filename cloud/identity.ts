import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { setTimeout as sleep } from "node:timers/promises";
import { GLOBAL_REGION, type Cloud } from "./clients";
import { awsError } from "./errors";

export interface Identity {
  /** 12 digits. */
  account: string;
  arn: string;
  /** The region whose STS answered. */
  region: string;
}

/** Regions of the work that are asked before the one that every account has. */
const ASKED = 2;

/** How long a region may keep the next one waiting. */
const HEAD_START_MS = 3_000;

/**
 * Who the credentials belong to. STS is asked where the work is: one region that is out must not stop the others, so
 * the next is asked when one fails or is slow, and the first answer counts.
 * @param regions of the work, those that matter most first
 * @throws SpotError E_CREDENTIALS, E_AWS: what the last region said, for that one knows every account's credentials
 */
export async function callerIdentity(cloud: Cloud, regions: readonly string[]): Promise<Identity> {
  const asked = [...new Set([...regions.slice(0, ASKED), GLOBAL_REGION])];
  const over = new AbortController();
  const answers: Promise<Identity>[] = [];
  for (const region of asked) answers.push(turn(answers.at(-1), over.signal).then(() => ask(cloud, region)));
  try {
    return await Promise.any(answers);
  } catch (failure) {
    const last = answers.at(-1);
    if (last === undefined) throw failure;
    return await last;
  } finally {
    over.abort();
  }
}

/** Comes when the one before has failed, or has had its head start. */
async function turn(before: Promise<Identity> | undefined, over: AbortSignal): Promise<void> {
  if (before === undefined) return;
  const start = sleep(HEAD_START_MS, undefined, { signal: over });
  await Promise.race([
    start,
    before.then(
      () => start,
      () => undefined,
    ),
  ]);
}

async function ask(cloud: Cloud, region: string): Promise<Identity> {
  try {
    const { Account, Arn } = await (await cloud.sts(region)).send(new GetCallerIdentityCommand({}));
    if (Account === undefined || Arn === undefined) throw new Error(`STS in ${region} answered without an account`);
    return { account: Account, arn: Arn, region };
  } catch (error) {
    throw awsError(error, "asking AWS whose credentials these are");
  }
}

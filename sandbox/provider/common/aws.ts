import {
  EC2Client,
  type $Command,
  type EC2ClientResolvedConfig,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from "@aws-sdk/client-ec2";
import { setTimeout as sleep } from "node:timers/promises";

/** Where the calls go and as whom. Given outright, so that neither profiles nor the metadata service are asked. */
export interface Endpoint {
  url: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** Tries of one call, the first included, as with `maxRetries` of `infra/`. */
export const MAX_ATTEMPTS = 3;
export const FIRST_RETRY_MS = 100;
const FIRST_POLL_MS = 50;
const SLOWEST_POLL_MS = 1000;

export const THROTTLED = new Set(["RequestLimitExceeded", "Throttling", "ThrottlingException"]);

/** A call that AWS refused or that never arrived. */
export class AwsFailure extends Error {
  override readonly name = "AwsFailure";

  constructor(
    /** AWS's own error code; empty when there was no answer. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }

  /** True when AWS says that the thing concerned does not exist (any more). */
  get gone(): boolean {
    return /NotFound$/.test(this.code) || this.code === "Gateway.NotAttached";
  }
}

/** The result, or undefined when the thing concerned is gone. */
export async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AwsFailure && error.gone) return undefined;
    throw error;
  }
}

export interface WaitOptions {
  /** What is waited for, as the error says it: "waiting for EC2 Instance (i-1) create". */
  doing: string;
  seconds: number;
}

/** EC2 in one region: calls with errors in the official provider's words, and waiting. */
export class Region {
  private readonly client: EC2Client;

  /** @param halt ends every wait: nobody is left to hear the outcome. */
  constructor(
    readonly name: string,
    endpoint: Endpoint,
    private readonly halt: AbortSignal,
  ) {
    this.client = new EC2Client({
      region: name,
      endpoint: endpoint.url,
      credentials: endpoint,
      maxAttempts: 1,
      requestHandler: { connectionTimeout: 5_000, requestTimeout: 60_000, throwOnRequestTimeout: true },
    });
  }

  /**
   * Sends a command, again after a throttle or an accident.
   * @param doing what the call is for, as the official provider begins its message: "creating EC2 VPC"
   * @throws AwsFailure
   */
  async send<In extends ServiceInputTypes, Out extends ServiceOutputTypes>(
    doing: string,
    command: $Command<In, Out, EC2ClientResolvedConfig, ServiceInputTypes, ServiceOutputTypes>,
  ): Promise<Out> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.client.send(command);
      } catch (error) {
        const answer = answerOf(error);
        if (attempt < MAX_ATTEMPTS && answer.retry) {
          await this.pause(FIRST_RETRY_MS * 2 ** attempt * (0.5 + Math.random() / 2));
          continue;
        }
        const operation = command.constructor.name.replace(/Command$/, "");
        throw new AwsFailure(answer.code, `${doing}: ${goMessage(operation, attempt, answer)}`);
      }
    }
  }

  /**
   * Asks again, ever more slowly, until there is an answer.
   * @param probe answers undefined for "not yet"
   */
  async waitFor<T>(options: WaitOptions, probe: () => Promise<T | undefined>): Promise<T> {
    const deadline = Date.now() + options.seconds * 1000;
    for (let pause = FIRST_POLL_MS; ; pause = Math.min(pause * 1.6, SLOWEST_POLL_MS)) {
      const found = await probe();
      if (found !== undefined) return found;
      if (Date.now() >= deadline) throw new Error(`${options.doing}: timeout while waiting (${options.seconds}s)`);
      await this.pause(pause);
    }
  }

  /** Does the work again as long as AWS answers DependencyViolation: what depends is on its way out. */
  async onceIndependent(seconds: number, work: () => Promise<void>): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    await this.waitFor({ doing: "waiting for dependents to go", seconds }, async () => {
      try {
        await work();
        return true;
      } catch (error) {
        const blocked = error instanceof AwsFailure && error.code === "DependencyViolation" && Date.now() < deadline;
        if (!blocked) throw error;
        return undefined;
      }
    });
  }

  /** The ARN of one of EC2's things. */
  arn(owner: string | undefined, thing: string): string {
    const partition = this.name.startsWith("cn-") ? "aws-cn" : this.name.startsWith("us-gov-") ? "aws-us-gov" : "aws";
    return `arn:${partition}:ec2:${this.name}:${owner ?? ""}:${thing}`;
  }

  private async pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.halt });
  }
}

interface Answer {
  code: string;
  message: string;
  status: number;
  requestId: string;
  retry: boolean;
}

function answerOf(error: unknown): Answer {
  const given = error as {
    name?: string;
    message?: string;
    $metadata?: { httpStatusCode?: number; requestId?: string };
  };
  const status = given.$metadata?.httpStatusCode ?? 0;
  const code = status === 0 ? "" : (given.name ?? "");
  return {
    code,
    message: given.message || String(error),
    status,
    requestId: given.$metadata?.requestId ?? "",
    // A lack of capacity, an HTTP 500, among them: the official provider asks again, too.
    retry: THROTTLED.has(code) || status === 0 || status >= 500,
  };
}

/** The words of AWS's SDK for Go, which the official provider passes on and which our own classing reads. */
function goMessage(operation: string, attempts: number, answer: Answer): string {
  const tired = attempts === MAX_ATTEMPTS ? `exceeded maximum number of attempts, ${attempts}, ` : "";
  const failure =
    answer.status === 0 ? `request send failed, ${answer.message}` : `api error ${answer.code}: ${answer.message}`;
  return (
    `operation error EC2: ${operation}, ${tired}https response error StatusCode: ${answer.status}, ` +
    `RequestID: ${answer.requestId}, ${failure}`
  );
}

import { AS_CATALOGUED, SpotError, wordsOf, type ErrorCode } from "../fleet/errors";
import { classifyFailure, refusedAction } from "../fleet/aws/error-codes";

/** Our code for an AWS failure, by its class; everything else is a plain AWS failure. */
const CODE_OF_CLASS: Record<string, ErrorCode> = { auth: "E_PERMISSION", "opt-in": "E_REGION" };

/** What the SDK throws when it finds no way to sign or to reach the endpoint, without an AWS code of its own. */
const SDK_ERRORS: Record<string, ErrorCode> = {
  CredentialsProviderError: "E_CREDENTIALS",
  TokenProviderError: "E_CREDENTIALS",
  InvalidCredentials: "E_CREDENTIALS",
};

/** Translates what an AWS SDK call threw. `doing` completes "… failed": `DescribeInstances in us-west-2`. */
export function awsError(error: unknown, doing: string): SpotError {
  const name = (error as { name?: string }).name ?? "";
  const { class: failureClass, next, step, accountWide } = classifyFailure(`${name}: ${wordsOf(error)}`);
  const code = accountWide ? "E_CREDENTIALS" : (SDK_ERRORS[name] ?? CODE_OF_CLASS[failureClass] ?? "E_AWS");
  const network = (error as { code?: string }).code;
  const action = refusedAction(wordsOf(error));
  return new SpotError(code, {
    message: `${doing} failed${name ? `: ${name}` : ""}${action ? ` (${action})` : ""}`,
    cause: error instanceof Error && network && !error.message ? new Error(network) : error,
    ...(code === "E_AWS" ? { class: failureClass } : {}),
    ...(code === "E_REGION" ? AS_CATALOGUED : { next, step }),
  });
}

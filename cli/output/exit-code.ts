import type { ErrorInfo } from "../../fleet/errors";
import { ExitCode } from "../../fleet/errors/exit-codes";

/**
 * The exit code of a run in which something failed: what all failures have in common, else "partial". While a part of
 * the fleet stands, it is partial whatever the class.
 */
export function exitCodeOf(failures: readonly ErrorInfo[], standing: number): ExitCode {
  if (failures.length === 0) return ExitCode.ok;
  if (failures.some((failure) => failure.class === "interrupted")) return ExitCode.interrupted;
  // Credentials that AWS refuses are no matter of one part: nothing goes on before they are renewed.
  if (failures.some((failure) => failure.code === "E_CREDENTIALS")) return ExitCode.credentials;
  if (standing > 0) return ExitCode.partial;
  const all = (...classes: string[]) => failures.every((failure) => classes.includes(failure.class));
  if (all("capacity", "quota", "price")) return ExitCode.noCapacity;
  if (all("auth")) return ExitCode.credentials;
  if (all("config", "usage")) return ExitCode.usage;
  return ExitCode.partial;
}

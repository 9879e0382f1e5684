/**
 * Does a type live on CPU credits? Those of the T families do ("Burstable performance instances", EC2 User Guide), and
 * EC2 refuses a credit specification for any other.
 */
export function isBurstable(machineType: string): boolean {
  return /^t\d/.test(machineType);
}

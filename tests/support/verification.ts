import { verificationReport, type VerificationReport } from "../../automation/verify/report";
import type { CheckResult } from "../../automation/verify/result";

/** A report of three nodes, with a result of every status and text that is not to be trusted. */
export function sampleReport(): VerificationReport {
  const ok = (
    id: string,
    title: string,
    phase: CheckResult["phase"],
    more: Partial<CheckResult> = {},
  ): CheckResult => ({ id, title, phase, status: "ok", expected: "good", actual: "good", milliseconds: 120, ...more });
  const results = [
    ok("A2", "instance running", "cloud", { spans: [{ name: "launched", start: "2026-01-01T00:00:00.000Z" }] }),
    ok("D2", "every file of the payload", "files"),
    ok("E2", "every deployment step", "deployment", {
      spans: [{ name: "directories", start: "2026-01-01T00:00:10.000Z", end: "2026-01-01T00:00:12.000Z" }],
    }),
    ok("K1", "disk, inodes, memory, load", "health"),
  ];
  const broken: CheckResult[] = [
    results[0]!,
    ok("D2", "every file of the payload", "files", {
      status: "failed",
      command: "cd /opt/uploaded_files && find .",
      expected: "all in order",
      actual: 'files/<script>alert(1)</script> & "quoted": missing\n# second line',
      cause: "It never came.",
      next: "Replace it.",
      diagnosis: [{ subject: "banner", state: "problem", evidence: "nothing listens" }],
    }),
    { id: "D6", title: "scripts compile", phase: "files", status: "skipped", because: "D2", milliseconds: 0 },
    ok("K1", "disk, inodes, memory, load", "health", {
      status: "warning",
      actual: "/ 95 % used",
      cause: "The node is nearly full.",
      next: "Clean up.",
      journals: [{ unit: "sensor.service", lines: ["<b>no space</b>", "# left"] }],
    }),
  ];
  const unknown = ok("A2", "instance running", "cloud", {
    status: "unknown",
    actual: "not looked at",
    cause: "DescribeInstances failed: UnauthorizedOperation",
    next: "Allow it.",
  });
  const node = { region: "us-west-2", address: "198.18.0.10", milliseconds: 2_500 };
  return verificationReport(
    {
      nodes: [
        {
          ...node,
          node: "us-west-2-0",
          instanceId: "i-0a",
          results,
          isVerified: true,
          outcome: "verified",
          isWhole: true,
        },
        {
          ...node,
          node: "us-west-2-1",
          instanceId: "i-0b",
          results: broken,
          isVerified: false,
          outcome: "failed",
          isWhole: true,
        },
        {
          ...node,
          node: "us-west-2-2",
          instanceId: "i-0c",
          results: [unknown],
          isVerified: false,
          outcome: "unknown",
          isWhole: true,
        },
      ],
      isVerified: false,
      outcome: "failed",
      isWhole: true,
      leftOut: [],
      notLookedAt: [],
    },
    { stack: "dev", at: new Date(Date.UTC(2026, 0, 1)) },
  );
}

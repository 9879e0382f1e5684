import assert from "node:assert/strict";
import {
  checksFor,
  type CommandOutput,
  type NodeCheck,
  type NodeExpectation,
  type Verdict,
} from "../../../../fleet/checks";
import type { OwnCheck } from "../../../../fleet/config";
import { isWithin } from "../../../../fleet/config/cidr";

const own = (subject: OwnCheck["subject"], more: Partial<OwnCheck> = {}): NodeCheck => {
  const check = checksFor({
    checks: [{ name: "mine", subject, deadlineSeconds: 5, retrySeconds: 0, severity: "fail", ...more }],
  }).at(-1);
  assert.ok(check?.where === "node");
  return check;
};
const node = {} as NodeExpectation;
const judged = (check: NodeCheck, output: Partial<CommandOutput>): Verdict =>
  check.judge({ code: 0, stdout: "", stderr: "", at: 0, ...output }, node);
const unit = (more = ""): string =>
  `1000.0\nId=a.service\nActiveState=active\nSubState=running\nResult=success\nNRestarts=0\nActiveEnterTimestampMonotonic=1000000\n${more}`;

describe("the user's own checks", () => {
  it("join the list under their name, after the node's startup", () => {
    const { id, phase, needs, after, severity, deadlineMs } = own(
      { kind: "tcp", host: "h", port: 1 },
      { severity: "warn" },
    );
    assert.deepEqual(
      { id, phase, needs, after, severity, deadlineMs },
      { id: "U-mine", phase: "own", needs: ["B5"], after: ["F5"], severity: "warn", deadlineMs: 6_000 },
    );
  });

  it("are tried again only when that is asked for", () => {
    assert.equal(own({ kind: "command", command: "false" }).patienceMs, undefined);
    const patient = own({ kind: "command", command: "false" }, { retrySeconds: 60 });
    assert.equal(patient.patienceMs, 60_000);
    assert.equal(judged(patient, { code: 1 }).pending, true);
  });

  it("end by themselves within the deadline where they can, and so say why", () => {
    assert.match(own({ kind: "tcp", host: "h", port: 80 }).command(node), / 5 h:80$/);
    assert.match(
      judged(own({ kind: "command", command: "sleep 60" }), { code: 124 }).actual,
      /did not end within its deadline/,
    );
    assert.match(own({ kind: "http", url: "http://h/", status: 200 }, { deadlineSeconds: 3 }).command(node), / -m 3 /);
  });

  it("say what is likely when they do not hold, each kind for itself", () => {
    const subjects: OwnCheck["subject"][] = [
      { kind: "command", command: "a" },
      { kind: "http", url: "http://h/", status: 200 },
      { kind: "tcp", host: "h", port: 1 },
      { kind: "file", path: "/a" },
      { kind: "service", unit: "a.service" },
    ];
    assert.equal(new Set(subjects.map((subject) => own(subject).cause)).size, subjects.length);
    assert.match(own({ kind: "command", command: "a" }).next, /`checks:` \(mine\)/);
  });

  for (const [subject, command, good, bad] of [
    [
      { kind: "command", command: "a | b", contains: "yes" },
      "timeout -k 1 5 bash -c 'a | b'",
      { stdout: "yes\n" },
      [
        [{ code: 3, stderr: "x\nno such file\n" }, /exit code 3: no such file/],
        [{ stdout: "no\n" }, /no/],
      ],
    ],
    [
      { kind: "http", url: "http://h/it's", status: 204, contains: "up" },
      "curl -sS -m 5 -w '\\n%{http_code}' 'http://h/it'\\''s'",
      { stdout: "all up\n204" },
      [
        [{ stdout: "up\n500" }, /status 500/],
        [{ stdout: "down\n204" }, /down/],
        [{ code: 7, stderr: "curl: (7) refused" }, /refused/],
      ],
    ],
    [
      { kind: "file", path: "/a b", contains: "x" },
      "sudo -n stat -c '%F' '/a b' && sudo -n cat '/a b'",
      { stdout: "regular file\nx" },
      [
        [{ code: 1, stderr: "stat: No such file" }, /No such file/],
        [{ stdout: "regular file\ny" }, /y/],
      ],
    ],
    [
      { kind: "service", unit: "a.service" },
      undefined,
      { stdout: unit() },
      [
        [
          {
            stdout: unit().replace("NRestarts=0", "NRestarts=2").replace("Monotonic=1000000", "Monotonic=999000000"),
          },
          /2 restarts in this boot, the last 1 s ago/,
        ],
        [{ stdout: "1.0\n" }, /unknown/],
      ],
    ],
    [
      { kind: "tcp", host: "h", port: 80 },
      undefined,
      { stdout: "ok\n" },
      [[{ stdout: "timed out\n" }, /^h:80: timed out$/]],
    ],
  ] as [OwnCheck["subject"], string | undefined, Partial<CommandOutput>, [Partial<CommandOutput>, RegExp][]][]) {
    it(`${subject.kind}: knows good from bad, and says why`, () => {
      const check = own(subject);
      if (command !== undefined) assert.equal(check.command(node), command);
      assert.equal(judged(check, good).ok, true, JSON.stringify(judged(check, good)));
      for (const [output, words] of bad) {
        assert.equal(judged(check, output).ok, false);
        assert.match(judged(check, output).actual, words);
      }
    });
  }
});

describe("whether a block lies within another", () => {
  for (const [inner, outer, within] of [
    ["198.18.0.1/32", "198.18.0.0/15", true],
    ["198.18.0.1/32", "198.18.0.1/32", true],
    ["198.18.0.1/32", "198.18.0.2/32", false],
    ["198.18.0.0/15", "198.18.0.0/16", false],
    ["2001:db8::1/128", "2001:db8::/32", true],
    ["2001:db8::1/128", "0.0.0.0/0", false],
    ["198.18.0.1/32", "sg-1", false],
  ] as const) {
    it(`${inner} in ${outer}: ${within}`, () => assert.equal(isWithin(inner, outer), within));
  }
});

import assert from "node:assert/strict";
import type { CheckResult } from "../../automation/verify/result";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench } from "../support/fleet-bench";
import type { InsideHost } from "../support/inside-host";
import { until } from "../support/sandbox";

const PORT = 8080;
/** Nothing listens there. */
const CLOSED = 9;

/** Of each kind, what holds on the node, what does not, and what must be said of that. */
const kinds: {
  kind: string;
  holds: string;
  fails: string;
  command: RegExp;
  expected: string;
  actual: RegExp;
  cause: RegExp;
}[] = [
  {
    kind: "command",
    holds: "command: 'echo one two', contains: two",
    fails: "command: 'echo sorry >&2; exit 3'",
    command: /bash -c 'echo sorry >&2; exit 3'$/,
    expected: "exit code 0",
    actual: /^exit code 3: sorry$/,
    cause: /not so on the node/,
  },
  {
    kind: "output",
    holds: "command: 'echo one'",
    fails: "command: 'echo one', contains: two",
    command: /bash -c 'echo one'$/,
    expected: 'exit code 0, with "two" in it',
    actual: /^one$/,
    cause: /not so on the node/,
  },
  {
    kind: "http",
    holds: `http: 'http://127.0.0.1:${PORT}/hello.txt', contains: hello`,
    fails: `http: 'http://127.0.0.1:${PORT}/none'`,
    command: /^curl .*\/none/,
    expected: "status 200",
    actual: /^status 404$/,
    cause: /not well/,
  },
  {
    kind: "status",
    holds: `http: 'http://127.0.0.1:${PORT}/none', status: 404`,
    fails: `http: 'http://127.0.0.1:${CLOSED}/', status: 404`,
    command: /^curl .*:9\//,
    expected: "status 404",
    actual: /^curl: \(7\)/,
    cause: /Nothing serves/,
  },
  {
    kind: "tcp",
    holds: `tcp: '127.0.0.1:${PORT}'`,
    fails: `tcp: '127.0.0.1:${CLOSED}'`,
    command: /^python3 -c [^]*127\.0\.0\.1:9$/,
    expected: "all 1 in order",
    actual: /^127\.0\.0\.1:9: .*refused$/,
    cause: /Nothing listens/,
  },
  {
    kind: "file",
    holds: "file: /opt/uploaded_files/files/hello.txt, contains: hello",
    fails: "file: '/opt/it is not'",
    command: /^sudo -n stat .*'\/opt\/it is not'$/,
    expected: "it exists",
    actual: /No such file or directory$/,
    cause: /never written/,
  },
  {
    kind: "content",
    holds: "file: /etc/spot-deployer",
    fails: "file: /opt/uploaded_files/files/hello.txt, contains: bye",
    command: /&& sudo -n cat/,
    expected: 'it exists, with "bye" in it',
    actual: /^hello$/,
    cause: /something else/,
  },
  {
    kind: "service",
    holds: "service: page.service",
    fails: "service: none.service",
    command: /systemctl show .* none\.service;/,
    expected: "all 1 in order",
    actual: /^none\.service: inactive \(dead\)/,
    cause: /not installed/,
  },
];

describeHosts("the user's own checks on a booted host", () => {
  const bench = new FleetBench();
  let host: InsideHost;

  /** Changes `checks:` and nothing else, which replaces no node. */
  const configure = (...checks: string[]): void =>
    bench.fleet({ "us-west-2": 1 }, ["checks:", ...checks.map((check) => `  - {${check}}`)]);

  before(async () => {
    bench.file(
      "systemd/page.service",
      `[Service]\nWorkingDirectory=/opt/uploaded_files/files\nExecStart=/usr/bin/python3 -m http.server ${PORT} --bind 127.0.0.1\n[Install]\nWantedBy=multi-user.target\n`,
    );
    configure(...kinds.map(({ kind, holds }) => `name: ${kind}, ${holds}, retry: 10`));
    const { outcome, document } = await bench.up();
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
    const own = document.verification?.nodes[0]?.results.filter(({ phase }) => phase === "own");
    assert.deepEqual(
      own?.map(({ id, status }) => `${id} ${status}`),
      kinds.map(({ kind }) => `U-${kind} ok`),
      "`up` goes through them too",
    );
    host = bench.host((await bench.ids())["us-west-2-0"] ?? "");
  });
  after(() => bench[Symbol.asyncDispose]());

  /** The results of one run of the own checks alone, and its exit code. */
  async function verified(...checks: string[]): Promise<{ code: number | null; of: (name: string) => CheckResult }> {
    configure(...checks);
    const { code, report } = await bench.verify("--only", "U-*");
    return { code, of: (name) => report.nodes[0]?.results.find(({ id }) => id === `U-${name}`) ?? assert.fail(name) };
  }

  it("each kind holds where it is so", async () => {
    const { code, of } = await verified(...kinds.map(({ kind, holds }) => `name: ${kind}, ${holds}`));
    assert.deepEqual(
      kinds.map(({ kind }) => `${kind} ${of(kind).status}`),
      kinds.map(({ kind }) => `${kind} ok`),
    );
    assert.equal(code, 0);
  });

  it("each kind fails where it is not so: what was run, expected and found, the cause and what to do", async () => {
    const { code, of } = await verified(...kinds.map(({ kind, fails }) => `name: ${kind}, ${fails}`));
    assert.equal(code, 5);
    for (const { kind, command, expected, actual, cause } of kinds) {
      const result = of(kind);
      assert.equal(result.status, "failed", kind);
      assert.match(result.command ?? "", command);
      assert.equal(result.expected, expected);
      assert.match(result.actual ?? "", actual);
      assert.match(result.cause ?? "", cause);
      assert.ok(result.next?.includes(`correct \`checks:\` (${kind}) in config.yaml`), result.next);
    }
    const { stdout } = await bench.spot(["verify", "--only", "U-http"]);
    assert.match(
      stdout,
      /^us-west-2-0 U-http http:.*: FAILED\n {2}run: +curl .*\n {2}expected: +status 200\n {2}actual: +status 404\n {2}cause: +Nothing serves.*\n {2}next: +Run the command on the node/m,
    );
  });

  it("is tried again for as long as `retry` says, and once without it", async () => {
    const atTheSecondTry = (file: string): string => `command: 'echo try >> ${file}; test $(wc -l < ${file}) -ge 2'`;
    const { code, of } = await verified(
      `name: again, ${atTheSecondTry("/tmp/again")}, retry: 30`,
      `name: once, ${atTheSecondTry("/tmp/once")}`,
    );
    assert.deepEqual([of("again").status, of("once").status, code], ["ok", "failed", 5]);
    assert.equal(await host.run("wc -l < /tmp/again; wc -l < /tmp/once"), "2\n1\n");
  });

  it("gives up at `deadline`, says so, and leaves nothing running on the node", async () => {
    const { callerAddress } = await bench.sandbox();
    const { code, of } = await verified(
      "name: endless, command: 'sleep 7777', deadline: 1",
      `name: silent, tcp: '${callerAddress}:${CLOSED}', deadline: 1`,
    );
    assert.equal(code, 5);
    assert.match(of("endless").actual ?? "", /did not end within its deadline/);
    assert.match(of("silent").actual ?? "", /: timed out$/);
    assert.equal(of("endless").command, "timeout -k 1 1 bash -c 'sleep 7777'", "the node ends it after that time");
    assert.match(
      of("silent").command ?? "",
      new RegExp(`' 1 '?${callerAddress}:${CLOSED}'?$`),
      "it tries for that time",
    );
    await until(
      "the command is gone",
      async () => (await host.run("pgrep -f '^sleep 7777$' || echo none")) === "none\n",
    );
  });

  it("fails nothing when its severity is warn or info, and says it all the same", async () => {
    const { code, of } = await verified(
      "name: warned, command: 'false', severity: warn",
      "name: noted, command: 'false', severity: info",
      "name: well, command: 'true'",
    );
    assert.equal(code, 0);
    assert.deepEqual(
      ["warned", "noted", "well"].map((name) => of(name).status),
      ["warning", "info", "ok"],
    );
    assert.ok(of("warned").cause !== undefined && of("warned").next !== undefined);
    const { stdout } = await bench.spot(["verify", "--only", "U-*"]);
    assert.match(stdout, /U-warned .*: WARNING\n {2}run: +timeout -k 1 10 bash -c false\n/);
  });
});

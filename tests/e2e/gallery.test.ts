import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import {
  AuthorizeSecurityGroupIngressCommand,
  DeleteRouteCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  EC2Client,
  ModifyInstanceMetadataOptionsCommand,
  RevokeSecurityGroupIngressCommand,
} from "@aws-sdk/client-ec2";
import { openFleet } from "../../automation/operations/nodes/verify-fleet";
import type { FleetAccess } from "../../automation/operations/nodes/fleet-access";
import { verifyNodes } from "../../automation/operations/nodes/verify-nodes";
import { openSession, type Session } from "../../automation/session";
import type { CheckResult, NodeVerification } from "../../automation/verify/result";
import { checksFor, type Check } from "../../fleet/checks";
import { loadConfig } from "../../project/config-file";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench, idsWith } from "../support/fleet-bench";
import type { InsideHost } from "../support/inside-host";
import { clientOf } from "../support/sandbox";
import { galleryCases, galleryPairs, type GalleryCase } from "./gallery/cases";
import { CleanUp } from "../support/clean-up";

/** The node that is broken, and one that is not. */
const [BROKEN, WELL] = ["us-west-2-0", "us-west-2-1"];

/** What is waited for: a broken node does not get better, a healed one needs its services to settle. */
const PATIENCE = { broken: 1_500, healed: 15_000 } as const;

/** The order in which the way to a node's shell is looked at, when there is no login. */
const ON_THE_WAY = [
  "instance state",
  "console output",
  "security group",
  "route",
  "public address",
  "banner",
  "host key",
  "authentication",
];

/** All that an own login leaves on a node (node.md 4), and what the node writes by itself, all the time. */
const LEFT_BY_A_LOGIN =
  /^\/(var\/log\/(journal|wtmp|btmp|lastlog|auth\.log)|run\/(log|utmp|sudo|user|systemd|dbus|credentials|nologin|motd\.dynamic)|tmp\/systemd-private|var\/tmp\/systemd|var\/lib\/(systemd|sudo))(\/|$)|^\/(run|tmp)$/;
const WRITTEN_ALWAYS = /^\/(opt\/sensor\/data|run\/spot-deployer)(\/|$)/;

describeHosts("the gallery of broken nodes", () => {
  const cleanUp = new CleanUp();
  const bench = cleanUp.use(new FleetBench());
  let session: Session;
  let fleet: FleetAccess;
  let checks: readonly Check[];
  let host: InsideHost;
  let ids: Record<string, string>;

  before("a fleet of booted hosts", async () => {
    bench.file(
      "systemd/mine.service",
      "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    );
    bench.fleet({ "us-west-2": 2 }, [
      "packages: [jq]",
      "checks:",
      "  - {name: nothing-wrong, command: 'test ! -e /tmp/wrong'}",
    ]);
    const { outcome } = await bench.up();
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
    ids = await bench.ids();
    host = bench.host(ids[BROKEN] ?? "");
    const never = new AbortController().signal;
    setMaxListeners(0, never);
    const reporter = { emit: () => undefined, confirm: () => Promise.resolve(false) };
    session = await openSession({
      projectDir: bench.root,
      configFile: bench.configFile,
      env: bench.env,
      reporter,
      interrupts: { soft: never, hard: never },
      sandbox: "hosts",
      stack: bench.stack,
      reading: true,
    });
    cleanUp.defer(() => session.cloud.close());
    const config = loadConfig(bench.configFile);
    fleet = await openFleet(session, { config, configFile: bench.configFile });
    checks = checksFor(config);
  });
  after(() => cleanUp.run());

  const verify = async (
    patienceMs: number,
    names: (string | undefined)[] = [BROKEN],
  ): Promise<Map<string, NodeVerification>> => {
    const { nodes } = await verifyNodes(
      fleet,
      session.state.nodes.filter(({ name }) => names.includes(name)),
      { checks, patienceMs },
    );
    return new Map(nodes.map((node) => [node.node, node]));
  };
  const of = (nodes: Map<string, NodeVerification>, name = BROKEN): NodeVerification =>
    nodes.get(name) ?? assert.fail(name);
  const inHost = (script: string): Promise<string> =>
    host.run(`ID=${ids[BROKEN]} OTHER=${ids[WELL]} CALLER=${session.target.sandbox?.callerAddress}\n${script}`);
  const told = ({ id, status, actual, because }: CheckResult): string => `${id} ${status}: ${actual ?? because}`;

  const assertHealthy = (node: NodeVerification): void => {
    assert.deepEqual(
      node.results.filter(({ status }) => status !== "ok" && status !== "info").map(told),
      [],
      node.node,
    );
    assert.equal(node.isVerified, true);
  };

  /** Exactly these fail and warn, and everything else holds or is skipped because of one that fails. */
  const assertFound = (
    node: NodeVerification,
    {
      failing = [],
      warning = [],
      noting = [],
      says,
      journal,
    }: Pick<GalleryCase, "failing" | "warning" | "noting" | "journal"> & { says?: RegExp },
  ): void => {
    assert.deepEqual(
      { failing: idsWith("failed", node), warning: idsWith("warning", node) },
      { failing, warning },
      node.results
        .filter(({ status }) => status === "failed" || status === "warning")
        .map(told)
        .join("\n"),
    );
    for (const { id, status, because } of node.results)
      if (status === "skipped") assert.ok(failing.includes(because ?? ""), `${id} was skipped because of ${because}`);
    for (const id of noting) assert.equal(node.results.find((result) => result.id === id)?.status, "info", id);
    const named = node.results.filter(({ id }) => [...failing, ...warning, ...noting].includes(id));
    const first = node.results.find(({ id }) => id === [...failing, ...warning, ...noting][0]);
    if (says) assert.match(`${first?.actual}\n${first?.cause}`, says);
    const journals = named.flatMap(({ journals: some = [] }) =>
      some.flatMap(({ unit, lines }) => lines.map((line) => `${unit}: ${line}`)),
    );
    if (journal) assert.match(journals.join("\n"), journal);
    if (first?.phase === "reach" && first.diagnosis !== undefined)
      assert.deepEqual(
        first.diagnosis.map(({ subject }) => subject),
        ON_THE_WAY,
      );
  };

  it("finds nothing wrong with the healthy fleet, twenty times in a row", async () => {
    for (let run = 1; run <= 20; run += 1)
      for (const node of (await verify(PATIENCE.healed, [BROKEN, WELL])).values()) assertHealthy(node);
  });

  it("writes nothing on a node but what any login leaves", async () => {
    const look = async () => ({
      files: (
        await inHost(
          `find / /run /tmp -xdev ! -path '/proc/*' ! -path '/sys/*' -printf '%p\\t%y %s %m %U %T@ %C@\\n' | sort -u`,
        )
      ).split("\n"),
      units: await inHost(
        "systemctl list-units --all --plain --no-legend --no-pager --type service,socket,timer,target,mount | grep -v '^user\\(-runtime-dir\\)\\?@\\|^run-user' | awk '{print $1, $3, $4}'",
      ),
    });
    // The login itself first, so that what it makes once is there.
    await verify(PATIENCE.healed);
    const before = await look();
    assertHealthy(of(await verify(PATIENCE.healed)));
    const after = await look();
    const known = new Set(before.files);
    const changed = after.files.filter((line) => !known.has(line)).map((line) => line.split("\t", 1)[0] ?? "");
    assert.ok(before.files.length > 5_000, "the whole file system was looked at");
    assert.deepEqual(
      changed.filter((path) => !LEFT_BY_A_LOGIN.test(path) && !WRITTEN_ALWAYS.test(path)),
      [],
    );
    assert.equal(after.units, before.units);
  });

  it("shows of each check a command that, pasted into a shell on the node, gives what the check found", async () => {
    const [target] = await fleet.targets(session.state.nodes.filter(({ name }) => name === BROKEN));
    const { results } = of(await verify(PATIENCE.healed));
    const onNode = checks.flatMap((check) =>
      check.where === "node" && results.some(({ id }) => id === check.id) ? [check] : [],
    );
    assert.ok(onNode.length > 40);
    for (const check of onNode) {
      const result = results.find(({ id }) => id === check.id) ?? assert.fail(check.id);
      const asked = Date.now();
      // An interactive shell, as a person has one: it also takes `!` for its history.
      const pasted = Buffer.from(`PS1= PS2=\n${result.command}\nexit $?\n`).toString("base64");
      const [code = "", ...stdout] = (
        await host.run(
          `echo ${pasted} | base64 -d | runuser -l ubuntu -c 'bash --norc -i' 2>/root/stderr >/root/stdout; echo $?; cat /root/stdout`,
        )
      ).split("\n");
      const verdict = check.judge(
        {
          code: Number(code),
          stdout: stdout.join("\n"),
          stderr: await host.run("cat /root/stderr"),
          at: (asked + Date.now()) / 2,
        },
        target!.expectation,
      );
      assert.deepEqual(
        [check.id, verdict.ok, verdict.expected],
        [check.id, result.status === "ok", result.expected],
        `${result.command}\n${stdout.join("\n")}`,
      );
    }
  });

  it("has at least thirty ways to break a node, each with a name of its own", () => {
    assert.ok(galleryCases.length >= 30);
    assert.equal(new Set(galleryCases.map(({ name }) => name)).size, galleryCases.length);
  });

  for (const broken of galleryCases) {
    it(`${broken.name}: ${[...(broken.failing ?? []), ...(broken.warning ?? []), ...(broken.noting ?? [])].join(", ")}`, async () => {
      await inHost(broken.breaks);
      try {
        const nodes = await verify(PATIENCE.broken, broken.elsewhere ? [BROKEN, WELL] : [BROKEN]);
        assertFound(of(nodes), broken);
        if (broken.elsewhere) assertFound(of(nodes, WELL), { failing: broken.elsewhere });
      } finally {
        await inHost(broken.heals);
        // What an earlier case made systemd say is not this boot's last word.
        await inHost("journalctl -q --rotate && journalctl -q --vacuum-time=1ms");
      }
      assertHealthy(of(await verify(PATIENCE.healed)));
    });
  }

  describe("two faults at once", () => {
    const order = (ids: readonly string[]): string[] => checks.map(({ id }) => id).filter((id) => ids.includes(id));

    for (const [one, other] of galleryPairs) {
      it(`${one.name}, and ${other.name}: both are named`, async () => {
        await inHost(one.breaks);
        try {
          await inHost(other.breaks);
          try {
            assertFound(of(await verify(PATIENCE.broken)), {
              failing: order([...(one.failing ?? []), ...(other.failing ?? [])]),
              warning: order([...(one.warning ?? []), ...(other.warning ?? [])]),
            });
          } finally {
            await inHost(other.heals);
          }
        } finally {
          await inHost(one.heals);
          await inHost("journalctl -q --rotate && journalctl -q --vacuum-time=1ms");
        }
        assertHealthy(of(await verify(PATIENCE.healed)));
      });
    }
  });

  describe("in AWS", () => {
    const REGION = "us-west-2";
    let ec2: EC2Client;
    before(async () => {
      ec2 = new EC2Client(clientOf(await bench.sandbox(), REGION));
      cleanUp.defer(() => ec2.destroy());
    });
    const ours = () => [{ Name: "tag:spot-deployer:lineage", Values: [session.lineage] }];
    const groupId = async (): Promise<string> =>
      (await ec2.send(new DescribeSecurityGroupsCommand({ Filters: ours() }))).SecurityGroups?.[0]?.GroupId ??
      assert.fail("no group");
    const ssh = (cidr: string, port = 22) => [
      { IpProtocol: "tcp", FromPort: port, ToPort: port, IpRanges: [{ CidrIp: cidr }] },
    ];
    const caller = (): string => `${session.target.sandbox?.callerAddress}/32`;

    it("IMDSv1 allowed: A5", async () => {
      const tokens = (HttpTokens: "optional" | "required") =>
        ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId: ids[BROKEN], HttpTokens }));
      await tokens("optional");
      assertFound(of(await verify(PATIENCE.broken)), { failing: ["A5"], says: /tokens optional/ });
      await tokens("required");
    });

    it("a port opened to the world: A4", async () => {
      const rule = { GroupId: await groupId(), IpPermissions: ssh("0.0.0.0/0", 80) };
      await ec2.send(new AuthorizeSecurityGroupIngressCommand(rule));
      assertFound(of(await verify(PATIENCE.broken)), { failing: ["A4"], says: /admits tcp 80-80 from 0\.0\.0\.0\/0/ });
      await ec2.send(new RevokeSecurityGroupIngressCommand(rule));
    });

    it("a port opened to the world, and a workload stopped: A4, F7", async () => {
      const rule = { GroupId: await groupId(), IpPermissions: ssh("0.0.0.0/0", 80) };
      await ec2.send(new AuthorizeSecurityGroupIngressCommand(rule));
      await inHost("systemctl stop sensor.service");
      try {
        assertFound(of(await verify(PATIENCE.broken)), { failing: ["A4", "F7"] });
      } finally {
        await inHost("systemctl start sensor.service");
        await ec2.send(new RevokeSecurityGroupIngressCommand(rule));
      }
    });

    it("our own address shut out: A4", async () => {
      const rule = { GroupId: await groupId(), IpPermissions: ssh(caller()) };
      await ec2.send(new RevokeSecurityGroupIngressCommand(rule));
      assertFound(of(await verify(PATIENCE.broken)), { failing: ["A4"], says: /no group admits SSH from/ });
      await ec2.send(new AuthorizeSecurityGroupIngressCommand(rule));
      assertHealthy(of(await verify(PATIENCE.healed)));
    });

    it("an interruption announced: A6", async () => {
      await bench.control("POST", "notices", { instanceId: ids[WELL], kind: "interruption", seconds: 3_600 });
      const node = of(await verify(PATIENCE.broken, [WELL]), WELL);
      assert.match(node.results.find(({ id }) => id === "A6")?.actual ?? "", /marked-for-termination/);
      assert.equal(node.isVerified, false);
    });

    it("the way to the internet gone: A3", async () => {
      const { RouteTables } = await ec2.send(new DescribeRouteTablesCommand({ Filters: ours() }));
      await ec2.send(
        new DeleteRouteCommand({ RouteTableId: RouteTables?.[0]?.RouteTableId, DestinationCidrBlock: "0.0.0.0/0" }),
      );
      assertFound(of(await verify(PATIENCE.broken)), { failing: ["A3"], says: /no route to the internet/ });
    });
  });
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { CreateTagsCommand, DeleteTagsCommand, EC2Client } from "@aws-sdk/client-ec2";
import { clientOf, FIRST_RUN_MS } from "../support/sandbox";
import { hasTmux, TestTerminal } from "../support/terminal";
import { Workbench } from "../support/workbench";

/** Whether the engine or this program sees it first. */
const DAMAGED = /the stack's state is damaged|the state of stack \S+ is no state/;

/** How the state of a standing fleet is lost, and what is said of it. */
const LOSSES: {
  name: string;
  lose: (files: { state: string; pulumi: (args: string) => void }) => void;
  says: RegExp;
  some?: true;
}[] = [
  {
    name: "the file is gone",
    lose: ({ state }) => rmSync(state),
    says: /the state of stack \S+ is gone, while 2 instances of its fleet/,
  },
  {
    name: "it is cut off, and the engine's own backup with it, as a full disk does",
    lose: ({ state }) => [state, `${state}.bak`].forEach((file) => truncateSync(file, 1000)),
    says: DAMAGED,
    some: true,
  },
  { name: "it is empty", lose: ({ state }) => writeFileSync(state, ""), says: DAMAGED, some: true },
  {
    name: "it is gone, and the stack was made again by hand",
    lose: ({ state, pulumi }) => {
      rmSync(path.dirname(state), { recursive: true });
      pulumi("stack init");
    },
    says: /the state of stack \S+ knows none of the 2 instances that carry the ID of its fleet/,
  },
];

/** How the passphrase of a standing fleet is lost, on which its state and its settings cannot be read. */
const LOST_PASSPHRASES: { name: string; lose: (file: string) => void; code: string }[] = [
  {
    name: "the fleet's folder is lost",
    lose: (file) => rmSync(path.dirname(file), { recursive: true }),
    code: "E_KEY_LOST",
  },
  { name: "the passphrase is another one", lose: (file) => writeFileSync(file, "another\n"), code: "E_PASSPHRASE" },
];

/** Each command that changes something or shows the fleet, and its exit code. The first few stand for all where the loss is of a kind. */
const COMMANDS: [args: string[], code: number][] = [
  [["up", "--yes"], 1],
  [["down", "--yes"], 8],
  [["list"], 1],
  [["recover"], 130],
  [["repair", "--yes"], 1],
  [["replace", "us-west-2-0", "--yes"], 1],
  [["allow-me", "--yes"], 1],
  [["cleanup-vpcs", "--yes"], 1],
  [["down", "--dry-run"], 8],
  [["down", "us-west-2-0", "--yes"], 8],
  [["preview"], 1],
  [["verify"], 1],
  [["cost"], 1],
];

describe("a lost state is one case with one answer (M20, O1, O14)", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  let ids: string[];
  /** A state that knows none of today's nodes. */
  let older: Buffer;
  before(async () => {
    bench = new Workbench();
    bench.config({ "us-west-2": 1, "eu-west-1": 1 });
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    ids = await live();
  });
  after(() => bench[Symbol.asyncDispose]());

  const ec2 = async (act: (client: EC2Client) => Promise<unknown>) => {
    const client = new EC2Client(clientOf(await bench.sandbox(), "us-west-2"));
    await act(client).finally(() => client.destroy());
  };
  const live = async () => (await bench.live()).instances.map(({ InstanceId }) => InstanceId!).sort();
  const backend = () => path.join(bench.home, "backend");
  const state = () => path.join(backend(), ".pulumi/stacks/spot-deployer", `${bench.stack}.json`);
  const passphrase = () =>
    readdirSync(path.join(bench.home, "keys"))
      .map((folder) => path.join(bench.home, "keys", folder, "passphrase"))
      .find(existsSync)!;
  const kept = () => {
    const [folder] = readdirSync(path.join(backend(), ".spot-deployer"));
    return path.join(backend(), ".spot-deployer", folder!, "state.json");
  };

  for (const { name, lose, says, some } of LOSSES) {
    it(`${name}: no command ends or makes anything, each says so and shows the fleet, and \`recover\` restores what was kept`, async () => {
      const { stdout: exports } = await bench.spot(["env"]);
      const pulumi = (args: string): void => {
        const { status, stderr } = spawnSync(
          "sh",
          ["-c", `${exports}\npulumi ${args} ${bench.stack} --non-interactive`],
          { cwd: bench.root, env: bench.env, encoding: "utf8" },
        );
        assert.equal(status, 0, stderr);
      };
      lose({ state: state(), pulumi });
      const lost = existsSync(state()) ? readFileSync(state()) : undefined;
      const settings = readFileSync(bench.stackFile, "utf8");
      for (const [args, exit] of some ? COMMANDS.slice(0, 4) : COMMANDS) {
        const { code, stdout, stderr } = await bench.spot(args);
        const text = stdout + stderr;
        assert.equal(code, exit, `${args.join(" ")}: ${text}`);
        if (args[0] === "recover") assert.match(text, /E_DECLINED/);
        else {
          assert.match(text, says);
          assert.match(
            text,
            /(?:E_STATE|\[state\] ERROR)[^]*Nothing was changed\. `recover` restores the state of \S+ \(2 nodes\); `recover --fleet-id \w{16}` ends the fleet by its tags; [^.]*`--stack NEW` leaves it/,
            args.join(" "),
          );
          for (const id of ids) assert.match(text, new RegExp(id), args.join(" "));
        }
        assert.deepEqual(await live(), ids, args.join(" "));
        assert.deepEqual(
          existsSync(state()) ? readFileSync(state()) : undefined,
          lost,
          `${args.join(" ")}: the state stays where and as it is`,
        );
      }
      assert.equal(readFileSync(bench.stackFile, "utf8"), settings);
      assert.equal(statSync(kept()).mode & 0o777, 0o600);
      const recovered = await bench.spot(["recover", "--yes"]);
      assert.equal(recovered.code, 0, recovered.stdout + recovered.stderr);
      const up = await bench.spot(["up", "--yes"]);
      assert.equal(up.code, 9, up.stderr);
      assert.match(up.stdout, /Nothing to change: 2 nodes/);
      assert.deepEqual(await live(), ids);
    });
  }

  it("an older state that was put back by hand, and knows none of today's nodes: the ways out that are named work", async () => {
    older = readFileSync(state());
    const replaced = await bench.spot(["replace", "us-west-2-0,eu-west-1-0", "--yes"]);
    assert.equal(replaced.code, 9, replaced.stderr);
    const now = await live();
    writeFileSync(state(), older);
    for (const [args, exit] of [
      [["up", "--yes"], 1],
      [["list"], 1],
      [["preview"], 1],
    ] as const) {
      const { code, stdout, stderr } = await bench.spot([...args]);
      assert.equal(code, exit, stdout + stderr);
      assert.match(stdout + stderr, /knows none of the 2 instances[^]*`recover` restores the state of/);
    }
    const recovered = await bench.spot(["recover", "--yes"]);
    assert.equal(recovered.code, 0, recovered.stdout + recovered.stderr);
    const up = await bench.spot(["up", "--yes"]);
    assert.match(up.stdout, /Nothing to change: 2 nodes/);
    assert.deepEqual(await live(), now);
    ids = now;
  });

  it("such a state whose passphrase is lost too is not called whole by the question about the fleet", async function () {
    if (!hasTmux()) return this.skip();
    const [now, file] = [readFileSync(state()), passphrase()];
    const command = [
      process.execPath,
      path.join(bench.root, "dist/cli/main.js"),
      "recover",
      "--fleet-id",
      path.basename(path.dirname(file)),
      "--sandbox=api",
      "--stack",
      bench.stack,
      "--config",
      bench.configFile,
      "--plain",
    ];
    writeFileSync(state(), older);
    renameSync(file, `${file}.away`);
    try {
      using terminal = new TestTerminal(command, {
        columns: 300,
        rows: 40,
        cwd: bench.root,
        env: { ...bench.env, CI: undefined },
      });
      await terminal.shows(
        /2 instances and \d+ other resources\? If another machine has its state, run `down` there instead/,
      );
      terminal.type("Enter");
      assert.equal(await terminal.ended(), 130, terminal.everything());
    } finally {
      renameSync(`${file}.away`, file);
      writeFileSync(state(), now);
    }
  });

  it("where nothing that was kept knows the fleet, `recover` says so, and the fleet is ended by its ID alone", async () => {
    rmSync(path.dirname(state()), { recursive: true });
    rmSync(kept());
    const recover = await bench.spot(["recover", "--yes"]);
    assert.equal(recover.code, 1);
    assert.match(
      recover.stderr,
      /E_STATE: .* is gone, while 2 instances .*, and there is no saved state that knows any of them/,
    );
    const [, id] = /--fleet-id (\w{16})/.exec(recover.stderr)!;
    assert.deepEqual(await live(), ids);
    const ended = await bench.spot(["recover", "--fleet-id", id!, "--yes"]);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    assert.match(ended.stdout, /Proven/);
    assert.deepEqual(await live(), []);
  });

  /** What has lost its tags is still in the record: that nothing carries them is no proof. */
  async function untagged(fleetId: string, fleet: string[]): Promise<void> {
    const tag = { Resources: fleet, Tags: [{ Key: "spot-deployer:lineage", Value: fleetId }] };
    await ec2((client) => client.send(new DeleteTagsCommand(tag)));
    const unproven = await bench.spot(["recover", "--fleet-id", fleetId, "--yes"]);
    assert.equal(unproven.code, 8, unproven.stdout + unproven.stderr);
    assert.match(unproven.stdout + unproven.stderr, new RegExp(fleet[0]!));
    assert.deepEqual(await live(), fleet);
    assert.ok(existsSync(state()), "the record of what is left stays");
    await ec2((client) => client.send(new CreateTagsCommand(tag)));
    const declined = await bench.spot(["recover", "--fleet-id", fleetId]);
    assert.equal(declined.code, 130, declined.stderr);
  }

  for (const { name, lose, code } of LOST_PASSPHRASES) {
    it(`${name}: what needs it refuses and names the way out, which works; the fleet can be made anew`, async () => {
      bench.config({ "us-west-2": 1 });
      const made = await bench.spot(["up", "--yes"]);
      assert.equal(made.code, 9, made.stderr);
      const fleet = await live();
      assert.equal(fleet.length, 1);
      const fleetId = path.basename(path.dirname(passphrase()));
      lose(passphrase());
      for (const args of [
        ["down", "--yes"],
        ["down", "us-west-2-0", "--yes"],
        ["replace", "us-west-2-0", "--yes"],
      ]) {
        const { code: exit, stdout, stderr } = await bench.spot(args);
        assert.equal(exit, 1, `${args.join(" ")}: ${stdout}${stderr}`);
        assert.match(
          stderr,
          new RegExp(`${code}[^]*\`recover --fleet-id ID\` ends the fleet by its tags`),
          args.join(" "),
        );
        assert.deepEqual(await live(), fleet, args.join(" "));
      }
      if (code === "E_KEY_LOST") await untagged(fleetId, fleet);
      const ended = await bench.spot(["recover", "--fleet-id", fleetId, "--yes"]);
      assert.equal(ended.code, 0, ended.stdout + ended.stderr);
      assert.match(ended.stdout, /Proven: all \d+ objects of the fleet are gone/);
      assert.deepEqual(await live(), []);
      const again = await bench.spot(["up", "--yes"]);
      assert.equal(again.code, 9, again.stderr);
      assert.equal((await live()).length, 1);
      const down = await bench.spot(["down", "--yes"]);
      assert.equal(down.code, 0, down.stderr);
    });
  }
});

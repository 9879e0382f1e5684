import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { obtainFrom, PULUMI_CLI_VERSION } from "../../../../automation/engine/pulumi-cli";
import { goInstaller, type Installer } from "../../../../automation/engine/pulumi-cli/installers";
import { isSpotError, type SpotError } from "../../../../fleet/errors";

/** As large as a real CLI must at least be for its version to be remembered. */
const PADDING = `\n#${"-".repeat(1024 * 1024)}`;

describe("obtaining the Pulumi CLI", () => {
  let dir: string;
  let cacheDir: string;
  let told: string[];
  /** Ends whatever a test still has running, also when it failed. */
  let over: AbortController;

  beforeEach(() => {
    dir = realpathSync(mkdtempSync(path.join(tmpdir(), "spot-pulumi-cli-")));
    cacheDir = path.join(dir, "cache");
    told = [];
    over = new AbortController();
  });

  afterEach(() => {
    over.abort();
    rmSync(dir, { recursive: true, force: true });
  });

  /** A fake CLI that writes one line per call to `<folder>/calls`. */
  function fakeCli(
    folder: string,
    { answer = `echo v${PULUMI_CLI_VERSION}`, host = true, padded = false } = {},
  ): string {
    mkdirSync(folder, { recursive: true });
    const command = path.join(folder, "pulumi");
    executable(command, `#!/bin/sh\necho "$@" >> "${folder}/calls"\n${answer}\nexit\n${padded ? PADDING : ""}`);
    if (host) executable(path.join(folder, "pulumi-language-nodejs"), "#!/bin/sh\n");
    return command;
  }

  function executable(file: string, text: string): void {
    writeFileSync(file, text);
    chmodSync(file, 0o755);
  }

  const inCache = () => path.join(cacheDir, "pulumi", PULUMI_CLI_VERSION, "bin");
  const calls = (folder: string) =>
    existsSync(path.join(folder, "calls")) ? readFileSync(path.join(folder, "calls"), "utf8").trim().split("\n") : [];

  function obtain({
    ways = [] as Installer[],
    env = {},
    signal = over.signal,
  }: {
    ways?: Installer[];
    env?: NodeJS.ProcessEnv;
    signal?: AbortSignal;
  } = {}) {
    return obtainFrom(ways, { cacheDir, env: { PATH: "", ...env }, report: (detail) => told.push(detail), signal });
  }

  const making = (origin: Installer["origin"], provide: (root: string) => unknown): Installer => ({
    origin,
    install: async ({ root }) => {
      await provide(root);
    },
  });

  async function refused(work: Promise<unknown>, code: string): Promise<SpotError> {
    const error = await work.then(
      () => assert.fail("it was accepted"),
      (thrown: unknown) => thrown,
    );
    assert.ok(isSpotError(error), String(error));
    assert.equal(error.code, code);
    return error;
  }

  describe("order", () => {
    it("takes PULUMI_CLI before the one on PATH, and that before the cache", async () => {
      const named = fakeCli(path.join(dir, "named"));
      const onPath = fakeCli(path.join(dir, "path"));
      const cached = fakeCli(inCache());
      const PATH = path.dirname(onPath) + ":/bin:/usr/bin";
      assert.deepEqual(await obtain({ env: { PULUMI_CLI: named, PATH } }), {
        command: named,
        binDir: path.dirname(named),
        version: PULUMI_CLI_VERSION,
        origin: "PULUMI_CLI",
      });
      assert.equal((await obtain({ env: { PATH } })).command, onPath);
      assert.equal((await obtain()).command, cached);
    });

    it("makes one only where there is none, by the first way that works, and keeps it", async () => {
      const ways = [
        making("installer", () => Promise.reject(new Error("no network"))),
        making("go", (root) => fakeCli(path.join(root, "bin"))),
      ];
      const made = await obtain({ ways });
      assert.deepEqual([made.origin, made.command], ["go", path.join(inCache(), "pulumi")]);
      assert.equal((await obtain({ ways: [] })).origin, "cache");
    });
  });

  describe("what it refuses", () => {
    for (const [what, options, reason] of [
      ["an old CLI", { answer: "echo v3.207.9" }, /version 3\.207\.9; needed is 3\.208\.0 or newer/],
      ["a CLI of another major version", { answer: "echo v4.0.0" }, /version 4\.0\.0/],
      ["a CLI that fails", { answer: "echo broken >&2; exit 3" }, /version` failed: broken/],
      ["a CLI without a version", { answer: "echo" }, /which is not a version/],
      ["a CLI without its language host", { host: false }, /has no pulumi-language-nodejs beside it/],
    ] as const) {
      it(`${what} on PATH is passed over, and the reason is told when nothing else works`, async () => {
        const command = fakeCli(path.join(dir, "path"), options);
        const env = { PATH: path.dirname(command) };
        const error = await refused(obtain({ env }), "E_PULUMI_CLI");
        assert.match(String(error.cause), reason);
        fakeCli(inCache());
        assert.equal((await obtain({ env })).origin, "cache");
      });

      it(`${what} in PULUMI_CLI is an error at once`, async () => {
        const command = fakeCli(path.join(dir, "named"), options);
        fakeCli(inCache());
        const error = await refused(obtain({ env: { PULUMI_CLI: command } }), "E_PULUMI_CLI");
        assert.match(error.message, reason);
      });
    }

    it("a PULUMI_CLI that does not exist is an error at once", async () => {
      fakeCli(inCache());
      const error = await refused(obtain({ env: { PULUMI_CLI: path.join(dir, "nowhere") } }), "E_PULUMI_CLI");
      assert.match(error.message, /nowhere is not an executable file/);
    });

    it("accepts a language host that is elsewhere on PATH", async () => {
      const command = fakeCli(path.join(dir, "path"), { host: false });
      fakeCli(path.join(dir, "hosts"));
      const PATH = `${path.dirname(command)}:${path.join(dir, "hosts")}`;
      assert.equal((await obtain({ env: { PATH } })).command, command);
    });

    it("names every way and its reason when nothing works", async () => {
      const ways = [
        making("installer", () => Promise.reject(new Error("cannot be reached"))),
        making("go", () => Promise.reject(new Error("Go is not on PATH"))),
      ];
      const error = await refused(obtain({ ways }), "E_PULUMI_CLI");
      assert.deepEqual(String(error.cause).split("\n"), [
        "PULUMI_CLI: not set",
        "on PATH: no pulumi there",
        `in the project's cache: nothing at ${path.join(inCache(), "pulumi")}`,
        "by Pulumi's installer: cannot be reached",
        "by building it with Go: Go is not on PATH",
      ]);
      assert.match(error.next, /Install Pulumi .* or Go .* or point PULUMI_CLI/);
    });

    it("what a way made but cannot be used is not kept", async () => {
      const error = await refused(
        obtain({ ways: [making("go", (root) => fakeCli(path.join(root, "bin"), { answer: "exit 9" }))] }),
        "E_PULUMI_CLI",
      );
      assert.match(String(error.cause), /by building it with Go: .*version` failed/);
      assert.deepEqual(readdirSync(path.join(cacheDir, "pulumi")), []);
    });
  });

  describe("a warm start", () => {
    it("spawns nothing for a real CLI that was checked before, until the file changes", async () => {
      fakeCli(inCache(), { padded: true });
      await obtain();
      await obtain();
      assert.deepEqual(calls(inCache()), ["version"]);
      fakeCli(inCache(), { padded: true, answer: "echo v3.299.0" });
      assert.equal((await obtain()).version, "3.299.0");
    });

    it("asks a version manager's shim every time: its answer can change unseen", async () => {
      fakeCli(inCache());
      await obtain();
      await obtain();
      assert.deepEqual(calls(inCache()), ["version", "version"]);
    });

    it("loads no Pulumi SDK", () => {
      const count = "Object.keys(require.cache).filter((file) => /@pulumi/.test(file)).length";
      const script = `require(process.argv[1]); process.stdout.write(String(${count}))`;
      const module = require.resolve("../../../../automation/engine/pulumi-cli");
      assert.equal(execFileSync(process.execPath, ["-e", script, module], { encoding: "utf8" }), "0");
    });
  });

  describe("building with Go", () => {
    /** A `go` that writes what -o names, after `before`; each call's folder and arguments go to a file. */
    function fakeGo(before = ""): NodeJS.ProcessEnv {
      const bin = path.join(dir, "go-bin");
      mkdirSync(bin, { recursive: true });
      executable(
        path.join(bin, "go"),
        `#!/bin/sh
echo "$PWD $*" >> "${dir}/go-calls"
${before}
echo some/package >&2
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
printf '#!/bin/sh\\necho "$0 $*" >> "${dir}/made-calls"\\necho v${PULUMI_CLI_VERSION}\\n' > "$out"
chmod 755 "$out"
`,
      );
      return { PATH: `${bin}:/bin:/usr/bin` };
    }

    it("builds both programs from their pinned modules, the CLI with its version", async () => {
      const made = await obtain({ ways: [goInstaller], env: fakeGo() });
      const [cli = "", host = ""] = readFileSync(path.join(dir, "go-calls"), "utf8").trim().split("\n");
      assert.match(cli, /tools\/pulumi-cli\/cli build .*version\.Version=v3\.255\.0 .*pkg\/v3\/cmd\/pulumi$/);
      assert.match(host, /tools\/pulumi-cli\/language-host build .*pulumi-language-nodejs$/);
      assert.ok(existsSync(path.join(cli.split(" ")[0] ?? "", "go.mod")), "the module is where the build looks for it");
      assert.deepEqual(readdirSync(made.binDir).sort(), [
        "pulumi",
        "pulumi-language-nodejs",
        "pulumi-language-nodejs-host",
      ]);
      assert.match(told[0] ?? "", /building the Pulumi CLI with Go \(part 1 of 2/);
    });

    it("wraps the language host, which learns only so that the program is compiled already", async () => {
      const { binDir } = await obtain({ ways: [goInstaller], env: fakeGo() });
      await ended(spawn(path.join(binDir, "pulumi-language-nodejs"), ["127.0.0.1:1"]));
      const last = readFileSync(path.join(dir, "made-calls"), "utf8").trim().split("\n").pop();
      assert.equal(last, `${binDir}/pulumi-language-nodejs-host -typescript=false 127.0.0.1:1`);
    });

    it("an interrupted build ends with all its helpers and leaves nothing that counts", async () => {
      const interrupt = new AbortController();
      const env = fakeGo(`sleep 60 & echo $! > "${dir}/helper"; wait`);
      const work = refused(obtain({ ways: [goInstaller], env, signal: interrupt.signal }), "E_INTERRUPTED");
      await until(() => existsSync(path.join(dir, "helper")) && readFileSync(path.join(dir, "helper"), "utf8") !== "");
      interrupt.abort();
      await work;
      const helper = Number(readFileSync(path.join(dir, "helper"), "utf8"));
      await until(() => !alive(helper));
      assert.deepEqual(readdirSync(path.join(cacheDir, "pulumi")), []);
    });

    it("what a killed build left is not used, and the next build clears it away", async () => {
      const left = path.join(cacheDir, "pulumi", ".partial-dead");
      fakeCli(path.join(left, "bin"));
      await refused(obtain(), "E_PULUMI_CLI");
      fakeCli(path.join(left, "bin"));
      assert.equal((await obtain({ ways: [goInstaller], env: fakeGo() })).origin, "go");
      assert.ok(!existsSync(left));
    });

    it("of two at once one builds, and the other waits, says so and uses the result", async () => {
      const env = fakeGo(`until [ -e "${dir}/go-on" ]; do sleep 0.05; done`);
      const both = [obtain({ ways: [goInstaller], env }), obtain({ ways: [goInstaller], env })];
      await until(() => told.includes("waiting: another process is obtaining the Pulumi CLI"));
      writeFileSync(path.join(dir, "go-on"), "");
      const origins = (await Promise.all(both)).map(({ origin }) => origin);
      assert.deepEqual(origins.sort(), ["cache", "go"]);
      assert.equal(
        readFileSync(path.join(dir, "go-calls"), "utf8").trim().split("\n").length,
        2,
        "one build of two parts",
      );
    });
  });
});

function alive(pid: number): boolean {
  try {
    // A helper that has ended but that nobody has collected yet counts as ended.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function ended(child: ReturnType<typeof spawn>): Promise<void> {
  return new Promise((resolve) => child.on("close", () => resolve()));
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 50_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `timeout: ${String(condition)}`);
    await sleep(20);
  }
}

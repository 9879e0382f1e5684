import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isSpotError, wordsOf, type SpotError } from "../../fleet/errors";
import { findMoto, installMoto } from "../../sandbox/moto/install";

/** A python3 that makes "environments" and installs nothing; `venv` and `pip` are shell lines that may fail. */
const fakePython = ({ venv = "true", pip = "true" }): string => `#!/bin/sh
case "$*" in
  *"-m venv"*) echo venv >> "$CALLS"; ${venv}; mkdir -p "$3/bin"; printf '%s\\n' '#!/bin/sh' '${pip}' > "$3/bin/python"; chmod +x "$3/bin/python" ;;
  *) echo "fake 3.11" ;;
esac
`;

describe("installing moto", () => {
  let folder: string;
  let cache: string;
  const path = process.env["PATH"];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "spot-install-"));
    cache = join(folder, "cache");
    process.env["CALLS"] = join(folder, "calls");
    mkdirSync(join(folder, "bin"));
  });
  afterEach(() => {
    process.env["PATH"] = path;
    delete process.env["CALLS"];
    rmSync(folder, { recursive: true, force: true });
  });

  const givenPython = (behaviour: { venv?: string; pip?: string }): void => {
    writeFileSync(join(folder, "bin", "python3"), fakePython(behaviour), { mode: 0o755 });
    process.env["PATH"] = `${join(folder, "bin")}:${path}`;
  };
  const calls = (): number =>
    existsSync(join(folder, "calls")) ? readFileSync(join(folder, "calls"), "utf8").trim().split("\n").length : 0;
  const install = (report: (detail: string) => void = () => undefined): Promise<string> => installMoto(cache, report);
  const failure = async (): Promise<SpotError> => {
    const error: unknown = await install().then(
      () => undefined,
      (caught: unknown) => caught,
    );
    assert.ok(isSpotError(error), wordsOf(error));
    assert.equal(error.code, "E_SANDBOX_SETUP");
    assert.equal((await findMoto(cache)).installed, false);
    return error;
  };

  it("makes the environment once", async () => {
    givenPython({});
    assert.equal((await findMoto(cache)).installed, false);
    const python = await install();
    assert.equal(await install(), python);
    assert.deepEqual(await findMoto(cache), { folder: dirname(dirname(python)), python, installed: true });
    assert.equal(calls(), 1);
  });

  it("makes it once for two at once", async () => {
    givenPython({ venv: "sleep 0.3" });
    assert.equal(new Set(await Promise.all([install(), install()])).size, 1);
    assert.equal(calls(), 1);
  });

  it("makes anew one that was left half made", async () => {
    givenPython({});
    const python = await install();
    const made = dirname(dirname(python));
    rmSync(join(made, "complete"));
    writeFileSync(join(made, "rest"), "");
    await install();
    assert.ok(!existsSync(join(made, "rest")));
    assert.deepEqual(readdirSync(join(cache, "moto")).length, 1);
  });

  it("says so when there is no Python", async () => {
    process.env["PATH"] = join(folder, "bin");
    const error: unknown = await install().then(
      () => undefined,
      (caught: unknown) => caught,
    );
    assert.ok(
      isSpotError(error) && error.code === "E_SANDBOX_SETUP" && /apt install python3 python3-venv/.test(error.next),
    );
  });

  it("says what to install when Python lacks ensurepip", async () => {
    givenPython({
      venv: 'echo "The virtual environment was not created successfully because ensurepip is not available."; exit 1',
    });
    const error = await failure();
    assert.match(error.next, /python3-venv/);
    assert.match(wordsOf(error.cause), /ensurepip/);
  });

  it("gives the installer's last words when it fails", async () => {
    givenPython({ pip: "echo no route to the index >&2; exit 1" });
    assert.match(wordsOf((await failure()).cause), /no route to the index/);
  });
});

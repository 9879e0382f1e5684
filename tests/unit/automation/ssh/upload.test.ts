import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { pack, type Pack } from "tar-stream";
import { paths as layout } from "../../../../fleet/layout";
import { connectOnce } from "../../../../automation/ssh/connect";
import type { NodeConnection } from "../../../../automation/ssh/connection";
import { openDialPolicy } from "../../../../automation/ssh/dial";
import { openKnownHosts } from "../../../../automation/ssh/known-hosts";
import { receiving, uploadPayload, type NodePaths } from "../../../../automation/ssh/upload";
import { isSpotError } from "../../../../fleet/errors";
import { hostKeyProof } from "../../../../fleet/identity/host-key-proof";
import { manifestOf, manifestText, type Payload, type PayloadEntry } from "../../../../fleet/node/payload";
import { CleanUp } from "../../../support/clean-up";
import { makeKey, really, startFakeHost, type Session } from "../../../support/fake-host";

const ID = "i-0123456789abcdef0";
const TOKEN = "5f".repeat(32);
const hostKey = makeKey();
const userKey = makeKey();
const LONG_NAME = `config/${"long-".repeat(40)}näme with 'quotes'.txt`;

const failsWith = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(isSpotError(error), `not a SpotError: ${String(error)}`);
  assert.equal(error.code, code, error.message);
  assert.match(`${error.message} ${String(error.cause)}`, words);
  return true;
};

/** These tests run the receiving program for real, in a scratch folder, behind a real SSH channel. */
describe("uploading the payload", () => {
  let folder: string;
  let paths: NodePaths;
  let cleanUp: CleanUp;
  let meddle: (session: Session) => void;
  let connection: NodeConnection;

  beforeEach(async () => {
    cleanUp = new CleanUp();
    folder = await mkdtemp(join(tmpdir(), "spot-test-"));
    cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
    const [upload, records] = [join(folder, "uploaded"), join(folder, "records")];
    paths = {
      upload,
      manifest: join(upload, "manifest.json"),
      deploymentSteps: join(records, "steps"),
      deploymentComplete: join(records, "complete.json"),
    };
    await mkdir(paths.upload);
    await mkdir(records);
    meddle = really;
    connection = await login();
  });
  afterEach(() => cleanUp.run());

  async function login(): Promise<NodeConnection> {
    const proof = hostKeyProof(TOKEN, ID, hostKey.publicBase64);
    const host = cleanUp.use(
      await startFakeHost({
        hostKey,
        userKey,
        answer: (command) =>
          command === `cat ${layout.hostKeyProof}` ? { code: 0, stdout: proof } : (session) => meddle(session),
      }),
    );
    return cleanUp.use(
      await connectOnce({
        instanceId: ID,
        address: "127.0.0.1",
        port: host.port,
        username: "ubuntu",
        privateKey: userKey.privateKey,
        token: TOKEN,
        knownHosts: openKnownHosts(join(folder, "known_hosts")),
        dial: openDialPolicy(),
      }),
    );
  }

  /** A payload of the files given, with a directory and a link besides. */
  async function payload(files: Record<string, Buffer | string>): Promise<Payload> {
    const folderOfSources = await mkdtemp(join(folder, "source-"));
    const sources = new Map<string, string>();
    const entries: PayloadEntry[] = [
      { type: "directory", path: "files/empty", mode: "0755" },
      { type: "link", path: "files/link", target: "../scripts/run.py" },
    ];
    let size = 0;
    for (const [n, [path, content]] of Object.entries(files).entries()) {
      const source = join(folderOfSources, String(n));
      await writeFile(source, content);
      sources.set(path, source);
      const sha256 = createHash("sha256").update(content).digest("hex");
      entries.push({ type: "file", path, mode: n % 2 ? "0644" : "0755", size: Buffer.byteLength(content), sha256 });
      size += Buffer.byteLength(content);
    }
    return { manifest: manifestOf(entries), sources, size };
  }
  const sourceOf = (given: Payload, path: string): string => String(given.sources.get(path) ?? assert.fail(path));
  const usual = () =>
    payload({
      "scripts/run.py": "print('hello')\n",
      [LONG_NAME]: "x",
      "files/empty.txt": "",
      "files/big": randomBytes(3_000_000),
    });
  const tree = async (): Promise<string[]> => (await readdir(paths.upload, { recursive: true })).sort();

  it("puts every file, directory and link in place, with content and mode, and nothing else", async () => {
    const upload = await usual();
    const progress: number[] = [];
    assert.equal(
      await uploadPayload(connection, upload, { paths, onProgress: (sent) => progress.push(sent) }),
      "stored",
    );
    assert.deepEqual(
      await tree(),
      ["manifest.json", "scripts", "config", "files", ...upload.manifest.entries.map((entry) => entry.path)].sort(),
    );
    for (const entry of upload.manifest.entries) {
      const place = join(paths.upload, entry.path);
      const found = await lstat(place);
      if (entry.type === "link") assert.equal(await readlink(place), entry.target);
      else assert.equal((found.mode & 0o7777).toString(8).padStart(4, "0"), entry.mode, entry.path);
      if (entry.type === "file") assert.deepEqual(await readFile(place), await readFile(sourceOf(upload, entry.path)));
    }
    assert.equal(await readFile(join(paths.upload, "manifest.json"), "utf8"), manifestText(upload.manifest));
    assert.equal(progress.at(-1), 3_000_000 + 15 + 1);
    assert.deepEqual(
      progress,
      [...progress].sort((a, b) => a - b),
    );
  });

  it("sends nothing when the node holds the same payload", async () => {
    const upload = await usual();
    await uploadPayload(connection, upload, { paths });
    const before = await lstat(join(paths.upload, "manifest.json"));
    let sent = 0;
    assert.equal(
      await uploadPayload(connection, upload, { paths, onProgress: (bytes) => (sent = bytes) }),
      "unchanged",
    );
    assert.equal(sent, 0);
    assert.equal((await lstat(join(paths.upload, "manifest.json"))).ino, before.ino);
  });

  it("replaces another payload whole, and takes away what a broken-off upload left", async () => {
    await uploadPayload(connection, await payload({ "scripts/old.py": "1" }), { paths });
    await mkdir(join(paths.upload, ".incoming", "new-left", "scripts"), { recursive: true });
    assert.equal(await uploadPayload(connection, await payload({ "scripts/new.py": "2" }), { paths }), "stored");
    assert.deepEqual(await tree(), [
      "files",
      "files/empty",
      "files/link",
      "manifest.json",
      "scripts",
      "scripts/new.py",
    ]);
  });

  it("cut off in the middle leaves what was there before, and the next one succeeds", async () => {
    await uploadPayload(connection, await payload({ "scripts/old.py": "1" }), { paths });
    const before = await tree();
    meddle = (session) => {
      really(session);
      let bytes = 0;
      session.channel.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > 500_000) session.socket.resetAndDestroy();
      });
    };
    const upload = await usual();
    await assert.rejects(uploadPayload(connection, upload, { paths }), failsWith("E_SSH", /lost/));
    // Not the whole tree: what is just being removed cannot be listed.
    await until(
      async () => !(await readdir(paths.upload)).includes(".incoming"),
      "the receiver cleans up behind itself",
    );
    assert.deepEqual(await tree(), before);
    meddle = really;
    assert.equal(await uploadPayload(await login(), upload, { paths }), "stored");
  });

  it("with a byte changed on the way is refused, and the file named", async () => {
    const upload = await payload({ "scripts/run.py": "AAAAAAAA" });
    await writeFile(sourceOf(upload, "scripts/run.py"), "AAAABAAA");
    await assert.rejects(
      uploadPayload(connection, upload, { paths }),
      failsWith("E_UPLOAD", /scripts\/run.py: its sha256 differs/),
    );
    assert.deepEqual(await tree(), []);
  });

  // The client sends what its manifest names, so these two speak to the receiving program directly.
  const receive = async (archive: Pack, digest: string): Promise<string> => {
    archive.finalize();
    const command = receiving(paths, digest);
    return (await connection.run(command, { stdin: Readable.from(archive), deadlineMs: 50_000 })).stdout;
  };

  /** A receiver that has said "ready". */
  async function begun(digest: string): Promise<{ stdin: PassThrough; ended: Promise<string> }> {
    const stdin = new PassThrough();
    cleanUp.defer(() => void stdin.destroy());
    const command = receiving(paths, digest);
    return await new Promise((resolve, reject) => {
      const ended = connection
        .run(command, { stdin, deadlineMs: 50_000, onStdout: () => resolve({ stdin, ended }) })
        .then(({ stdout }) => stdout);
      ended.catch(reject);
    });
  }

  for (const [title, finish] of [
    ["ends", (stdin: PassThrough) => stdin.end()],
    ["gets the rest of its stream", (stdin: PassThrough, archive: Pack) => archive.pipe(stdin)],
  ] as const) {
    it(`goes its way when an earlier one, which the client had given up, ${title} only now`, async () => {
      const archiveOf = (manifest: Payload["manifest"], content: string): Pack => {
        const archive = pack();
        archive.entry({ name: "manifest.json" }, manifestText(manifest));
        for (const { path, type } of manifest.entries) {
          if (type === "file") archive.entry({ name: path }, content);
          else if (type === "directory") archive.entry({ name: path, type });
          else archive.entry({ name: path, type: "symlink", linkname: "../scripts/run.py" });
        }
        archive.finalize();
        return archive;
      };
      const [first, second] = [await payload({ "scripts/first": "1" }), await payload({ "scripts/second": "2" })];
      const earlier = await begun(first.manifest.digest);
      const later = await begun(second.manifest.digest);
      finish(earlier.stdin, archiveOf(first.manifest, "1"));
      assert.match(await earlier.ended, /"broken"/);
      archiveOf(second.manifest, "2").pipe(later.stdin);
      assert.match(await later.ended, /"stored"/);
      assert.deepEqual(await tree(), [
        "files",
        "files/empty",
        "files/link",
        "manifest.json",
        "scripts",
        "scripts/second",
      ]);
    });
  }

  it("with a file that is missing from the stream is refused, and the file named", async () => {
    const { manifest } = await payload({ "scripts/a": "1" });
    const archive = pack();
    archive.entry({ name: "manifest.json" }, manifestText(manifest));
    assert.match(await receive(archive, manifest.digest), /"broken".*scripts\/a: did not arrive/);
    assert.deepEqual(await tree(), []);
  });

  it("with a file that the manifest does not name is refused", async () => {
    const { manifest } = await payload({});
    const archive = pack();
    archive.entry({ name: "manifest.json" }, manifestText(manifest));
    archive.entry({ name: "../outside" }, "x");
    assert.match(await receive(archive, manifest.digest), /"broken".*outside: not in the manifest/);
    assert.ok(!(await readdir(folder)).includes("outside"));
    assert.deepEqual(await tree(), []);
  });

  for (const [title, content, words] of [
    ["shrank", "AA", /changed while/],
    ["grew", "AAAAAAAAAAAAAAA", /changed while/],
    ["is gone", undefined, /ENOENT/],
  ] as const) {
    it(`of a local file that ${title} meanwhile is given up`, async () => {
      const upload = await payload({ "scripts/run.py": "AAAAAAAA" });
      const source = sourceOf(upload, "scripts/run.py");
      await (content === undefined ? rm(source) : writeFile(source, content));
      await assert.rejects(uploadPayload(connection, upload, { paths }), failsWith("E_PAYLOAD", words));
      assert.deepEqual(await tree(), []);
    });
  }

  for (const [title, prepare] of [
    [
      "has begun",
      () => mkdir(paths.deploymentSteps).then(() => writeFile(join(paths.deploymentSteps, "x.json"), "{}")),
    ],
    ["is complete", () => writeFile(paths.deploymentComplete, "{}")],
  ] as const) {
    it(`is refused once the deployment ${title}`, async () => {
      await uploadPayload(connection, await payload({ "scripts/old.py": "1" }), { paths });
      await prepare();
      const before = await tree();
      await assert.rejects(
        uploadPayload(connection, await usual(), { paths }),
        failsWith("E_DEPLOYMENT", /never changed/),
      );
      assert.deepEqual(await tree(), before);
    });
  }

  it("says so when the node cannot write", async () => {
    await assert.rejects(
      uploadPayload(connection, await usual(), { paths: { ...paths, upload: "/proc/none" } }),
      failsWith("E_UPLOAD", /\/proc\/none cannot be written/),
    );
  });

  it("says so when the node has no Python", async () => {
    meddle = ({ channel }) => {
      channel.stderr.write("sh: python3: not found");
      channel.exit(127);
      channel.end();
    };
    await assert.rejects(
      uploadPayload(connection, await usual(), { paths }),
      failsWith("E_UPLOAD", /python3: not found/),
    );
  });
});

/** Polls a condition; fails with its name when it does not come true in time. */
async function until(condition: () => Promise<boolean>, name: string): Promise<void> {
  const end = Date.now() + 50_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, `did not happen: ${name}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

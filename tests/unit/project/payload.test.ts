import assert from "node:assert/strict";
import fs, {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { mock } from "node:test";
import fc from "fast-check";
import { SpotError } from "../../../fleet/errors";
import { manifestOf, manifestText, nameProblem, unitFaults, whereLinkLeads } from "../../../fleet/node/payload";
import type { Payload, PayloadEntry } from "../../../fleet/node/payload";
import type { BacalhauConfig } from "../../../fleet/config";
import { readPayload, type PayloadConfig } from "../../../project/payload";
import { packageRoot } from "../../../project/package-root";

const file = (name: string, content = "x"): PayloadEntry => ({
  path: name,
  type: "file",
  mode: "0644",
  size: content.length,
  sha256: "00",
});

describe("manifestOf", () => {
  it("has the digest that README and the node define", () => {
    const { digest } = manifestOf([
      { path: "files/ü b", type: "link", target: "../a" },
      { path: "files/a", type: "file", mode: "0755", size: 3, sha256: "ab" },
      { path: "files/e", type: "directory", mode: "0755" },
    ]);
    // sha256 of the three lines below, computed by Python's json.dumps and hashlib:
    // {"mode":"0755","path":"files/a","sha256":"ab","size":3,"type":"file"}
    // {"mode":"0755","path":"files/e","type":"directory"}
    // {"path":"files/ü b","target":"../a","type":"link"}
    assert.equal(digest, "d5ad46cedd678c38b84ce9492c6980be097a7cc43dad11699b10dbe44915d1ce");
  });

  it("does not depend on the order of entries or of their keys", () => {
    const names = fc.uniqueArray(
      fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom("a", "B", "é", "\uff5e", "\u{1f600}", "/") }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(names, fc.nat(), (paths, turn) => {
        const entries = paths.map((name) => file(name));
        const turned = [
          ...entries.slice(turn % (entries.length + 1)),
          ...entries.slice(0, turn % (entries.length + 1)),
        ];
        const swapped = turned.map(
          (entry) => Object.fromEntries(Object.entries(entry).reverse()) as unknown as PayloadEntry,
        );
        assert.equal(manifestOf(swapped).digest, manifestOf(entries).digest);
      }),
    );
  });

  it("sorts by UTF-8 bytes, not by UTF-16 units", () => {
    const paths = manifestOf([file("\u{1f600}"), file("\uff5e"), file("a")]).entries.map((entry) => entry.path);
    assert.deepEqual(paths, ["a", "\uff5e", "\u{1f600}"]);
  });

  it("is JSON with a line end", () => {
    const manifest = manifestOf([file("a")]);
    assert.ok(manifestText(manifest).endsWith("}\n"));
    assert.deepEqual(JSON.parse(manifestText(manifest)), manifest);
  });
});

describe("nameProblem", () => {
  for (const name of ["a b", ".env", "ü", "日本", "-x", "a'b\"c", "\u{1f600}"]) {
    it(`carries ${JSON.stringify(name)}`, () => assert.equal(nameProblem(name), undefined));
  }
  for (const name of ["a\nb", "a\tb", "\u0000", "\u007f", "a\u2028b"]) {
    it(`refuses ${JSON.stringify(name)}`, () => assert.match(nameProblem(name) ?? "", /control character/));
  }
  it("refuses a name that is not NFC", () => assert.match(nameProblem("u\u0308") ?? "", /NFC/));
});

describe("whereLinkLeads", () => {
  const cases: [links: Record<string, string>, expected: string][] = [
    [{ a: "b" }, "inside"],
    [{ "d/a": "../b" }, "inside"],
    [{ "d/a": "../.." }, "leaves"],
    [{ a: ".." }, "leaves"],
    [{ a: "/etc/passwd" }, "leaves"],
    [{ a: "../tree/b" }, "leaves"],
    [{ a: "b", b: "../x" }, "leaves"],
    [{ a: "a" }, "circle"],
    [{ a: "b", b: "a" }, "circle"],
    // By its letters a/x stays at a/b/y; but a/b/d is the root, so `..` from there is outside.
    [{ "a/x": "b/d/../y", "a/b/d": "../.." }, "leaves"],
  ];
  for (const [links, expected] of cases) {
    it(`says ${expected} of ${JSON.stringify(links)}`, () => {
      const [first] = Object.keys(links);
      assert.equal(whereLinkLeads(first as string, new Map(Object.entries(links))), expected);
    });
  }
});

describe("unitFaults", () => {
  const entries = [
    { path: "scripts/a.py", type: "file" },
    { path: "files/app/run it", type: "file" },
    { path: "files/current", type: "link" },
  ] as const;
  const faults = (line: string): string[] => unitFaults(`[Service]\n${line}\n`, entries);

  it("finds what a unit names and nobody uploads, in whatever directive (L11)", () => {
    assert.deepEqual(
      faults("ExecStart=/usr/bin/python3 /opt/uploaded_files/scripts/b.py --x /opt/uploaded_files/files/c"),
      [
        "ExecStart names /opt/uploaded_files/scripts/b.py, which is not uploaded",
        "ExecStart names /opt/uploaded_files/files/c, which is not uploaded",
      ],
    );
    for (const [key, value] of [
      ["ExecStart", "-/opt/uploaded_files/files/c"],
      ["ExecStart", "/bin/cat --from=/opt/uploaded_files/files/c"],
      ["ExecStartPre", "/bin/sh -c 'exec /opt/uploaded_files/files/c --quiet'"],
      ["ExecStart", "/bin/cat \\\n  /opt/uploaded_files/files/c"],
      ["ConditionPathExists", "/opt/uploaded_files/files/c"],
      ["WorkingDirectory", "/opt/uploaded_files/files/c"],
    ] as const) {
      assert.deepEqual(
        faults(`${key}=${value}`),
        [`${key} names /opt/uploaded_files/files/c, which is not uploaded`],
        value,
      );
    }
  });

  it("finds a unit that would run a folder (L11)", () => {
    assert.deepEqual(faults("ExecStart=+/opt/uploaded_files/files/app --x"), [
      "ExecStart names /opt/uploaded_files/files/app, a folder: only a file can be run",
    ]);
    assert.deepEqual(faults("ExecStart=/opt/uploaded_files"), [
      "ExecStart names /opt/uploaded_files, a folder: only a file can be run",
    ]);
  });

  for (const line of [
    "ExecStart=/opt/uploaded_files/scripts/a.py",
    'ExecStart=-"/opt/uploaded_files/files/app/run it" --quiet',
    "ExecStart=/opt/uploaded_files/files/current",
    "ExecStart=/usr/bin/python3 -m http.server --directory /opt/uploaded_files/files/app",
    "ExecStart=/bin/sh -c 'cat /opt/uploaded_files/files/*.txt || true'",
    "WorkingDirectory=/opt/uploaded_files/files/app/",
    "ReadWritePaths=/opt/uploaded_files /opt/uploaded_files/files/app",
    "EnvironmentFile=-/opt/uploaded_files/files/env",
    "ExecStart=/opt/uploaded_files/files/%i",
    "# ExecStart=/opt/uploaded_files/scripts/b.py",
    "ExecStart=/usr/bin/true",
  ]) {
    it(`has nothing against ${line}`, () => assert.deepEqual(faults(line), []));
  }
});

describe("readPayload", () => {
  let root: string;
  let places: { packageRoot: string; projectDir: string };

  const at = (name: string): string => path.join(root, name);
  const write = (name: string, content = "x", mode = 0o644): string => {
    mkdirSync(path.dirname(at(name)), { recursive: true });
    writeFileSync(at(name), content);
    chmodSync(at(name), mode);
    return at(name);
  };
  const read = (config: Partial<PayloadConfig> = {}): Payload =>
    readPayload({ scriptsDirectory: undefined, filesDirectory: undefined, bacalhau: undefined, ...config }, places);
  const refusal = (config?: Parameters<typeof read>[0]): SpotError => {
    try {
      read(config);
    } catch (error) {
      assert.ok(error instanceof SpotError);
      assert.equal(error.code, "E_PAYLOAD");
      return error;
    }
    assert.fail("the payload was accepted");
  };
  const paths = (payload: Payload): string[] => payload.manifest.entries.map((entry) => entry.path);

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), "payload-"));
    chmodSync(root, 0o755);
    places = { packageRoot: root, projectDir: root };
    write("instance/scripts/deploy_services.py", "print()\n", 0o755);
    write("instance/layout.json", "{}");
    write("instance/config/c.json", "{}");
    write("instance/services/s.service", "[Unit]\n");
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it("reads instance/ and files/, with modes, sizes and digests", () => {
    write("files/a b/ü.txt", "hello", 0o600);
    const payload = read();
    assert.deepEqual(payload.manifest.entries, [
      {
        path: "config/c.json",
        type: "file",
        mode: "0644",
        size: 2,
        sha256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
      },
      {
        path: "config/workloads.json",
        type: "file",
        mode: "0644",
        size: 43,
        sha256: "6747538ff4757d3070ad0b589ef94e495d9323c8984d92745e3d459ae0b8c4e8",
      },
      { path: "files/a b", type: "directory", mode: "0755" },
      {
        path: "files/a b/ü.txt",
        type: "file",
        mode: "0644",
        size: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
      },
      {
        path: "layout.json",
        type: "file",
        mode: "0644",
        size: 2,
        sha256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
      },
      {
        path: "scripts/deploy_services.py",
        type: "file",
        mode: "0755",
        size: 8,
        sha256: "d8594fa1268ecabc62af7c9e2449b8c46db0f426cd9aad384c67efe59e582b3e",
      },
      {
        path: "services/s.service",
        type: "file",
        mode: "0644",
        size: 7,
        sha256: "ae6c63cff33bcfa3b6a2d6d0c9dd19521dedaa351146b1a642d2bfc9cf5a1e1f",
      },
    ]);
    assert.equal(payload.size, 24 + 43);
    assert.equal(payload.sources.get("files/a b/ü.txt"), at("files/a b/ü.txt"));
  });

  it("has the same digest after another umask, another time and in another folder", () => {
    write("files/run", "x", 0o755);
    write("files/data", "x", 0o644);
    const before = read().manifest.digest;
    chmodSync(at("files/run"), 0o700);
    chmodSync(at("files/data"), 0o400);
    utimesSync(at("files/data"), 1, 1);
    assert.equal(read().manifest.digest, before);
  });

  it("has another digest when content, a mode, a name or an empty directory changes", () => {
    write("files/a", "x");
    const digests = [read().manifest.digest];
    write("files/a", "y");
    digests.push(read().manifest.digest);
    chmodSync(at("files/a"), 0o755);
    digests.push(read().manifest.digest);
    write("files/b", "y", 0o755);
    unlinkSync(at("files/a"));
    digests.push(read().manifest.digest);
    mkdirSync(at("files/empty"));
    digests.push(read().manifest.digest);
    assert.equal(new Set(digests).size, digests.length);
  });

  it("keeps dot-files and empty directories", () => {
    write("files/.env");
    mkdirSync(at("files/empty/deep"), { recursive: true });
    assert.deepEqual(
      paths(read()).filter((name) => name.startsWith("files")),
      ["files/.env", "files/empty", "files/empty/deep"],
    );
  });

  it("leaves out what Python and desktops drop among the scripts, and only there", () => {
    for (const folder of ["instance/scripts", "files"]) {
      write(`${folder}/__pycache__/x.pyc`);
      write(`${folder}/y.pyc`);
      write(`${folder}/.DS_Store`);
    }
    const found = paths(read());
    assert.deepEqual(
      found.filter((name) => name.startsWith("scripts")),
      ["scripts/deploy_services.py"],
    );
    assert.deepEqual(
      found.filter((name) => name.startsWith("files")),
      ["files/.DS_Store", "files/__pycache__", "files/__pycache__/x.pyc", "files/y.pyc"],
    );
  });

  it("never uploads this package's own files/README.md, by whatever way the folder is named", () => {
    const without = read().manifest;
    write("files/README.md", "about this folder");
    assert.deepEqual(read().manifest, without);
    assert.deepEqual(read({ filesDirectory: at("files") }).manifest, without);
    symlinkSync(at("files"), at("link"));
    assert.deepEqual(read({ filesDirectory: at("link") }).manifest, without);
    write("files/app/README.md");
    assert.deepEqual(
      paths(read()).filter((name) => name.startsWith("files/")),
      ["files/app", "files/app/README.md"],
    );
    write("elsewhere/files/README.md", "a user's own");
    places = { ...places, projectDir: at("elsewhere") };
    assert.ok(paths(read()).includes("files/README.md"), "another project's is content like any other");
  });

  it("takes scripts from the folder that the configuration names, and files too", () => {
    write("mine/deploy_services.py");
    write("data/d");
    const found = paths(read({ scriptsDirectory: at("mine"), filesDirectory: at("data") }));
    assert.deepEqual(found, [
      "config/c.json",
      "config/workloads.json",
      "files/d",
      "layout.json",
      "scripts/deploy_services.py",
      "services/s.service",
    ]);
  });

  it("refuses a scripts folder without what the node starts: by user data, by a unit of ours, by one of the user's (L11)", () => {
    write("mine/other.py");
    write("instance/services/s.service", "[Service]\nExecStart=/opt/uploaded_files/scripts/startup.py\n");
    write("files/systemd/u.service", "[Service]\nExecStart=/opt/uploaded_files/files/app\n");
    const messages = refusal({ scriptsDirectory: at("mine") }).problems.map(({ message }) =>
      message.replace(`${root}/`, ""),
    );
    assert.deepEqual(messages, [
      "scripts/deploy_services.py is missing: it sets the node up",
      "instance/services/s.service: ExecStart names /opt/uploaded_files/scripts/startup.py, which is not uploaded",
      "files/systemd/u.service: ExecStart names /opt/uploaded_files/files/app, which is not uploaded",
    ]);
  });

  it("accepts the instance/ that is shipped", () => {
    const shipped = packageRoot();
    const payload = readPayload(
      { scriptsDirectory: undefined, filesDirectory: undefined, bacalhau: undefined },
      { packageRoot: shipped, projectDir: root },
    );
    assert.ok(paths(payload).includes("scripts/deploy_services.py"));
    assert.ok(payload.size < 1_000_000);
  });

  describe("with Bacalhau", () => {
    const SHA256 = "0a".repeat(32);
    const bacalhau = (changes: Partial<BacalhauConfig> = {}): BacalhauConfig => ({
      version: "1.6.0",
      program: { downloads: { amd64: { url: "https://h/b", sha256: SHA256 } } },
      orchestrators: ["nats://h:4222"],
      tokenFile: undefined,
      labels: { team: "a" },
      allowedPaths: ["/d"],
      api: "http://h:1234",
      ...changes,
    });
    const contentOf = (payload: Payload, name: string): string =>
      String(payload.sources.get(name) ?? assert.fail(name));
    const settings = (payload: Payload): unknown =>
      (JSON.parse(contentOf(payload, "config/workloads.json")) as { bacalhau: unknown }).bacalhau;
    const entry = (payload: Payload, name: string): PayloadEntry =>
      payload.manifest.entries.find((found) => found.path === name) ?? assert.fail(name);

    it("tells the node what it needs to know, and nothing of the orchestrator's API", () => {
      assert.deepEqual(settings(read({ bacalhau: bacalhau() })), {
        enabled: true,
        version: "1.6.0",
        artifacts: { x86_64: { url: "https://h/b", sha256: SHA256 } },
        orchestrators: ["nats://h:4222"],
        token_file: null,
        labels: { team: "a" },
        allowed_paths: ["/d"],
      });
    });

    it("brings the token as a file of its own that only its owner reads, and its text into nothing else", () => {
      const tokenFile = write("token", "  s3cret-token\n", 0o600);
      const payload = read({ bacalhau: bacalhau({ tokenFile }) });
      const found = entry(payload, "config/bacalhau-token");
      assert.deepEqual(
        [found.type === "file" && found.mode, contentOf(payload, "config/bacalhau-token")],
        ["0600", "s3cret-token\n"],
      );
      assert.ok(!manifestText(payload.manifest).includes("s3cret"));
      assert.ok(!contentOf(payload, "config/workloads.json").includes("s3cret"));
    });

    it("refuses a token that others can read, an empty one, one of several words, a missing one; at its place in config.yaml", () => {
      const locate = (key: readonly (string | number)[]) => ({ file: "config.yaml", line: key.length, column: 7 });
      for (const [content, mode, expected] of [
        ["t", 0o644, /token can be read by every user of this machine \(mode 0644\)/],
        ["t", 0o602, /can be read/],
        [" \n", 0o600, /token is empty/],
        ["a b", 0o600, /more than a token/],
        [undefined, 0o600, /token does not exist/],
      ] as const) {
        rmSync(at("token"), { force: true });
        if (content !== undefined) write("token", content, mode);
        try {
          readPayload(
            { scriptsDirectory: undefined, filesDirectory: undefined, bacalhau: bacalhau({ tokenFile: at("token") }) },
            places,
            locate,
          );
          assert.fail(`accepted: ${String(expected)}`);
        } catch (error) {
          assert.ok(error instanceof SpotError, String(error));
          assert.match(error.message, expected);
          assert.deepEqual(error.location, { file: "config.yaml", line: 2, column: 7 });
        }
      }
    });

    it("uploads a local program for the machines that it runs on", () => {
      const header = (machine: number): string => `\x7fELF${"\0".repeat(14)}${String.fromCharCode(machine)}\0`;
      for (const [content, machines] of [
        [header(62), ["x86_64"]],
        [header(0x37), ["x86_64", "aarch64"]],
        ["#!/bin/sh\n", ["x86_64", "aarch64"]],
      ] as const) {
        const binary = write("bacalhau", content);
        const payload = read({ bacalhau: bacalhau({ program: { binary } }) });
        const found = entry(payload, "programs/bacalhau");
        assert.ok(found.type === "file" && found.mode === "0755");
        const { artifacts } = settings(payload) as { artifacts: Record<string, unknown> };
        assert.deepEqual(Object.keys(artifacts), machines);
        assert.deepEqual(artifacts.x86_64, { path: "programs/bacalhau", sha256: found.sha256 });
      }
      assert.match(
        refusal({ bacalhau: bacalhau({ program: { binary: at("none") } }) }).message,
        /^bacalhau.binary: .*none does not exist/,
      );
      assert.match(refusal({ bacalhau: bacalhau({ program: { binary: root } }) }).message, /is a directory/);
    });

    it("has another digest for another token, label or program", () => {
      const digests = [
        bacalhau(),
        bacalhau({ labels: { team: "b" } }),
        bacalhau({ tokenFile: write("t1", "a", 0o600) }),
        bacalhau({ tokenFile: write("t2", "b", 0o600) }),
      ].map((config) => read({ bacalhau: config }).manifest.digest);
      assert.equal(new Set(digests).size, digests.length);
    });
  });

  it("does without files/, but not without a folder that was named", () => {
    assert.ok(!paths(read()).some((name) => name.startsWith("files")));
    assert.match(refusal({ filesDirectory: at("none") }).message, /none: does not exist/);
    write("plain");
    assert.match(refusal({ filesDirectory: at("plain") }).message, /is not a directory/);
  });

  it("refuses a files/ that is there and cannot be read, instead of taking it for none", () => {
    symlinkSync(at("share/not-mounted"), at("files"));
    const { message, next } = refusal();
    assert.equal(message, `${at("files")}: is a link to ${at("share/not-mounted")}, which is not there`);
    assert.equal(
      next,
      "Mount or restore what the link leads to, or remove the link if nothing of yours is to be uploaded.",
    );
    assert.match(
      refusal({ filesDirectory: at("files") }).message,
      /is a link to \S+share\/not-mounted, which is not there/,
    );
    unlinkSync(at("files"));
    symlinkSync("files", at("files"));
    assert.match(refusal().message, /files: is a link that leads round in a circle/);
    unlinkSync(at("files"));
    write("plain");
    symlinkSync("plain/files", at("files"));
    assert.match(refusal().message, /files: stands below something that is not a directory/);
    unlinkSync(at("files"));
    // A link to a folder that is there is a folder.
    write("share/mounted/a");
    symlinkSync("share/mounted", at("files"));
    assert.ok(paths(read()).includes("files/a"));
  });

  it("keeps links inside a folder, as they are", () => {
    write("files/v1/app");
    symlinkSync("v1", at("files/current"));
    symlinkSync("../current/app", at("files/v1/self"));
    const links = read().manifest.entries.filter((entry) => entry.type === "link");
    assert.deepEqual(links, [
      { path: "files/current", type: "link", target: "v1" },
      { path: "files/v1/self", type: "link", target: "../current/app" },
    ]);
  });

  it("refuses links that leave, also through another link, and circles; all at once", () => {
    mkdirSync(at("files"));
    symlinkSync("/etc/passwd", at("files/absolute"));
    symlinkSync("../instance", at("files/up"));
    symlinkSync("up", at("files/via"));
    symlinkSync("round", at("files/round"));
    const found = refusal()
      .problems.map(({ message }) => message.slice(at("files/").length).split(":")[0])
      .sort();
    assert.deepEqual(found, ["absolute", "round", "up", "via"]);
  });

  it("refuses a socket", async () => {
    mkdirSync(at("files"));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at("files/s"), resolve));
    try {
      assert.match(refusal().message, /files\/s": is neither a file, a directory nor a link/);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("refuses names with control characters, in another form than NFC, or not UTF-8; all at once", () => {
    write("files/a\nb");
    write("files/u\u0308");
    writeFileSync(Buffer.concat([Buffer.from(at("files/")), Buffer.from([0xff])]), "x");
    const messages = refusal().problems.map(({ message }) => message);
    assert.equal(messages.length, 3);
    assert.ok(messages.some((text) => text.includes('a\\nb": has a control character')));
    assert.ok(messages.some((text) => text.includes("NFC")));
    assert.ok(messages.some((text) => text.includes("not UTF-8")));
  });

  it("names every file and folder that may not be read", () => {
    write("files/secret", "x", 0o000);
    write("files/also", "x", 0o000);
    mkdirSync(at("files/closed"), { mode: 0o000 });
    // Root may read everything; for the time of the reading this process is nobody in particular.
    const root = process.getuid?.() === 0;
    if (root) process.seteuid?.(65534);
    try {
      const messages = refusal().problems.map(({ message }) => message.slice(at("files/").length));
      assert.deepEqual(messages.sort(), [
        "also: may not be read (permissions)",
        "closed: may not be read (permissions)",
        "secret: may not be read (permissions)",
      ]);
    } finally {
      if (root) process.seteuid?.(0);
      chmodSync(at("files/closed"), 0o700);
    }
  });

  it("refuses more than 500 MB before it reads them", () => {
    write("files/large", "");
    truncateSync(at("files/large"), 500_000_001);
    const readers = [mock.method(fs, "openSync"), mock.method(fs, "readFileSync")];
    try {
      assert.match(refusal().message, /500\.0 MB, above the limit of 500\.0 MB; the largest file is .*files\/large/);
      const read = readers.flatMap((reader) => reader.mock.calls.map((call) => String(call.arguments[0])));
      assert.ok(!read.some((name) => name.endsWith("files/large")), "the content was read");
    } finally {
      for (const reader of readers) reader.mock.restore();
    }
  });
});

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { paths } from "../../../../fleet/layout";
import { connectNode, connectOnce, type ConnectOptions } from "../../../../automation/ssh/connect";
import { openDialPolicy, sandboxDialPolicy } from "../../../../automation/ssh/dial";
import { openKnownHosts, type KnownHosts } from "../../../../automation/ssh/known-hosts";
import { isSpotError } from "../../../../fleet/errors";
import { hostKeyProof } from "../../../../fleet/identity/host-key-proof";
import { CleanUp } from "../../../support/clean-up";
import { makeKey, startFakeHost, type Answer, type FakeHost } from "../../../support/fake-host";

const ID = "i-0123456789abcdef0";
const TOKEN = "5f".repeat(32);
const hostKey = makeKey();
const userKey = makeKey();

const failsWith = (code: string, words?: RegExp) => (error: unknown) => {
  assert.ok(isSpotError(error), `not a SpotError: ${String(error)}`);
  assert.equal(error.code, code, error.message);
  if (words) assert.match(`${error.message} ${String(error.cause)}`, words);
  return true;
};

/** A host that tells `proof` when asked for it, and answers everything else by `other`. */
const telling =
  (proof: string | undefined, other: (command: string) => Answer = () => ({ code: 0 })) =>
  (command: string): Answer => {
    if (command !== `cat ${paths.hostKeyProof}`) return other(command);
    return proof === undefined ? { code: 1, stderr: "No such file or directory" } : { code: 0, stdout: `${proof}\n` };
  };
const rightProof = hostKeyProof(TOKEN, ID, hostKey.publicBase64);

describe("connecting to a node", () => {
  let folder: string;
  let knownHosts: KnownHosts;
  let cleanUp: CleanUp;
  beforeEach(async () => {
    cleanUp = new CleanUp();
    folder = await mkdtemp(join(tmpdir(), "spot-test-"));
    cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
    knownHosts = openKnownHosts(join(folder, "known_hosts"));
  });
  afterEach(() => cleanUp.run());

  const host = async (answer: (command: string) => Answer, key = hostKey): Promise<FakeHost> =>
    cleanUp.use(await startFakeHost({ hostKey: key, userKey, answer }));
  const options = (port: number): ConnectOptions => ({
    instanceId: ID,
    address: "127.0.0.1",
    port,
    username: "ubuntu",
    privateKey: userKey.privateKey,
    token: TOKEN,
    knownHosts,
    dial: openDialPolicy(),
    attemptMs: 20_000,
  });
  const connect = async (port: number, more: Partial<ConnectOptions> = {}) =>
    cleanUp.use(await connectOnce({ ...options(port), ...more }));

  describe("host key", () => {
    it("is pinned under the instance id once its proof is right", async () => {
      const { port } = await host(telling(rightProof));
      await connect(port);
      assert.equal(await knownHosts.lookup(ID), hostKey.publicBase64);
    });

    it("is proven before any other command, and only once", async () => {
      const node = await host(telling(rightProof));
      await (await connect(node.port)).run("one", { deadlineMs: 20_000 });
      await (await connect(node.port)).run("two", { deadlineMs: 20_000 });
      assert.deepEqual(node.commands, [`cat ${paths.hostKeyProof}`, "one", "two"]);
    });

    for (const [title, proof] of [
      ["made with another token", hostKeyProof("00".repeat(32), ID, hostKey.publicBase64)],
      ["copied from another instance", hostKeyProof(TOKEN, "i-0ffffffffffffffff", hostKey.publicBase64)],
      ["missing", undefined],
      ["empty", ""],
    ] as const) {
      it(`is refused when its proof is ${title}; nothing was sent or pinned`, async () => {
        const node = await host(telling(proof));
        await assert.rejects(connect(node.port), failsWith("E_HOST_KEY"));
        assert.deepEqual(node.commands, [`cat ${paths.hostKeyProof}`]);
        assert.equal(node.bytesReceived(), 0);
        assert.equal(await knownHosts.lookup(ID), undefined);
      });
    }

    it("of a relay that passes the true node's proof on is refused", async () => {
      const relay = await host(telling(rightProof), makeKey());
      await assert.rejects(connect(relay.port), failsWith("E_HOST_KEY", /not the one that the node made/));
      assert.equal(relay.bytesReceived(), 0);
    });

    it("that changed is refused for good, even with a valid proof of its own", async () => {
      await knownHosts.pin(ID, hostKey.publicBase64);
      const other = makeKey();
      const node = await host(telling(hostKeyProof(TOKEN, ID, other.publicBase64)), other);
      await assert.rejects(connect(node.port), failsWith("E_HOST_KEY", /another host key/));
      assert.deepEqual(node.commands, []);
      assert.equal(node.logins(), 0);
      assert.equal(await knownHosts.lookup(ID), hostKey.publicBase64);
    });

    it("of another kind than ed25519 is refused", async () => {
      const node = await host(telling(rightProof), makeKey("rsa"));
      await assert.rejects(connect(node.port), failsWith("E_HOST_KEY", /ed25519/));
    });

    it("wrong: waiting ends at once instead of trying again", async () => {
      const node = await host(telling(undefined));
      await assert.rejects(connectNode({ ...options(node.port), deadlineMs: 60_000 }), failsWith("E_HOST_KEY"));
      assert.equal(node.logins(), 1);
    });
  });

  describe("a node that does not answer", () => {
    const listen = async (onSocket: (socket: Socket) => void): Promise<number> => {
      const server = createServer().on("connection", onSocket);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      cleanUp.defer(() => new Promise<void>((resolve) => server.close(() => resolve())));
      return (server.address() as AddressInfo).port;
    };

    it("is refused by the dial policy before any socket is opened", async () => {
      let connections = 0;
      const port = await listen((socket) => {
        connections += 1;
        socket.destroy();
      });
      const dial = { assertAllowed: () => sandboxDialPolicy("198.18.0.0/15").assertAllowed("203.0.113.7") };
      await assert.rejects(connect(port, { dial }), failsWith("E_ADDRESS_REFUSED"));
      assert.equal(connections, 0);
    });

    it("by a silent server is given up, and the reason said", async () => {
      const port = await listen((socket) => cleanUp.defer(() => void socket.destroy()));
      await assert.rejects(connect(port, { attemptMs: 100 }), failsWith("E_SSH", /no SSH banner/));
    });

    it("with another protocol is named so", async () => {
      const port = await listen((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
      await assert.rejects(connect(port), failsWith("E_SSH", /no SSH server/));
    });

    it("after its banner is given up", async () => {
      const port = await listen((socket) => {
        socket.write("SSH-2.0-silent\r\n");
        cleanUp.defer(() => void socket.destroy());
      });
      await assert.rejects(connect(port, { attemptMs: 2_000 }), failsWith("E_SSH", /handshake/));
    });

    it("is waited for, with each reason said once, until it answers", async () => {
      // The same port is closed at first: a listener takes one, ends, and the node comes up on it at the third poll.
      const port = await listen(() => undefined);
      await cleanUp.run();
      cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
      const reasons: string[] = [];
      let polls = 0;
      const clock = {
        now: () => Date.now(),
        sleep: async () => {
          polls += 1;
          if (polls === 3) cleanUp.use(await startFakeHost({ hostKey, userKey, answer: telling(rightProof), port }));
        },
      };
      cleanUp.use(
        await connectNode({ ...options(port), deadlineMs: 10_000, clock, onWaiting: (reason) => reasons.push(reason) }),
      );
      assert.equal(polls, 3);
      assert.deepEqual(reasons, ["127.0.0.1 does not answer: nothing listens on its SSH port yet."]);
    });

    it("is given up at the deadline, with the last reason", async () => {
      const port = await listen((socket) => void socket.destroy());
      let now = 0;
      const clock = { now: () => now, sleep: (ms: number) => Promise.resolve(void (now += ms)) };
      await assert.rejects(
        connectNode({ ...options(port), deadlineMs: 2_000, clock }),
        failsWith("E_SSH", /within 2 s.*before its SSH banner/),
      );
    });

    it("stops being waited for when the run is interrupted", async () => {
      const port = await listen((socket) => cleanUp.defer(() => void socket.destroy()));
      const abort = new AbortController();
      const waiting = connectNode({ ...options(port), deadlineMs: 60_000, signal: abort.signal });
      abort.abort();
      await assert.rejects(waiting, failsWith("E_INTERRUPTED"));
    });

    it("with our key: says who was refused", async () => {
      const { port } = await host(telling(rightProof));
      await assert.rejects(
        connect(port, { privateKey: makeKey().privateKey }),
        failsWith("E_SSH", /refuses the login of ubuntu/),
      );
    });
  });

  describe("a command", () => {
    const running = async (answer: Answer, more: Partial<ConnectOptions> = {}) => {
      const { port } = await host(telling(rightProof, () => answer));
      return await connect(port, more);
    };

    it("gives code, output and errors apart, also characters split between packets", async () => {
      const connection = await running(({ channel }) => {
        const bytes = Buffer.from("grün\n");
        channel.write(bytes.subarray(0, 3));
        setTimeout(() => {
          channel.write(bytes.subarray(3));
          channel.stderr.write("warning\n");
          channel.exit(3);
          channel.end();
        }, 20);
      });
      assert.deepEqual(await connection.run("x", { deadlineMs: 20_000 }), {
        code: 3,
        stdout: "grün\n",
        stderr: "warning\n",
      });
    });

    it("is asked for again while the node has no room for one more", async () => {
      let refusals = 3;
      let asked = 0;
      const more = await startFakeHost({
        hostKey,
        userKey,
        answer: telling(rightProof, () => ({ code: 0, stdout: "here" })),
        admits: () => ++asked === 1 || refusals-- <= 0,
      });
      cleanUp.use(more);
      const connection = await connect(more.port);
      assert.equal((await connection.run("x", { deadlineMs: 20_000 })).stdout, "here");
      assert.equal(asked, 5, "the proof, three refusals, and the one that was admitted");
      refusals = Infinity;
      await assert.rejects(connection.run("x", { deadlineMs: 300 }), failsWith("E_SSH", /did not end within/));
    });

    it("cut off by a reset is a lost connection, not an empty answer", async () => {
      const connection = await running(({ channel, socket }) => {
        channel.write("partial");
        setTimeout(() => socket.resetAndDestroy(), 20);
      });
      await assert.rejects(connection.run("x", { deadlineMs: 20_000 }), failsWith("E_SSH", /lost/));
      await assert.rejects(connection.run("again", { deadlineMs: 20_000 }), failsWith("E_SSH", /lost/));
    });

    it("cut off by the node's closing is a lost connection", async () => {
      const connection = await running(({ connection: server }) => void server.end());
      await assert.rejects(connection.run("x", { deadlineMs: 20_000 }), failsWith("E_SSH", /lost/));
    });

    it("on a frozen peer ends by keepalive", async () => {
      const connection = await running(({ socket }) => void socket.pause(), {
        keepalive: { intervalMs: 50, countMax: 2 },
      });
      await assert.rejects(connection.run("x", { deadlineMs: 60_000 }), failsWith("E_SSH", /lost.*[Kk]eepalive/));
    });

    it("ends at its deadline and leaves the connection usable", async () => {
      const { port } = await host(
        telling(rightProof, (command) => (command === "hang" ? () => undefined : { code: 0, stdout: "here" })),
      );
      const connection = await connect(port);
      await assert.rejects(
        connection.run("hang", { deadlineMs: 50 }),
        failsWith("E_SSH", /did not end within 0.05 s: hang/),
      );
      assert.equal((await connection.run("next", { deadlineMs: 20_000 })).stdout, "here");
    });

    it("ends when the run is interrupted", async () => {
      const abort = new AbortController();
      const connection = await running(() => abort.abort(), { signal: abort.signal });
      await assert.rejects(connection.run("x", { deadlineMs: 20_000 }), failsWith("E_INTERRUPTED"));
    });
  });

  describe("the pinned keys", () => {
    const key = (n: number): string => Buffer.from(`key ${n}`).toString("base64");

    it("survive being written for many nodes at once", async () => {
      const ids = Array.from({ length: 60 }, (_, n) => `i-${n.toString(16).padStart(17, "0")}`);
      await Promise.all(ids.map((id, n) => openKnownHosts(join(folder, "known_hosts")).pin(id, key(n))));
      assert.deepEqual(
        await Promise.all(ids.map((id) => knownHosts.lookup(id))),
        ids.map((_, n) => key(n)),
      );
      assert.deepEqual((await readdir(join(folder, "known_hosts"))).sort(), ids);
    });

    it("hold the first key of an instance when two are pinned at once", async () => {
      const results = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => knownHosts.pin(ID, key(n))));
      const won = results.flatMap((result, n) => (result.status === "fulfilled" ? [n] : []));
      assert.equal(won.length, 1);
      assert.equal(await knownHosts.lookup(ID), key(won[0] ?? -1));
      for (const result of results) if (result.status === "rejected") failsWith("E_HOST_KEY")(result.reason);
    });

    it("are forgotten one by one", async () => {
      await knownHosts.pin(ID, key(1));
      await knownHosts.pin("i-0f", key(2));
      await knownHosts.forget(ID);
      await knownHosts.forget(ID);
      assert.equal(await knownHosts.lookup(ID), undefined);
      assert.equal(await knownHosts.lookup("i-0f"), key(2));
    });

    it("have no place for an id that would leave their folder", async () => {
      await assert.rejects(knownHosts.pin("../i-1", key(1)), failsWith("E_HOST_KEY"));
    });
  });
});

describe("the sandbox's dial policy", () => {
  const policy = sandboxDialPolicy("198.18.0.0/15");
  for (const address of ["127.0.0.1", "127.9.9.9", "::1", "198.18.0.1", "198.19.255.254"]) {
    it(`allows ${address}`, () => policy.assertAllowed(address));
  }
  for (const address of [
    "198.20.0.1",
    "198.17.255.255",
    "8.8.8.8",
    "::ffff:8.8.8.8",
    "2001:db8::1",
    "localhost",
    "example.com",
    "",
    "0.0.0.0",
  ]) {
    it(`refuses "${address}"`, () =>
      assert.throws(() => policy.assertAllowed(address), failsWith("E_ADDRESS_REFUSED")));
  }
});

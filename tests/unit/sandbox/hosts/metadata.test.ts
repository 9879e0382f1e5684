import assert from "node:assert/strict";
import type { HostSpec } from "../../../../sandbox/hosts/driver";
import { answerMetadata, type MetadataInstance, type MetadataResponse } from "../../../../sandbox/hosts/metadata";

const spec: HostSpec = {
  instanceId: "i-0aaaaaaaaaaaaaaaa",
  region: "us-west-2",
  availabilityZone: "us-west-2b",
  amiId: "ami-0123",
  instanceType: "t3.medium",
  market: "spot",
  publicAddress: "198.18.7.10",
  privateAddress: "10.0.1.5",
  userData: Buffer.from("#cloud-config\n"),
  publicKeys: ["ssh-ed25519 AAAA fleet"],
  httpTokens: "required",
  tags: { Name: "node", "spot-deployer:lineage": "l1", "not/a/path": "x", ["__proto__"]: "y" },
};
const launchedAt = new Date("2026-01-02T03:04:05.678Z");
const secret = Buffer.alloc(32, 7);
const now = new Date("2026-01-02T04:00:00Z");

const instance = (changes: Partial<MetadataInstance> = {}, host: Partial<HostSpec> = {}): MetadataInstance => ({
  spec: { ...spec, ...host },
  launchedAt,
  ...changes,
});

interface Asking {
  method?: string;
  headers?: Record<string, string>;
  from?: MetadataInstance | undefined;
  at?: Date;
}

const ask = (
  path: string,
  { method = "GET", headers = {}, from = instance(), at = now }: Asking = {},
): MetadataResponse => answerMetadata({ method, path, headers }, from, { secret, now: at });

function token(ttl = "60", asking: Asking = {}): MetadataResponse {
  const headers = { "x-aws-ec2-metadata-token-ttl-seconds": ttl };
  return ask("/latest/api/token", { method: "PUT", ...asking, headers: { ...headers, ...asking.headers } });
}

const withToken = (value = String(token().body)): Record<string, string> => ({ "x-aws-ec2-metadata-token": value });

/** The body of a path read with a good token. */
function read(path: string, from = instance()): string {
  const { status, body } = ask(path, { headers: withToken(), from });
  assert.equal(status, 200, path);
  return String(body);
}

describe("metadata service", () => {
  describe("tokens", () => {
    it("gives one for 1 to 21600 seconds, and repeats the time", () => {
      for (const ttl of ["1", "21600"]) {
        const answer = token(ttl);
        assert.equal(answer.status, 200);
        assert.equal(answer.headers["x-aws-ec2-metadata-token-ttl-seconds"], ttl);
      }
    });

    for (const ttl of ["", "0", "21601", "-1", "1.5", "abc", "999999999"]) {
      it(`refuses a time to live of "${ttl}"`, () => assert.equal(token(ttl).status, 400));
    }

    it("refuses a request without a time to live", () => {
      assert.equal(ask("/latest/api/token", { method: "PUT" }).status, 400);
    });

    it("is given for PUT only", () => assert.equal(ask("/latest/api/token", { headers: withToken() }).status, 405));

    it("is not given to a request that a proxy passed on", () => {
      assert.equal(token("60", { headers: { "x-forwarded-for": "10.0.0.9" } }).status, 403);
    });

    it("opens the tree until it expires", () => {
      const headers = withToken();
      const after = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);
      assert.equal(ask("/latest/meta-data/instance-id", { headers, at: after(59) }).body, spec.instanceId);
      assert.equal(ask("/latest/meta-data/instance-id", { headers, at: after(60) }).status, 401);
    });

    it("is good for its own instance only", () => {
      const other = instance({}, { instanceId: "i-0bbbbbbbbbbbbbbbb" });
      assert.equal(ask("/latest/meta-data/instance-id", { headers: withToken(), from: other }).status, 401);
    });

    it("cannot be made longer or made up", () => {
      const bytes = Buffer.from(String(token().body), "base64url");
      bytes[4] = (bytes[4] ?? 0) + 1;
      for (const forged of [bytes.toString("base64url"), "", "AQAE", "x".repeat(200)]) {
        assert.equal(ask("/latest/meta-data/instance-id", { headers: withToken(forged) }).status, 401, forged);
      }
    });
  });

  describe("without a token", () => {
    it("refuses where tokens are required, with a page and no value", () => {
      const answer = ask("/latest/meta-data/instance-id");
      assert.equal(answer.status, 401);
      assert.match(String(answer.body), /<html>.*401 - Unauthorized/s);
      assert.doesNotMatch(String(answer.body), /i-0/);
    });

    it("answers where they are optional, but not with a bad one", () => {
      const from = instance({}, { httpTokens: "optional" });
      assert.equal(ask("/latest/meta-data/instance-id", { from }).body, spec.instanceId);
      assert.equal(ask("/latest/meta-data/instance-id", { from, headers: withToken("bad") }).status, 401);
    });

    for (const [agent, status] of [
      ["Cloud-Init/22.4.2", 200],
      ["python-requests/2.28.1", 200],
      ["curl/7.88.1", 401],
      ["my Cloud-Init/1", 401],
    ] as const) {
      it(`answers ${agent} with ${status}`, () => {
        assert.equal(ask("/2021-03-23/meta-data/instance-id", { headers: { "user-agent": agent } }).status, status);
      });
    }
  });

  describe("who asks", () => {
    it("tells nothing to an address that is no instance's", () => {
      const unknown = answerMetadata({ method: "GET", path: "/latest/meta-data/instance-id", headers: {} }, undefined, {
        secret,
        now,
      });
      assert.equal(unknown.status, 404);
    });

    it("refuses other methods", () =>
      assert.equal(ask("/latest/meta-data/", { method: "POST", headers: withToken() }).status, 405));

    it("refuses a broken path", () => assert.equal(ask("/latest/meta-data/%zz", { headers: withToken() }).status, 400));
  });

  describe("the tree", () => {
    it("is the same in every version", () => {
      assert.deepEqual(read("/").split("\n"), ["2009-04-04", "2021-03-23", "latest"]);
      for (const version of read("/").split("\n"))
        assert.equal(read(`/${version}/meta-data/instance-id`), spec.instanceId);
      assert.equal(ask("/1999-01-01/meta-data/", { headers: withToken() }).status, 404);
    });

    const values: Record<string, string> = {
      "ami-id": "ami-0123",
      "instance-id": "i-0aaaaaaaaaaaaaaaa",
      "instance-life-cycle": "spot",
      "instance-type": "t3.medium",
      "local-ipv4": "10.0.1.5",
      "public-ipv4": "198.18.7.10",
      "local-hostname": "ip-10-0-1-5.us-west-2.compute.internal",
      hostname: "ip-10-0-1-5.us-west-2.compute.internal",
      "public-hostname": "ec2-198-18-7-10.us-west-2.compute.amazonaws.com",
      mac: "02:00:c6:12:07:0a",
      "network/interfaces/macs/02:00:c6:12:07:0a/public-ipv4s": "198.18.7.10",
      "placement/availability-zone": "us-west-2b",
      "placement/region": "us-west-2",
      "public-keys/0/openssh-key": "ssh-ed25519 AAAA fleet",
      "tags/instance/Name": "node",
      "tags/instance/spot-deployer%3Alineage": "l1",
      "tags/instance/spot-deployer:lineage": "l1",
    };
    for (const [path, value] of Object.entries(values)) {
      it(`has ${path}`, () => assert.equal(read(`/latest/meta-data/${path}`), value));
    }

    it("lists folders with a slash, keys by number and name", () => {
      const top = read("/latest/meta-data/").split("\n");
      assert.ok(
        top.includes("instance-id") && top.includes("placement/") && top.includes("public-keys/"),
        top.join(" "),
      );
      assert.equal(read("/latest/meta-data"), read("/latest/meta-data/"));
      assert.equal(read("/latest/meta-data/public-keys/"), "0=fleet");
      assert.equal(read("/latest/meta-data/public-keys/0/"), "openssh-key");
    });

    it("shows every path that it lists", () => {
      const walk = (path: string): number =>
        read(path)
          .split("\n")
          .map((name) => name.replace(/=.*$/, path.endsWith("public-keys/") ? "/" : "$&"))
          .reduce(
            (sum, name) => sum + (name.endsWith("/") ? walk(path + name) : read(path + name).length > 0 ? 1 : 0),
            0,
          );
      assert.ok(walk("/latest/meta-data/") > 25);
    });

    it("does not show tags that cannot be a path, nor what JavaScript objects inherit", () => {
      assert.deepEqual(read("/latest/meta-data/tags/instance").split("\n").sort(), [
        "Name",
        "__proto__",
        "spot-deployer:lineage",
      ]);
      for (const name of ["constructor", "toString", "instance-id/length"]) {
        assert.equal(ask(`/latest/meta-data/${name}`, { headers: withToken() }).status, 404, name);
      }
    });

    it("gives user data as it is, 404 where there is none", () => {
      const bytes = Buffer.from([0, 255, 10]);
      assert.deepEqual(
        ask("/latest/user-data", { headers: withToken(), from: instance({}, { userData: bytes }) }).body,
        bytes,
      );
      assert.equal(
        ask("/latest/user-data", { headers: withToken(), from: instance({}, { userData: Buffer.alloc(0) }) }).status,
        404,
      );
    });

    it("has no keys and tags folders where there are none", () => {
      const from = instance({}, { publicKeys: [], tags: {} });
      assert.doesNotMatch(read("/latest/meta-data/", from), /public-keys|tags/);
    });

    it("identifies the instance in a document", () => {
      const document = JSON.parse(read("/latest/dynamic/instance-identity/document")) as Record<string, unknown>;
      assert.equal(document.instanceId, spec.instanceId);
      assert.equal(document.region, "us-west-2");
      assert.equal(document.pendingTime, "2026-01-02T03:04:05Z");
    });
  });

  describe("notices", () => {
    const paths = ["spot/instance-action", "spot/termination-time", "events/recommendations/rebalance"];
    const at = new Date("2026-01-02T04:02:00.500Z");

    it("are not there before they are given", () => {
      for (const path of paths)
        assert.equal(ask(`/latest/meta-data/${path}`, { headers: withToken() }).status, 404, path);
    });

    it("tell of an interruption and when", () => {
      const from = instance({ interruption: { action: "terminate", at } });
      assert.deepEqual(JSON.parse(read("/latest/meta-data/spot/instance-action", from)), {
        action: "terminate",
        time: "2026-01-02T04:02:00Z",
      });
      assert.equal(read("/latest/meta-data/spot/termination-time", from), "2026-01-02T04:02:00Z");
    });

    it("tell of a rebalance recommendation", () => {
      const from = instance({ rebalance: at });
      assert.deepEqual(JSON.parse(read("/latest/meta-data/events/recommendations/rebalance", from)), {
        noticeTime: "2026-01-02T04:02:00Z",
      });
    });
  });
});

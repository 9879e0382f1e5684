import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { startPulumiService, type PulumiService } from "../../support/pulumi-service";

const STACK = "/api/stacks/tester/prog/dev";
const NAME = "prog/dev";
const PROGRAM = {
  name: "prog",
  runtime: "nodejs",
  main: "",
  description: "",
  options: { dryRun: false, parallel: 1 },
  config: {},
  metadata: { message: "", environment: {} },
};
const MANIFEST = { time: "2024-01-01T00:00:00Z", magic: "", version: "" };
const URN = "urn:pulumi:dev::prog::pulumi:pulumi:Stack::prog-dev";
const RESOURCE = { urn: URN, type: "pulumi:pulumi:Stack" };
const DEPLOYMENT = { manifest: MANIFEST, resources: [RESOURCE] };

const verbatim = (sequenceNumber: number, deployment: object = DEPLOYMENT) => ({
  version: 3,
  sequenceNumber,
  untypedDeployment: { version: 3, deployment },
});

/** As much of an answer as these tests look at. */
interface Answer {
  status: number;
  body: Record<string, unknown>;
}

describe("the stand-in for Pulumi Cloud", () => {
  let service: PulumiService;

  async function ask(method: string, path: string, body?: unknown, authorization = `token ${service.token}`) {
    const response = await fetch(`${service.url}${path}`, {
      method,
      headers: { authorization, "content-encoding": "gzip" },
      body: body === undefined ? undefined : gzipSync(JSON.stringify(body)),
    });
    const text = await response.text();
    return { status: response.status, body: (text ? JSON.parse(text) : {}) as Answer["body"] };
  }

  async function asked(...call: Parameters<typeof ask>): Promise<Answer["body"]> {
    const { status, body } = await ask(...call);
    assert.ok(status < 300, `${call[0]} ${call[1]}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  async function refused(status: number, message: string, ...call: Parameters<typeof ask>): Promise<void> {
    assert.deepEqual(await ask(...call), { status, body: { code: status, message } }, `${call[0]} ${call[1]}`);
  }

  /** Starts an update: its path, and the header that holds its lease. */
  async function begin(kind = "update", start: object = {}): Promise<{ path: string; lease: string }> {
    const { updateID } = await asked("POST", `${STACK}/${kind}`, PROGRAM);
    const path = `${STACK}/update/${String(updateID)}`;
    const { token } = await asked("POST", path, start);
    return { path, lease: `update-token ${String(token)}` };
  }

  const end = ({ path, lease }: { path: string; lease: string }) =>
    asked("POST", `${path}/complete`, { status: "succeeded" }, lease);

  beforeEach(async () => {
    service = await startPulumiService();
    await asked("POST", "/api/stacks/tester/prog", { stackName: "dev" });
  });

  afterEach(() => service.stop());

  const UNAUTHORIZED = "Unauthorized: No credentials provided or are invalid.";
  const IN_USE = "Conflict: Another update is currently in progress.";
  const COMPLETED = "Conflict: The Update has already completed";
  const EXPIRED = "The provided update token has expired";

  it("refuses a wrong token, a token of the wrong kind, and none", async () => {
    for (const header of ["token pul-other", `update-token ${service.token}`, `Bearer ${service.token}`, ""])
      await refused(401, UNAUTHORIZED, "GET", "/api/user", undefined, header);
    assert.equal((await asked("GET", "/api/user"))["githubLogin"], service.user);
  });

  it("tells anybody what it can do", async () => {
    assert.ok((await asked("GET", "/api/capabilities", undefined, ""))["capabilities"]);
  });

  it("refuses the user's token for a write, and another update's lease", async () => {
    const [first, preview] = [await begin(), await begin("preview")];
    const write = ["PATCH", `${first.path}/checkpointverbatim`, verbatim(1)] as const;
    await refused(401, UNAUTHORIZED, ...write);
    await refused(401, UNAUTHORIZED, ...write, preview.lease);
    await asked(...write, first.lease);
  });

  it("records an unknown path, and refuses it", async () => {
    await refused(404, "Not Found", "GET", "/api/orgs/tester/members");
    await refused(404, "Not Found", "POST", "/api/user", {});
    assert.deepEqual(service.unknown, ["GET /api/orgs/tester/members", "POST /api/user"]);
    assert.deepEqual(service.calls.at(-1), { method: "POST", path: "/api/user", status: 404 });
  });

  it("refuses what does not exist, and what exists already", async () => {
    await refused(404, "Not Found: Stack 'tester/prog/other' not found", "GET", "/api/stacks/tester/prog/other");
    await refused(404, "Not Found: Update 'x' not found", "GET", `${STACK}/update/x`);
    await refused(404, "Not Found: Organization 'them' not found", "POST", "/api/stacks/them/prog", { stackName: "a" });
    await refused(409, "Conflict: Stack 'dev' already exists", "POST", "/api/stacks/tester/prog", { stackName: "dev" });
    assert.equal((await ask("HEAD", "/api/stacks/tester/other")).status, 404);
  });

  it("refuses a body that is not what the call takes", async () => {
    for (const body of [{}, { stackName: "a/b" }, { stackName: "a", teams: ["x"] }, undefined])
      assert.equal((await ask("POST", "/api/stacks/tester/prog", body)).status, 400, JSON.stringify(body));
  });

  it("lets one update at a time change a stack, and previews beside it", async () => {
    const first = await begin();
    const { updateID } = await asked("POST", `${STACK}/destroy`, PROGRAM);
    await refused(409, IN_USE, "POST", `${STACK}/update/${String(updateID)}`, {});
    await refused(409, IN_USE, "POST", `${STACK}/import`, { version: 3, deployment: DEPLOYMENT });
    await refused(409, IN_USE, "DELETE", `${STACK}?force=true`);
    await end(await begin("preview"));
    await end(first);
    await asked("POST", `${STACK}/update/${String(updateID)}`, {});
  });

  it("is in use while somebody else's update runs", async () => {
    const leave = service.occupy(NAME);
    const { updateID } = await asked("POST", `${STACK}/update`, PROGRAM);
    await refused(409, IN_USE, "POST", `${STACK}/update/${String(updateID)}`, {});
    leave();
    await asked("POST", `${STACK}/update/${String(updateID)}`, {});
  });

  it("refuses an expired lease, and keeps the stack for it until it is cancelled", async () => {
    const { path, lease } = await begin();
    service.expireLease(NAME);
    await refused(403, EXPIRED, "PATCH", `${path}/checkpointverbatim`, verbatim(1), lease);
    await refused(403, EXPIRED, "POST", `${path}/renew_lease`, { token: "", duration: 300 }, lease);
    await refused(403, EXPIRED, "POST", `${path}/complete`, { status: "succeeded" }, lease);
    const { updateID } = await asked("POST", `${STACK}/update`, PROGRAM);
    await refused(409, IN_USE, "POST", `${STACK}/update/${String(updateID)}`, {});
    await asked("POST", `${path}/cancel`);
    await asked("POST", `${STACK}/update/${String(updateID)}`, {});
  });

  it("renews a lease, for five minutes at most", async () => {
    const { path, lease } = await begin();
    const renewed = await asked("POST", `${path}/renew_lease`, { token: "", duration: 300 }, lease);
    await asked("PATCH", `${path}/checkpointverbatim`, verbatim(1), `update-token ${String(renewed["token"])}`);
    assert.equal((await ask("POST", `${path}/renew_lease`, { token: "", duration: 301 }, lease)).status, 400);
  });

  it("refuses every write of an update that was cancelled", async () => {
    const { path, lease } = await begin();
    await asked("POST", `${path}/cancel`);
    await refused(409, COMPLETED, "PATCH", `${path}/checkpointverbatim`, verbatim(1), lease);
    await refused(409, COMPLETED, "POST", `${path}/complete`, { status: "succeeded" }, lease);
    await refused(409, COMPLETED, "POST", `${path}/cancel`);
    assert.deepEqual((service.stack(NAME) as { deployment: unknown }).deployment, {
      manifest: { time: "0001-01-01T00:00:00Z", magic: "", version: "" },
    });
  });

  it("takes checkpoints in their order, the last one twice, and none of a preview", async () => {
    const { path, lease } = await begin();
    const save = (body: object) => ["PATCH", `${path}/checkpointverbatim`, body, lease] as const;
    const late = "Conflict: A checkpoint with sequence number 2 was already received";
    for (const sequence of [2, 2, 3]) await asked(...save(verbatim(sequence)));
    await refused(409, late, ...save(verbatim(2)));
    await refused(409, late.replace("2", "3"), ...save(verbatim(3, { manifest: MANIFEST })));
    const preview = await begin("preview");
    await refused(
      403,
      "Updating the checkpoint is not permitted for preview operations.",
      "PATCH",
      `${preview.path}/checkpointverbatim`,
      verbatim(1),
      preview.lease,
    );
  });

  it("makes a deployment of a journal, with what was begun and did not end", async () => {
    const { path, lease } = await begin("update", { journalVersion: 1 });
    const write = (...entries: object[]) =>
      asked("PATCH", `${path}/journalentries`, { entries: entries.map((each) => ({ version: 1, ...each })) }, lease);
    const operation = (type: string, name: string) => ({ type, resource: { ...RESOURCE, urn: `${URN}-${name}` } });
    await write(
      { kind: 0, sequenceID: 1, operationID: 1, operation: operation("creating", "a") },
      { kind: 1, sequenceID: 2, operationID: 1, state: operation("creating", "a").resource },
    );
    await write({ kind: 0, sequenceID: 3, operationID: 2, operation: operation("creating", "b") });
    const { deployment } = service.stack(NAME) as { deployment: Record<string, unknown> };
    assert.deepEqual(deployment["resources"], [operation("creating", "a").resource]);
    assert.deepEqual(deployment["pending_operations"], [operation("creating", "b")]);
    await refused(
      400,
      "Bad Request: The Update keeps a journal",
      "PATCH",
      `${path}/checkpointverbatim`,
      verbatim(1),
      lease,
    );
  });

  it("keeps a stack that has resources, unless it is forced", async () => {
    await asked("POST", `${STACK}/import`, { version: 3, deployment: DEPLOYMENT });
    await refused(400, "Bad Request: Stack still contains resources.", "DELETE", STACK);
    await asked("DELETE", `${STACK}?force=true`);
    assert.equal(service.stack(NAME), undefined);
  });

  it("decrypts what this stack encrypted, and nothing else", async () => {
    await asked("POST", "/api/stacks/tester/prog", { stackName: "other" });
    const plaintext = Buffer.from("secret").toString("base64");
    const { ciphertext } = await asked("POST", `${STACK}/encrypt`, { plaintext });
    assert.deepEqual(await asked("POST", `${STACK}/decrypt`, { ciphertext }), { plaintext });
    const failed = "Bad Request: Message authentication failed";
    await refused(400, failed, "POST", "/api/stacks/tester/prog/other/decrypt", { ciphertext });
    await refused(400, failed, "POST", `${STACK}/batch-decrypt`, { ciphertexts: [plaintext] });
  });

  it("fails as it is told, as often as it is told", async () => {
    service.fault({ path: /^\/api\/user$/, status: 503, times: 1 });
    await asked("GET", "/api/capabilities");
    await refused(503, "Fault of a test", "GET", "/api/user");
    await asked("GET", "/api/user");
    service.fault({ method: "GET", hang: true });
    const abandoned = fetch(`${service.url}/api/capabilities`, { signal: AbortSignal.timeout(50) });
    await assert.rejects(abandoned, { name: "TimeoutError" });
    assert.equal(service.calls.at(-1)?.status, 0);
    service.fault();
    await asked("GET", "/api/capabilities");
  });
});

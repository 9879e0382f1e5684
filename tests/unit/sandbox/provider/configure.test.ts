import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { configure } from "../../../../sandbox/provider/configure";

const ACCOUNT = "123456789012";

describe("configuring the sandbox's provider", () => {
  let server: Server;
  let url: string;
  /** What the next calls are answered with; then, and from then on, the account. */
  let refusals: { status: number; code: string }[];
  let asked: string[];
  before(async () => {
    server = createServer((request, response) => {
      asked.push(/Credential=[^,]*/.exec(request.headers.authorization ?? "")![0]);
      const refusal = refusals.shift();
      response.writeHead(refusal?.status ?? 200);
      response.end(
        refusal
          ? `<ErrorResponse><Error><Code>${refusal.code}</Code><Message>no</Message></Error></ErrorResponse>`
          : `<R><Account>${ACCOUNT}</Account></R>`,
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    refusals = [];
    asked = [];
  });
  after(() => server.close());

  const configured = (args: Record<string, unknown> = {}) =>
    configure(
      { url, accessKeyId: "sandbox", secretAccessKey: "sandbox" },
      { region: "eu-west-1", version: "7.48.0", ...args },
    );

  it("asks STS in its own region whose credentials it has", async () => {
    await configured({ allowedAccountIds: JSON.stringify([ACCOUNT]), maxRetries: "3" });
    assert.deepEqual(asked, ["Credential=sandbox/20260101/eu-west-1/sts/aws4_request"]);
  });

  it("refuses an account that is not allowed", async () => {
    await assert.rejects(configured({ allowedAccountIds: '["210987654321"]' }), {
      message: `AWS account ID not allowed: ${ACCOUNT}`,
    });
  });

  it("asks again after a throttle or an accident, three times in all", async () => {
    refusals = [
      { status: 400, code: "Throttling" },
      { status: 503, code: "ServiceUnavailable" },
    ];
    await configured();
    refusals = Array.from({ length: 3 }, () => ({ status: 503, code: "ServiceUnavailable" }));
    await assert.rejects(
      configured(),
      /retrieving caller identity from STS: .* StatusCode: 503, api error ServiceUnavailable: no/,
    );
    assert.equal(asked.length, 6);
  });

  it("takes a refusal for an answer", async () => {
    refusals = [{ status: 403, code: "InvalidClientTokenId" }];
    await assert.rejects(configured(), /api error InvalidClientTokenId: no/);
    assert.equal(asked.length, 1);
  });

  it("refuses an argument that it would ignore, and no region", async () => {
    await assert.rejects(configured({ profile: "x" }), /does not know the provider argument profile/);
    await assert.rejects(configured({ region: "" }), /Missing region/);
  });
});

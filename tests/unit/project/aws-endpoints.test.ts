import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { endpointsText, foreignEndpoints, parseEndpoints } from "../../../project/aws-endpoints";

const CONFIG = `
[default]
region = us-west-2
[profile all]
endpoint_url = http://localhost:4566
[profile some]
services = local
[profile both]
endpoint_url = http://localhost:1
services = local
[profile off]
endpoint_url = http://localhost:4566
ignore_configured_endpoint_urls = true
[services local]
ec2 =
  endpoint_url = http://localhost:2
service_quotas =
  endpoint_url = http://localhost:3
s3 =
  endpoint_url = http://localhost:4
`;

describe("where AWS's services are asked", () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-endpoints-"));
    writeFileSync(path.join(dir, "config"), CONFIG);
    writeFileSync(
      path.join(dir, "credentials"),
      "[inside]\naws_access_key_id = a\nendpoint_url = http://localhost:5\n",
    );
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const found = (env: NodeJS.ProcessEnv) =>
    foreignEndpoints({
      AWS_CONFIG_FILE: path.join(dir, "config"),
      AWS_SHARED_CREDENTIALS_FILE: path.join(dir, "credentials"),
      ...env,
    });
  const all = (url: string) => ({ ec2: url, sts: url, ssm: url, service_quotas: url });

  const rows: [what: string, env: NodeJS.ProcessEnv, expected: object][] = [
    ["at AWS, when nothing is set", {}, {}],
    ["where the variable for all leads", { AWS_ENDPOINT_URL: "http://localhost:4566" }, all("http://localhost:4566")],
    [
      "where a service's own variable leads, before the one for all",
      { AWS_ENDPOINT_URL: "http://a", AWS_ENDPOINT_URL_SERVICE_QUOTAS: "http://b" },
      { ...all("http://a"), service_quotas: "http://b" },
    ],
    [
      "at AWS, by a private endpoint or another partition",
      {
        AWS_ENDPOINT_URL_EC2: "https://vpce-1.ec2.us-east-1.vpce.amazonaws.com",
        AWS_ENDPOINT_URL_STS: "https://sts.cn-north-1.amazonaws.com.cn",
        AWS_ENDPOINT_URL_SSM: "https://ssm.eu-west-1.api.aws",
      },
      {},
    ],
    [
      "elsewhere, by a name that only looks like AWS's",
      { AWS_ENDPOINT_URL_EC2: "https://amazonaws.com.example.org", AWS_ENDPOINT_URL_STS: "https://evilamazonaws.com" },
      { ec2: "https://amazonaws.com.example.org", sts: "https://evilamazonaws.com" },
    ],
    ["elsewhere, by what is no URL", { AWS_ENDPOINT_URL_EC2: "localhost" }, { ec2: "localhost" }],
    ["where a state backend's setting leads: no matter of ours", { AWS_ENDPOINT_URL_S3: "http://minio:9000" }, {}],
    ["where the profile leads", { AWS_PROFILE: "all" }, all("http://localhost:4566")],
    ["where the credentials file's profile leads", { AWS_PROFILE: "inside" }, all("http://localhost:5")],
    [
      "where the profile's services section leads",
      { AWS_PROFILE: "some" },
      { ec2: "http://localhost:2", service_quotas: "http://localhost:3" },
    ],
    [
      "where the services section leads, before the profile's own",
      { AWS_PROFILE: "both" },
      { ...all("http://localhost:1"), ec2: "http://localhost:2", service_quotas: "http://localhost:3" },
    ],
    [
      "where the environment leads, before the profile",
      { AWS_PROFILE: "both", AWS_ENDPOINT_URL: "http://a" },
      all("http://a"),
    ],
    ["at AWS, when the profile says that such settings do not count", { AWS_PROFILE: "off" }, {}],
    [
      "at AWS, when the environment says so",
      { AWS_ENDPOINT_URL: "http://a", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" },
      {},
    ],
    [
      "elsewhere, when the environment takes back what the profile says",
      { AWS_PROFILE: "off", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "false" },
      all("http://localhost:4566"),
    ],
    ["at AWS, for a profile that there is not", { AWS_PROFILE: "none" }, {}],
  ];
  for (const [what, env, expected] of rows) it(what, async () => assert.deepEqual(await found(env), expected));

  it("is told in a few words", () => {
    assert.equal(endpointsText({}), "AWS");
    assert.equal(endpointsText(all("http://a")), "http://a");
    assert.equal(endpointsText({ sts: "http://b", ec2: "http://a" }), "ec2 at http://a, sts at http://b");
  });

  it("comes back as it was written, without what is no service of ours", () => {
    assert.deepEqual(parseEndpoints({ ec2: "http://a", s3: "http://b", sts: 1 }), { ec2: "http://a" });
    assert.equal(parseEndpoints(undefined), undefined);
  });
});

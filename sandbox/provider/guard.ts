import { isIPv4 } from "node:net";
import { askEndpoint } from "../home/endpoint";
import type { Endpoint } from "./common/aws";

/** Where the sandbox's gateway tells what it is; AWS, moto and other emulators have no such path. */
const STATUS_PATH = "/_spot/status";
const STATUS_TIMEOUT_MS = 5_000;

/**
 * The sandbox's endpoint, or an error: this plugin stands in for the real provider under its own name, so it must
 * never be the one to meet AWS. It works only where `AWS_ENDPOINT_URL` is a loopback address and the sandbox's own
 * gateway answers there.
 * @throws Error in words for the person who finds this plugin on PATH outside the sandbox
 */
export async function sandboxEndpoint(env: NodeJS.ProcessEnv): Promise<Endpoint> {
  const url = env["AWS_ENDPOINT_URL"];
  if (url === undefined || url === "") throw refusal("AWS_ENDPOINT_URL is not set");
  if (!isLoopback(url)) throw refusal(`AWS_ENDPOINT_URL is ${url}, which is not a loopback address`);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) throw refusal("the sandbox's credentials are not in the environment");
  await expectGateway(url);
  return { url, accessKeyId, secretAccessKey };
}

/** Is the URL's host an address of this machine by its very form? No name is looked up. */
export function isLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" && (hostname === "[::1]" || (isIPv4(hostname) && hostname.startsWith("127.")));
}

async function expectGateway(url: string): Promise<void> {
  let status: unknown;
  try {
    const answer = await askEndpoint(new URL(STATUS_PATH, url), { timeoutMs: STATUS_TIMEOUT_MS });
    status = answer.status === 200 ? JSON.parse(answer.body) : undefined;
  } catch {
    throw refusal(`no sandbox answers at ${url}`);
  }
  const { id, mode, instances } = (status ?? {}) as { id?: unknown; mode?: unknown; instances?: unknown };
  const isGateway =
    typeof id === "string" &&
    (mode === "api" || mode === "hosts" || mode === "images") &&
    typeof instances === "number";
  if (!isGateway) throw refusal(`what answers at ${url} is not the sandbox's gateway`);
}

function refusal(why: string): Error {
  return new Error(
    `This pulumi-resource-aws is spot-deployer's stand-in for its sandbox only, and ${why}. ` +
      "For real AWS take its folder off PATH: Pulumi then uses the official provider.",
  );
}

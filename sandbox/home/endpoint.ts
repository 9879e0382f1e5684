import { request } from "node:http";
import { text } from "node:stream/consumers";

export interface Question {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  timeoutMs: number;
}

/**
 * One request to the endpoint of a sandbox; redirects are not followed. It uses node:http, which the AWS SDK loads
 * anyway: the first `fetch` of a process costs another 70 ms of CPU time.
 * @throws Error when no answer comes in time
 */
export function askEndpoint(
  url: string | URL,
  { method = "GET", headers = {}, body = "", timeoutMs }: Question,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const length = { "content-length": Buffer.byteLength(body) };
    const outgoing = request(
      url,
      { method, headers: { ...headers, ...length }, signal: AbortSignal.timeout(timeoutMs) },
      (incoming) => {
        text(incoming).then((answer) => resolve({ status: incoming.statusCode ?? 0, body: answer }), reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

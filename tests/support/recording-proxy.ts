import { createServer, request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** One call of AWS's query protocol, as it went over the wire. */
export interface RecordedCall {
  action: string;
  parameters: Record<string, string>;
}

export interface Refusal {
  status: number;
  code: string;
  message: string;
}

/** Stands before an endpoint on loopback, writes down every call, and refuses those that a test wants to fail. */
export interface RecordingProxy extends AsyncDisposable {
  endpoint: string;
  calls: RecordedCall[];
  /** What to answer instead of passing the call on; asked for each call. A promise holds the call back. */
  refuse: (call: RecordedCall) => Refusal | undefined | Promise<Refusal | undefined>;
}

export async function startRecordingProxy(target: string): Promise<RecordingProxy> {
  const proxy = { calls: [] as RecordedCall[], refuse: (() => undefined) as RecordingProxy["refuse"] };
  const server = createServer((incoming, outgoing) => {
    void bodyOf(incoming).then(async (body) => {
      const parameters = Object.fromEntries(new URLSearchParams(body.toString()));
      const call = { action: parameters["Action"] ?? "", parameters };
      if (call.action) proxy.calls.push(call);
      const refusal = call.action ? await proxy.refuse(call) : undefined;
      if (refusal) {
        const { status, code, message } = refusal;
        outgoing.writeHead(status, { "content-type": "text/xml" });
        outgoing.end(
          `<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>req-1</RequestID></Response>`,
        );
        return;
      }
      const onward = request(
        new URL(incoming.url ?? "/", target),
        { method: incoming.method, headers: incoming.headers },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
        },
      );
      onward.on("error", () => outgoing.destroy());
      onward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(proxy, {
    endpoint,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { findMoto } from "../../sandbox/moto/install";
import { startMoto } from "../../sandbox/moto/server";
import { testCacheDir } from "./sandbox";

/** What S3 answers instead. */
interface S3Refusal {
  status: number;
  code: string;
  message: string;
}

/** S3's words for credentials that lack the permission (S3 API reference, Error responses). */
export const ACCESS_DENIED: S3Refusal = { status: 403, code: "AccessDenied", message: "Access Denied" };

/** A bucket of moto's S3 for the engine to keep states in, with a proxy before it that can refuse. */
export interface StateBucket extends AsyncDisposable {
  /** For `PULUMI_BACKEND_URL`. */
  url: string;
  /** The same for another bucket of this S3, which is not there. */
  missing: string;
  /** Asked for each request, by its method and the object's key. */
  refuse: (method: string, key: string) => S3Refusal | undefined;
  /** Keys of all objects. */
  keys(): Promise<string[]>;
  put(key: string, content: string): Promise<void>;
  remove(key: string): Promise<void>;
}

const NAME = "states";
/** By its scope moto knows which service a request is for; it checks no signature. */
const SIGNED =
  "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none";

/** moto must be installed: a sandbox was started before. */
export async function startStateBucket(): Promise<StateBucket> {
  const moto = await startMoto((await findMoto(testCacheDir)).python, { addresses: [], images: {} });
  const bucket = { refuse: (() => undefined) as StateBucket["refuse"] };
  const server = createServer((incoming, outgoing) => {
    const { method = "GET", headers } = incoming;
    const url = new URL(incoming.url ?? "/", `http://127.0.0.1:${moto.port}`);
    const refusal = bucket.refuse(method, decodeURIComponent(url.pathname).slice(`/${NAME}/`.length));
    if (refusal) {
      incoming.resume();
      const { status, code, message } = refusal;
      outgoing.writeHead(status, { "content-type": "application/xml" });
      outgoing.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
      return;
    }
    const onward = request(url, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const urlOf = (name: string) =>
    `s3://${name}?region=us-east-1&endpoint=http://127.0.0.1:${port}&s3ForcePathStyle=true`;

  /** Past the proxy. */
  const direct = async (method: string, place: string, body?: string): Promise<string> => {
    const sent = request({
      host: "127.0.0.1",
      port: moto.port,
      method,
      path: `/${NAME}${place}`,
      headers: { authorization: SIGNED, "content-length": Buffer.byteLength(body ?? "") },
    });
    const answered = new Promise<string>((resolve, reject) => {
      sent.on("error", reject).on("response", (response) => {
        void text(response).then((answer) =>
          (response.statusCode ?? 500) < 300 ? resolve(answer) : reject(new Error(`${method} ${place}: ${answer}`)),
        );
      });
    });
    sent.end(body);
    return answered;
  };
  await direct("PUT", "");

  return Object.assign(bucket, {
    url: urlOf(NAME),
    missing: urlOf("not-there"),
    async keys() {
      const list = await direct("GET", "?list-type=2&max-keys=1000");
      return [...list.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!);
    },
    async put(key: string, content: string) {
      await direct("PUT", `/${key}`, content);
    },
    async remove(key: string) {
      await direct("DELETE", `/${key}`);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      moto.stop();
      await moto.ended;
    },
  });
}

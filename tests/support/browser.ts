import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { endGroup } from "./process-group";

/** Where Debian's package puts it. */
export const CHROMIUM = "/usr/bin/chromium";
export const hasBrowser = (): boolean => existsSync(CHROMIUM);

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-pipe",
];
const ANSWER_MS = 30_000;

interface Message {
  id?: number;
  method?: string;
  sessionId?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** One page in a headless browser, driven by the DevTools protocol over a pipe: nothing listens, nothing is installed. */
export interface Page extends AsyncDisposable {
  /** What the console said as an error or warning, and exceptions that nobody caught. */
  problems: string[];
  /** The value of an expression, as JSON would carry it. */
  evaluate<T>(expression: string): Promise<T>;
  resize(width: number, height: number): Promise<void>;
  /** PNG. */
  screenshot(): Promise<Buffer>;
}

export async function openPage(url: string): Promise<Page> {
  const profile = mkdtempSync(path.join(os.tmpdir(), "spot-browser-"));
  // Killed, it leaves its temporary folders behind: in the profile they go with it.
  const temporary = path.join(profile, "tmp");
  mkdirSync(temporary);
  const child = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`], {
    env: { ...process.env, TMPDIR: temporary },
    // Its helpers outlive it for a moment and may still write: a group of their own tells which they are. Only its crash
    // handlers leave the group, and they write nothing here.
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const [, , , input, output] = child.stdio as [null, null, null, NodeJS.WritableStream, NodeJS.ReadableStream];
  const waiting = new Map<
    number,
    { resolve: (result: Record<string, unknown>) => void; reject: (error: Error) => void }
  >();
  const listeners = new Set<(message: Message) => void>();
  const problems: string[] = [];
  let text = "";
  let last = 0;
  let session: string | undefined;

  // Messages are separated by zero bytes.
  output.setEncoding("utf8");
  output.on("data", (chunk: string) => {
    const parts = (text + chunk).split("\0");
    text = parts.pop() ?? "";
    for (const part of parts) take(JSON.parse(part) as Message);
  });
  function take(message: Message): void {
    const asked = message.id === undefined ? undefined : waiting.get(message.id);
    if (message.id !== undefined) waiting.delete(message.id);
    if (message.error) asked?.reject(new Error(message.error.message));
    else asked?.resolve(message.result ?? {});
    for (const listener of listeners) listener(message);
  }
  child.on("exit", () => waiting.forEach(({ reject }) => reject(new Error("the browser ended"))));

  async function ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = (last += 1);
    const timer = setTimeout(() => waiting.get(id)?.reject(new Error(`no answer to ${method}`)), ANSWER_MS);
    try {
      return await new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        input.write(
          `${JSON.stringify({ id, method, params, ...(session === undefined ? {} : { sessionId: session }) })}\0`,
        );
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async function close(): Promise<void> {
    if (child.pid !== undefined) await endGroup(child.pid);
    await rm(profile, { recursive: true, force: true });
  }

  try {
    const { targetId } = await ask("Target.createTarget", { url: "about:blank" });
    const attached = await ask("Target.attachToTarget", { targetId, flatten: true });
    session = String(attached["sessionId"]);
    listeners.add(({ method, params }) => {
      const entry = (params?.["entry"] ?? {}) as { level?: string; text?: string };
      if (method === "Log.entryAdded" && ["error", "warning"].includes(entry.level ?? ""))
        problems.push(entry.text ?? "");
      if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(String(params?.["type"])))
        problems.push(JSON.stringify(params?.["args"]));
      if (method === "Runtime.exceptionThrown") problems.push(JSON.stringify(params?.["exceptionDetails"]));
    });
    for (const domain of ["Page", "Runtime", "Log"]) await ask(`${domain}.enable`);
    const loaded = new Promise<void>((resolve) =>
      listeners.add(({ method }) => method === "Page.loadEventFired" && resolve()),
    );
    await ask("Page.navigate", { url });
    await loaded;
  } catch (error) {
    await close();
    throw error;
  }
  return {
    problems,
    async evaluate<T>(expression: string) {
      const { result, exceptionDetails } = await ask("Runtime.evaluate", {
        expression,
        returnByValue: true,
        awaitPromise: true,
      });
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { value: T }).value;
    },
    async resize(width, height) {
      await ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
    },
    screenshot: async () => Buffer.from(String((await ask("Page.captureScreenshot"))["data"]), "base64"),
    [Symbol.asyncDispose]: close,
  };
}

import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { SpotError, wordsOf } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { readJson, removeFile, writeJson } from "../../system/json-file";
import type { FaultRule } from "../gateway/faults";
import { motoImages } from "../gateway/model/images";
import { Instances, endReasons } from "../gateway/model/instances";
import { Moto } from "../gateway/protocol/moto";
import { usableRegions } from "../gateway/model/regions";
import type { Cloud } from "../gateway/model/rule";
import { noPolicies, type Policies } from "../gateway/policy/statement";
import { Gateway } from "../gateway/server";
import { Quotas } from "../gateway/model/quotas";
import { defaultTimings } from "../gateway/model/timings";
import { InstanceTypes } from "../gateway/model/types";
import type { HostDriver, HostEnded } from "../hosts/driver";
import { noHosts } from "../hosts/no-hosts";
import { keepMarked } from "./housekeeping";
import { startMoto } from "../moto/server";
import { callerAddress, claimNetwork, hostAddresses } from "../home/network";
import { ownMark } from "../../system/process";
import {
  homeFiles,
  type DaemonRecord,
  type SandboxMode,
  type SandboxProvider,
  type SandboxRecord,
} from "../home/records";

export interface DaemonOptions {
  home: string;
  cacheDir: string;
  mode: SandboxMode;
  provider: SandboxProvider;
  /** The interpreter of moto's virtual environment. */
  python: string;
  /** Folders of the cache that it uses. */
  installed: readonly string[];
  sandbox: SandboxRecord;
}

const log = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);

async function createDriver(
  { home, cacheDir, mode, sandbox }: DaemonOptions,
  network: string,
  onEnded: HostEnded,
): Promise<HostDriver> {
  if (mode === "api") return noHosts;
  const [{ createNspawnDriver }, { rootsOf }] = await Promise.all([import("../hosts/nspawn.js"), import("./roots.js")]);
  return createNspawnDriver({
    home,
    cacheDir,
    sandboxId: sandbox.id,
    network,
    roots: rootsOf[mode],
    callerAddress: callerAddress(network),
    report: log,
    onEnded,
  });
}

/**
 * Runs a sandbox in this process until it is told to stop (SIGTERM, SIGINT) or its moto dies, and then takes down all
 * that it started. Resolves once the endpoint answers. Throws E_SANDBOX_PORT when the sandbox's port is taken.
 */
export async function runDaemon(options: DaemonOptions): Promise<DaemonRecord> {
  const files = homeFiles(options.home);
  const { network, release } = claimNetwork(options.home, options.mode);
  const undo: (() => Promise<void> | void)[] = [release];
  const takeDown = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse())
      await Promise.resolve(step()).catch((error: unknown) => log(wordsOf(error)));
  };
  try {
    undo.push(keepMarked(options.installed));
    const images = Object.fromEntries(usableRegions().map((region) => [region, motoImages(region)]));
    const server = await startMoto(options.python, { addresses: hostAddresses(network), images });
    undo.push(async () => {
      server.stop();
      await Promise.race([server.ended, sleep(2_000, undefined, { ref: false })]);
    });

    const moto = new Moto(server.port);
    undo.push(() => moto.close());
    let instances: Instances | undefined;
    const driver = await createDriver(options, network, (id) => instances?.terminate(id, endReasons.shutdown));
    undo.push(() => driver.close());
    const newCloud = (): Cloud => {
      instances = new Instances(driver, log);
      return {
        moto,
        network,
        driver,
        instances,
        publicKeys: new Map(),
        types: new InstanceTypes(),
        spotRequests: new Map(),
        cpuCredits: new Map(),
        launches: new Map(),
        quotas: new Quotas(),
        timings: { ...defaultTimings },
        bornAt: new Map(),
        natsDeleting: new Map(),
        now: () => new Date(),
      };
    };

    const startedAt = new Date().toISOString();
    const identity = {
      id: options.sandbox.id,
      mode: options.mode,
      network,
      callerAddress: callerAddress(network),
      startedAt,
    };
    const gateway = new Gateway({
      newCloud,
      faults: await initial<FaultRule[]>(files.faults, {
        title: "fault rules",
        none: [],
        reader: async () => (await import("../gateway/fault-schema.js")).parseFaults,
      }),
      policies: await initial<Policies>(files.policy, {
        title: "policies",
        none: noPolicies,
        reader: async () => (await import("../gateway/policy/document.js")).parsePolicies,
      }),
      log,
      identity,
    });
    const port = await gateway.listen(options.sandbox.port).catch((cause: unknown) => {
      throw portError(options, cause);
    });
    undo.push(() => gateway.close());

    if (options.sandbox.port === 0) writeJson(files.sandbox, { ...options.sandbox, port } satisfies SandboxRecord);
    const { pid, started } = server;
    const record: DaemonRecord = {
      ...ownMark(),
      port,
      network,
      mode: options.mode,
      provider: options.provider,
      startedAt,
      moto: { pid, started },
    };
    writeJson(files.daemon, record);
    undo.push(() => {
      if ((readJson(files.daemon) as DaemonRecord | undefined)?.pid === process.pid) removeFile(files.daemon);
    });

    const end = (code: number): void => void takeDown().finally(() => process.exit(code));
    for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, () => end(0));
    void server.ended.then((reason) => {
      if (undo.length === 0) return;
      writeJson(files.exit, { reason: `its emulated AWS (moto) ${reason}`, at: new Date().toISOString() });
      end(1);
    });
    return record;
  } catch (error) {
    await takeDown();
    throw error;
  }
}

/** What the user put into the home; a wrong file is an error, not silence. */
async function initial<T>(
  file: string,
  { title, none, reader }: { title: string; none: T; reader: () => Promise<(value: unknown) => T> },
): Promise<T> {
  if (!existsSync(file)) return none;
  const read = await reader();
  try {
    return read(JSON.parse(readFileSync(file, "utf8")));
  } catch (cause) {
    throw new SpotError("E_SANDBOX_SETUP", {
      message: `The ${title} in ${file} are not valid.`,
      cause,
      next: "Correct or remove the file.",
      step: outside("correct-file", again()),
    });
  }
}

function portError({ sandbox, home }: DaemonOptions, cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") return cause;
  return new SpotError("E_SANDBOX_PORT", {
    message: `Port ${sandbox.port} of 127.0.0.1, which the sandbox in ${home} has been using, is taken by another program.`,
    next: `Stop that program (\`ss -ltnp 'sport = :${sandbox.port}'\` names it), or run \`npm run sandbox -- down\` to forget this sandbox.`,
    step: outside("stop-program", again()),
  });
}

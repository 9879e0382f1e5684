import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../../../project/package-root";
import { CLI_NAME, LANGUAGE_HOST_NAME, onPath } from "./check";
import { expectReachable } from "./reachable";
import { withProgress } from "./progress";
import { run } from "./run";

/** A way to make a Pulumi CLI where there is none. */
export interface Installer {
  origin: "installer" | "go";
  /**
   * Puts `pulumi` and its language host into `<root>/bin`.
   * @throws Error with the reason, when this way is closed
   */
  install(request: {
    root: string;
    version: string;
    env: NodeJS.ProcessEnv;
    report: (detail: string) => void;
    signal?: AbortSignal;
  }): Promise<void>;
}

const INSTALLER_URL = "https://get.pulumi.com/install.sh";
const REACHABLE_MS = 5_000;
const INSTALL_TIMEOUT_MS = 5 * 60_000;
const BUILD_TIMEOUT_MS = 30 * 60_000;

/**
 * Pulumi's own installer, through the Automation API. That offers neither a deadline nor a way to stop it, so it
 * runs in a process of its own, after a short look whether the installer can be reached at all.
 */
export const officialInstaller: Installer = {
  origin: "installer",
  async install({ root, version, env, report, signal }) {
    report("looking for Pulumi's installer");
    await expectReachable(INSTALLER_URL, { withinMs: REACHABLE_MS, signal });
    report(`downloading the Pulumi CLI ${version}`);
    await run(process.execPath, [path.join(__dirname, "install-main.js"), root, version], {
      env,
      timeoutMs: INSTALL_TIMEOUT_MS,
      signal,
    });
  },
};

/** One of the two programs, as a pinned Go module that names it as a tool (tools/pulumi-cli). */
interface Part {
  title: string;
  module: string;
  importPath: string;
  output: string;
  ldflags(version: string): string;
}

const HOST_PROGRAM = `${LANGUAGE_HOST_NAME}-host`;

const parts: Part[] = [
  {
    title: "the Pulumi CLI",
    module: "cli",
    importPath: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    output: CLI_NAME,
    // Without its version built in, the CLI calls itself "" and the Automation API refuses it.
    ldflags: (version) => `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${version}`,
  },
  {
    title: "its Node.js language host",
    module: "language-host",
    importPath: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
    output: HOST_PROGRAM,
    ldflags: () => "-s -w",
  },
];

/** This language host reads `typescript: false` from its command line only, not from Pulumi.yaml. */
const HOST_WRAPPER = `#!/bin/sh
exec "$(dirname -- "$0")/${HOST_PROGRAM}" -typescript=false "$@"
`;

/** For machines that reach a Go module proxy but not the installer. */
export const goInstaller: Installer = {
  origin: "go",
  async install({ root, version, env, report, signal }) {
    const go = onPath("go", env);
    if (go === undefined) throw new Error("Go is not on PATH");
    const bin = path.join(root, "bin");
    mkdirSync(bin, { recursive: true });
    for (const [index, part] of parts.entries()) {
      const title = `building ${part.title} with Go (part ${index + 1} of ${parts.length}, a few minutes the first time)`;
      const args = [
        "build",
        "-v",
        "-trimpath",
        "-ldflags",
        part.ldflags(version),
        "-o",
        path.join(bin, part.output),
        part.importPath,
      ];
      // `go build -v` names each package on a line.
      let packages = 0;
      await withProgress(
        (seconds) => report(`${title}: ${seconds} s, ${packages} packages compiled`),
        () =>
          run(go, args, {
            cwd: path.join(packageRoot(), "tools", "pulumi-cli", part.module),
            env,
            timeoutMs: BUILD_TIMEOUT_MS,
            signal,
            onStderr: (chunk) => (packages += chunk.split("\n").length - 1),
          }),
      );
    }
    const wrapper = path.join(bin, LANGUAGE_HOST_NAME);
    writeFileSync(wrapper, HOST_WRAPPER);
    chmodSync(wrapper, 0o755);
  },
};

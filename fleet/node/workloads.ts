import type { BacalhauConfig, ProgramArchitecture } from "../config";

/** Where the payload keeps what is made for it and is in no folder of the user's. */
export const WORKLOADS_FILE = "config/workloads.json";
export const TOKEN_FILE = "config/bacalhau-token";
export const PROGRAM_FILE = "programs/bacalhau";

/** What `uname -m` says on a machine of that architecture. */
const MACHINES: Record<ProgramArchitecture, string> = { amd64: "x86_64", arm64: "aarch64" };

const ARCHITECTURES = Object.keys(MACHINES) as ProgramArchitecture[];

/** A program that is uploaded. */
export interface UploadedProgram {
  sha256: string;
  /** Undefined: it does not tell (a script, an archive). */
  architecture: ProgramArchitecture | undefined;
}

/**
 * The text of config/workloads.json, which tells a node what to run (its format: instance/README.md). The token is not
 * in it: only where in the upload it lies.
 */
export function workloadsText(bacalhau: BacalhauConfig | undefined, program: UploadedProgram | undefined): string {
  return `${JSON.stringify({ version: 1, bacalhau: bacalhau === undefined ? { enabled: false } : settingsOf(bacalhau, program) })}\n`;
}

function settingsOf(bacalhau: BacalhauConfig, program: UploadedProgram | undefined): object {
  const uploaded = program && { path: PROGRAM_FILE, sha256: program.sha256 };
  const artifacts = programArchitectures(bacalhau, program).map(
    (name) => [MACHINES[name], uploaded ?? bacalhau.program.downloads?.[name]] as const,
  );
  return {
    enabled: true,
    version: bacalhau.version,
    artifacts: Object.fromEntries(artifacts),
    orchestrators: bacalhau.orchestrators,
    token_file: bacalhau.tokenFile === undefined ? null : TOKEN_FILE,
    labels: bacalhau.labels,
    allowed_paths: bacalhau.allowedPaths,
  };
}

/** For which machines there is a program. */
function programArchitectures(
  { program: { downloads } }: BacalhauConfig,
  program: UploadedProgram | undefined,
): ProgramArchitecture[] {
  if (downloads === undefined) return program?.architecture === undefined ? ARCHITECTURES : [program.architecture];
  return ARCHITECTURES.filter((name) => downloads[name] !== undefined);
}

/**
 * The architecture that an ELF header names; undefined for anything else.
 * Source: System V ABI, "ELF Header": e_machine at byte 18, EM_X86_64 = 62, EM_AARCH64 = 183.
 */
export function architectureOfProgram(header: Uint8Array): ProgramArchitecture | undefined {
  const isElf = [0x7f, 0x45, 0x4c, 0x46].every((byte, index) => header[index] === byte);
  if (!isElf) return undefined;
  return ({ 62: "amd64", 183: "arm64" } as const)[(header[18] ?? 0) + 256 * (header[19] ?? 0)];
}

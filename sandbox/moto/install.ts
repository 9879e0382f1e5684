import { sourceFile } from "./source-file";
import { ensureEnvironment, findEnvironment, type PythonEnvironment, type PythonProgram } from "./python-environment";

const moto = (): PythonProgram => ({
  name: "moto",
  what: "moto, which answers the sandbox's AWS calls,",
  requirements: sourceFile("moto", "requirements.txt"),
});

/** Where moto is or would be. Throws E_SANDBOX_SETUP when there is no Python. */
export const findMoto = (cacheDir: string): Promise<PythonEnvironment> => findEnvironment(moto(), cacheDir);

/** Installs moto unless it is there, and returns its interpreter. Throws E_SANDBOX_SETUP with the installer's last words. */
export const installMoto = (
  cacheDir: string,
  report: (detail: string) => void,
  signal?: AbortSignal,
): Promise<string> => ensureEnvironment(moto(), cacheDir, report, signal);

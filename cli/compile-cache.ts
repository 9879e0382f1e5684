import module from "node:module";
import path from "node:path";
import { pathsOf } from "../automation/target/paths";

/**
 * Imported for its effect, before all that takes long to compile: keeps compiled code between runs, for this process
 * and for those it starts (the engine's program, the sandbox). Half of a short command's time goes into compiling the
 * same modules again. Node 22.8 and later can do it (`module.enableCompileCache`, nodejs.org/api/module.html); an
 * earlier one goes on without.
 */
const { enableCompileCache } = module as { enableCompileCache?: (directory: string) => unknown };
try {
  process.env.NODE_COMPILE_CACHE ??= path.join(pathsOf(process.env).cache, "compiled");
  enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
} catch {
  // A user without a home: `help` and `version` need none.
}

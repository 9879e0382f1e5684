"use strict";
/**
 * The process of one job: runs the test files named on its command line and prints as mocha does. --color or --no-color
 * comes first, which the libraries that colour for mocha read there by themselves; `--grep=WORDS` may follow. It sends
 * its parent what came of it: `{ passed, failed, skipped, said }`, `said` with a text for each failure. Told to stop, or
 * left by its parent, it ends after the test that is under way, with that test's clean-up.
 */
const { inspect } = require("node:util");

// A failure names the line of the source, not of what was compiled from it.
process.setSourceMapsEnabled(true);

/** An error's message and what caused it, as far as it fits: mocha leaves out a cause that is text, as our errors have. */
function whyOf(error) {
  if (typeof error?.message !== "string") return inspect(error);
  const { message, cause } = error;
  const words = [message, cause instanceof Error ? cause.message : cause].filter(
    (text) => typeof text === "string" && text !== "",
  );
  return words.join("\ncause: ").slice(0, 2_000);
}

async function main(look, words) {
  const [first] = words;
  const grep = /^--grep=([^]*)$/.exec(first ?? "")?.[1];
  const { default: Mocha } = await import("mocha");
  // Against what hangs, not a measure: a busy machine is many times slower.
  const mocha = new Mocha({ timeout: 60_000, reporter: "spec", color: look === "--color" });
  if (grep !== undefined) mocha.fgrep(grep);
  for (const file of grep === undefined ? words : words.slice(1)) mocha.addFile(file);
  await mocha.loadFilesAsync();
  const said = [];
  const runner = await new Promise((resolve) => {
    const started = mocha.run(() => resolve(started));
    started.on("fail", (test, error) => said.push(`${test.fullTitle()}\n${whyOf(error).replace(/^/gm, "    ")}`));
    // The parent has one thing to say.
    for (const event of ["message", "disconnect"]) process.on(event, () => started.abort());
    if (!process.connected) started.abort();
  });
  const { passes, failures, pending } = runner.stats;
  if (!process.connected) process.exit(1);
  process.send({ passed: passes, failed: failures, skipped: pending, said }, () => process.exit());
}

// A terminal's Ctrl-C reaches the parent too, which then says so.
process.on("SIGINT", () => undefined);
main(process.argv[2], process.argv.slice(3)).catch((error) => {
  console.error(error);
  process.exit(1);
});

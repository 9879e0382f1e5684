"use strict";
const os = require("node:os");

const CORES = os.availableParallelism();

/**
 * How many jobs are under way together, of a kind and in all. Two files that compute keep two cores busy; with three, what
 * a test waits for comes so late that deadlines are at risk. Booted hosts mostly wait (a file of theirs takes half a
 * core): one beside two that compute, or two beside one, for their files in a row take longer than all others.
 */
const LIMITS = { computing: CORES, booted: CORES, together: CORES + 1 };

const kindOf = ({ suite }) => (suite.booted ? "booted" : "computing");

/**
 * Runs every job, in this order but for those whose kind has no place free.
 * @param work runs one; told of nothing else
 * @param stop an AbortSignal: begin no other
 */
async function runAll(jobs, work, stop, limits = LIMITS) {
  const waiting = [...jobs];
  const running = new Map();
  const mayBegin = (job) =>
    running.size < limits.together &&
    [...running.keys()].filter((other) => kindOf(other) === kindOf(job)).length < limits[kindOf(job)];
  for (;;) {
    const next = stop.aborted ? undefined : waiting.find(mayBegin);
    if (next) {
      waiting.splice(waiting.indexOf(next), 1);
      running.set(
        next,
        Promise.resolve(work(next)).finally(() => running.delete(next)),
      );
    } else if (running.size > 0) await Promise.race(running.values());
    else return;
  }
}

module.exports = { runAll };

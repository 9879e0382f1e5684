import { asCommand, seededCommand } from "../support/seeded-command";
import { pairTrials, RUNS } from "./trials";

/** A full run has each pair once: each order on nine kinds of fleet. */
const FULL = { runs: RUNS, occurrences: 9 };

asCommand(() => seededCommand(FULL, pairTrials));

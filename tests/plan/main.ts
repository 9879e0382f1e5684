import { asCommand, seededCommand } from "../support/seeded-command";
import { planTrials } from "./trials";

/** Each kind of change must have occurred so often in a full run. A run has most of them once. */
const FULL = { runs: 45, occurrences: 30 };

asCommand(() => seededCommand(FULL, planTrials));

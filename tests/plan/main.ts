import { asCommand, seededCommand } from "../support/seeded-command";
import { planTrials } from "./trials";

/** Each kind of change must have occurred so often in a full run. A run has each at least once, but for a rare misfit. */
const FULL = { runs: 31, occurrences: 30 };

asCommand(() => seededCommand(FULL, planTrials));

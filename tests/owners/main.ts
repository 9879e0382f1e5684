import { asCommand, seededCommand } from "../support/seeded-command";
import { ownerTrials } from "./trials";

/** Each hazard must have occurred so often in a full run. */
const FULL = { runs: 300, occurrences: 30 };

asCommand(() => seededCommand(FULL, ownerTrials));

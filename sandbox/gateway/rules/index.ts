import type { Rule } from "../model/rule";
import { addressRules } from "./addresses";
import { attributeRules } from "./attributes";
import { creditRules } from "./credits";
import { dryRunRules } from "./dry-run";
import { hostRules } from "./hosts";
import { lifecycleRules } from "./lifecycle";
import { launchRules } from "./launch";
import { metadataTagRules } from "./metadata-tags";
import { networkRules } from "./network";
import { parameterRules } from "./parameters";
import { quotaRules } from "./quotas";
import { regionRules } from "./regions";
import { serviceRules } from "./services";
import { spotRules } from "./spot";
import { volumeRules } from "./volumes";

/**
 * All differences between moto and AWS, outermost first: what refuses comes before what acts. A new one is an entry in
 * the file of its subject; `launchRules` begins with idempotency, so that nothing acts twice for one token.
 */
export const rules: readonly Rule[] = [
  ...addressRules,
  ...serviceRules,
  ...dryRunRules,
  ...regionRules,
  ...launchRules,
  ...metadataTagRules,
  ...volumeRules,
  ...attributeRules,
  ...creditRules,
  ...networkRules,
  ...spotRules,
  ...parameterRules,
  ...lifecycleRules,
  ...quotaRules,
  ...hostRules,
];

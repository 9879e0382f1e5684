import { SpotError } from "../fleet/errors";
import { again, outside } from "../fleet/steps";
import { SANDBOX_VARIABLE } from "../fleet/plan/stack-config";
import { endpointsText, foreignEndpoints, type Endpoints } from "../project/aws-endpoints";

/** Where a stack belongs, or a shell leads. */
export interface Place {
  /** The sandbox's; absent for AWS. */
  endpoint?: string;
  /** Endpoints outside AWS, by service. */
  endpoints: Endpoints;
}

/** Where the settings of an environment lead. The sandbox is known by the variable that `spot env --sandbox` sets. */
export async function placeOf(env: NodeJS.ProcessEnv): Promise<Place> {
  const endpoint = env.AWS_ENDPOINT_URL || undefined;
  if (endpoint !== undefined && endpoint === env[SANDBOX_VARIABLE]) return { endpoint, endpoints: {} };
  return { endpoints: await foreignEndpoints(env) };
}

/**
 * A sandbox stack is only ever run against its own sandbox, and a real one only ever against AWS, or the endpoints to
 * which its user bound it.
 * @throws SpotError E_STACK_MISMATCH
 */
export function refuseWrongPlace({ endpoint, endpoints = {} }: Partial<Place>, here: Place): void {
  if (endpoint === here.endpoint && endpointsText(endpoints) === endpointsText(here.endpoints)) return;
  const found = here.endpoint === undefined ? endpointsText(here.endpoints) : `the sandbox at ${here.endpoint}`;
  throw new SpotError(
    "E_STACK_MISMATCH",
    endpoint === undefined
      ? {
          message: `this stack belongs to ${endpointsText(endpoints)}, but AWS_ENDPOINT_URL* or the profile's \`endpoint_url\` lead to ${found}`,
          next: "Set them as they were when the stack was made.",
          step: outside("set-environment", again()),
        }
      : {
          message: `this stack belongs to the sandbox at ${endpoint}, this shell leads to ${found} (AWS_ENDPOINT_URL, ${SANDBOX_VARIABLE})`,
          next: 'Run `eval "$(spot env --sandbox)"` first.',
          step: outside("set-environment", again()),
        },
  );
}

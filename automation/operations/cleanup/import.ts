import { readFileSync } from "node:fs";
import { isAwsRegion } from "../../../fleet/aws/regions";
import { errorInfo, SpotError, type ErrorInfo } from "../../../fleet/errors";
import { again, outside } from "../../../fleet/steps";
import type { Cloud } from "../../../cloud/clients";
import { endInstances, instancesById } from "../../../cloud/resources/predecessor";

/** An entry of the predecessor's instances.json, and what AWS says of it now. */
export interface LegacyInstance {
  instanceId: string;
  region: string;
  address: string | null;
  instanceType: string | null;
  /** EC2's state; `gone` when AWS knows it no more, `unknown` when its region did not answer. */
  state: string;
}

export interface LegacyListing {
  instances: LegacyInstance[];
  failedRegions: { region: string; error: ErrorInfo }[];
}

/** @throws SpotError E_CONFIG_MISSING, E_CONFIG_SYNTAX for a file that is no such list, with the entry that is wrong */
export function readLegacyState(file: string): { instanceId: string; region: string }[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new SpotError("E_CONFIG_MISSING", {
      message: `${file} cannot be read`,
      cause,
      next: "Name the predecessor's instances.json.",
      step: outside("correct-command-line"),
    });
  }
  const wrong = (cause: unknown) =>
    new SpotError("E_CONFIG_SYNTAX", {
      message: `${file} is not the predecessor's list of instances`,
      cause,
      next: "It must be a JSON array of objects with `instance_id` and `region`. Name another file, or correct this one.",
      step: outside("correct-file", again()),
    });
  let data: unknown;
  try {
    data = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw wrong(text.trim() === "" ? "the file is empty" : cause);
  }
  // The file is an array; some of its versions wrapped it.
  const list = Array.isArray(data) ? data : (data as { instances?: unknown } | null)?.instances;
  if (!Array.isArray(list)) throw wrong("it holds no array");
  return list.map((entry: unknown, i) => {
    if (typeof entry !== "object" || entry === null)
      throw wrong(`entry ${i + 1} is ${JSON.stringify(entry)}, no object`);
    const { id, instance_id: instanceId = id, region } = entry as Record<string, unknown>;
    if (
      typeof instanceId !== "string" ||
      !/^i-[0-9a-f]+$/.test(instanceId) ||
      typeof region !== "string" ||
      !isAwsRegion(region)
    ) {
      throw wrong(`entry ${i + 1}: instance ${shown(instanceId)}, region ${shown(region)}`);
    }
    return { instanceId, region };
  });
}

const shown = (value: unknown): string =>
  value === undefined ? "missing" : typeof value === "string" ? value : JSON.stringify(value);

/** Asks AWS what is left of these instances, all regions in parallel. Changes nothing. */
export async function lookAtLegacy(
  cloud: Cloud,
  entries: { instanceId: string; region: string }[],
): Promise<LegacyListing> {
  const failedRegions: LegacyListing["failedRegions"] = [];
  const regions = [...new Set(entries.map(({ region }) => region))].sort();
  const perRegion = await Promise.all(
    regions.map(async (region) => {
      const ids = [...new Set(entries.filter((one) => one.region === region).map(({ instanceId }) => instanceId))];
      try {
        const found = new Map(
          (await instancesById(cloud, region, ids)).map((instance) => [instance.InstanceId, instance]),
        );
        return ids.map((instanceId): LegacyInstance => {
          const instance = found.get(instanceId);
          return {
            instanceId,
            region,
            address: instance?.PublicIpAddress ?? null,
            instanceType: instance?.InstanceType ?? null,
            state: instance?.State?.Name ?? "gone",
          };
        });
      } catch (error) {
        failedRegions.push({ region, error: errorInfo(error) });
        return ids.map(
          (instanceId): LegacyInstance => ({ instanceId, region, address: null, instanceType: null, state: "unknown" }),
        );
      }
    }),
  );
  return { instances: perRegion.flat(), failedRegions };
}

export const stillThere = ({ state }: LegacyInstance): boolean =>
  !["terminated", "shutting-down", "gone", "unknown"].includes(state);

/** Ends them region by region; a region that refuses does not hold back the others. */
export async function endLegacy(cloud: Cloud, instances: LegacyInstance[]): Promise<LegacyListing["failedRegions"]> {
  const failed: LegacyListing["failedRegions"] = [];
  await Promise.all(
    [...new Set(instances.map(({ region }) => region))].map(async (region) => {
      try {
        await endInstances(
          cloud,
          region,
          instances.filter((one) => one.region === region).map(({ instanceId }) => instanceId),
        );
      } catch (error) {
        failed.push({ region, error: errorInfo(error) });
      }
    }),
  );
  return failed;
}

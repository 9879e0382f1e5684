import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { imageId, images } from "../../sandbox/gateway/model/images";
import { oneOf } from "../support/random";
import { REGIONS, type Workbench } from "../support/workbench";

/** What the configuration asks for. */
export interface Fleet {
  /** Nodes by region. */
  counts: Record<string, number>;
  market: "spot" | "on-demand";
  /** US dollars an hour. */
  maxPrice?: number;
  tags: Record<string, string>;
  /** `ssh.allow`. */
  allow: string[];
  machineType: string;
  /** Which of `IMAGES`. */
  image: number;
  network: "create" | "default";
  /** A group of the user's own is attached. */
  grouped: boolean;
  /** What the one file of the payload holds. */
  payload: string;
}

export const AUTO = "auto";
/** Two builds of one release for x86_64, as all of `MACHINE_TYPES` are. */
export const IMAGES = images.filter(
  ({ release, architecture }) => release === "ubuntu-24.04" && architecture === "x86_64",
);
export const MACHINE_TYPES = ["t3.medium", "t3a.medium", "t3.small"] as const;
/** A security group that the user made in the default network of each region. */
export const GROUP = "monitoring";

export function amiOf({ image }: Fleet, region: string): string {
  return imageId(IMAGES[image]!, region);
}

export function randomFleet(random: () => number): Fleet {
  const counts: Record<string, number> = {};
  for (const region of REGIONS) {
    const count = oneOf([0, 0, 1, 1, 2, 3], random);
    if (count > 0) counts[region] = count;
  }
  return {
    counts: Object.keys(counts).length > 0 ? counts : { [oneOf(REGIONS, random)]: 2 },
    market: oneOf(["spot", "on-demand"], random),
    tags: { team: "blue" },
    allow: oneOf([[AUTO], ["203.0.113.0/24"], [AUTO, "2001:db8::/64"]], random),
    machineType: oneOf(MACHINE_TYPES, random),
    image: 0,
    network: oneOf(["create", "create", "default"], random),
    grouped: false,
    payload: "1",
  };
}

/** Writes config.yaml and the payload. @param maxUnavailable how many nodes may be away at once */
export function write(fleet: Fleet, { dir, configFile }: Workbench, maxUnavailable: number | string): void {
  const config = {
    network: fleet.network,
    market: fleet.market,
    max_unavailable: maxUnavailable,
    ...(fleet.maxPrice === undefined ? {} : { max_price: fleet.maxPrice }),
    ssh: { allow: fleet.allow },
    aws: {
      username: "ubuntu",
      tags: fleet.tags,
      ...(fleet.grouped ? { security_groups: [GROUP] } : {}),
    },
    regions: Object.entries(fleet.counts).map(([region, count]) => ({
      [region]: { machine_type: fleet.machineType, image: amiOf(fleet, region), instances_per_region: count },
    })),
  };
  writeFileSync(configFile, stringify(config));
  mkdirSync(path.join(dir, "files"), { recursive: true });
  writeFileSync(path.join(dir, "files/payload.txt"), fleet.payload);
}

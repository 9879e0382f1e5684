import { releaseOf } from "../gateway/model/images";
import { DEFAULT_RELEASE, recipes, type Release } from "../hosts/recipe";
import type { Roots } from "../hosts/nspawn";
import type { SandboxMode } from "../home/records";

const isRelease = (name: string | undefined): name is Release => name !== undefined && Object.hasOwn(recipes, name);

/** What hosts boot in each mode that boots any. */
export const rootsOf: Record<Exclude<SandboxMode, "api">, Roots> = {
  hosts: { releases: [DEFAULT_RELEASE], of: () => DEFAULT_RELEASE },
  images: {
    releases: Object.keys(recipes).filter(isRelease),
    of: ({ amiId, region }) => {
      const release = releaseOf(amiId, region);
      return isRelease(release) ? release : DEFAULT_RELEASE;
    },
  },
};

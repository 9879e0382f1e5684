import { z } from "zod";
import type { Pins } from "../model";
import type { Manifest } from "../node/payload";
import { pinsSchema } from "./stack-config";

/**
 * What a fleet was made of when all of it was verified: enough to make it again after files, configuration and program
 * have changed. The content of its payload is kept beside it, by digest.
 */
export interface KeptFleet {
  version: 1;
  /** When it was verified, ISO 8601. */
  at: string;
  /** The fleet's ID and its account: of another fleet nothing may be put back. */
  lineage: string;
  account: string;
  /** Absolute path of the configuration, which relative paths in it go by. */
  configFile: string;
  /** Its text, as it was read. */
  configText: string;
  pins: Pins;
  manifest: Manifest;
  /** The user-data template, as data. */
  template: Record<string, unknown>;
  /** Digest of what the program itself had in the payload. */
  programDigest: string;
  /** By node name. A program that would make others of the same content cannot put it back. */
  generations: Record<string, string>;
}

const digest = z.string().regex(/^[0-9a-f]{64}$/);

const entrySchema = z.discriminatedUnion("type", [
  z.object({
    path: z.string(),
    type: z.literal("file"),
    mode: z.enum(["0755", "0644", "0600"]),
    size: z.number(),
    sha256: digest,
  }),
  z.object({ path: z.string(), type: z.literal("directory"), mode: z.literal("0755") }),
  z.object({ path: z.string(), type: z.literal("link"), target: z.string() }),
]);

const schema: z.ZodType<KeptFleet> = z.object({
  version: z.literal(1),
  at: z.iso.datetime(),
  lineage: z.string(),
  account: z.string(),
  configFile: z.string(),
  configText: z.string(),
  pins: pinsSchema,
  manifest: z.object({ version: z.literal(1), digest, entries: z.array(entrySchema) }),
  template: z.record(z.string(), z.unknown()),
  programDigest: digest,
  generations: z.record(z.string(), z.string()),
});

/** Reads what was kept; undefined for what no `up` of this version wrote. */
export function parseKeptFleet(value: unknown): KeptFleet | undefined {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

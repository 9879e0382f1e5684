import { z } from "zod";

/**
 * The bodies of requests, after the Go types of the same names in sdk/go/common/apitype. A field that is not named here
 * is refused, so that nothing that the service would act upon is passed over. Go writes an empty list or map as null.
 */

const tags = z.record(z.string().regex(/^[\w.:-]{1,40}$/), z.string().max(256));

const base64 = z.base64();

/** The newest schema of deployments that the service says it can keep (its capability deployment-schema-version). */
export const DEPLOYMENT_SCHEMA = 4;

/** The longest time, in seconds, for which a lease is given. */
export const MAX_LEASE_S = 300;

const urn = z.string().startsWith("urn:pulumi:");

const resource = z.looseObject({
  urn,
  type: z.string().min(1),
  parent: urn.optional(),
  aliases: z.array(z.string()).optional(),
  dependencies: z.array(urn).optional(),
  propertyDependencies: z.record(z.string(), z.array(urn).nullable()).optional(),
  deletedWith: urn.optional(),
  replaceWith: z.array(urn).optional(),
  delete: z.boolean().optional(),
  pendingReplacement: z.boolean().optional(),
});
export type Resource = z.infer<typeof resource>;

const operation = z.strictObject({
  resource,
  type: z.enum(["creating", "updating", "deleting", "reading", "importing"]),
});

const deployment = z.looseObject({
  manifest: z.looseObject({ time: z.string(), magic: z.string(), version: z.string() }),
  resources: z.array(resource).nullish(),
  pending_operations: z.array(operation).nullish(),
});

export const UntypedDeployment = z.strictObject({
  version: z.int().min(3).max(DEPLOYMENT_SCHEMA),
  features: z.array(z.string()).optional(),
  deployment,
});
export type UntypedDeployment = z.infer<typeof UntypedDeployment>;

export const CreateStack = z.strictObject({
  stackName: z.string().regex(/^[\w.-]{1,100}$/),
  tags: tags.nullish(),
});

export const Tags = tags;

export const Encrypt = z.strictObject({ plaintext: base64 });
export const Decrypt = z.strictObject({ ciphertext: base64 });
export const BatchEncrypt = z.strictObject({ plaintexts: z.array(base64) });
export const BatchDecrypt = z.strictObject({ ciphertexts: z.array(base64) });
export const DecryptionEvent = z.strictObject({
  secretName: z.string().optional(),
  commandName: z.string().optional(),
});

const configValue = z.strictObject({ string: z.string(), secret: z.boolean(), object: z.boolean() });

export const UpdateProgram = z.strictObject({
  name: z.string().min(1),
  runtime: z.string().min(1),
  main: z.string(),
  description: z.string(),
  options: z.looseObject({ dryRun: z.boolean(), parallel: z.int() }),
  config: z.record(z.string(), configValue),
  metadata: z.strictObject({ message: z.string(), environment: z.record(z.string(), z.string()).nullable() }),
});
export type UpdateProgram = z.infer<typeof UpdateProgram>;

export const StartUpdate = z.strictObject({ tags: tags.nullish(), journalVersion: z.int().min(0).optional() });

export const RenewLease = z.strictObject({ token: z.string(), duration: z.int().min(1).max(MAX_LEASE_S) });

export const CompleteUpdate = z.strictObject({ status: z.enum(["succeeded", "failed", "cancelled"]) });

export const Checkpoint = UntypedDeployment.extend({ isInvalid: z.literal(false) });

export const VerbatimCheckpoint = z.strictObject({
  version: z.int(),
  untypedDeployment: UntypedDeployment,
  sequenceNumber: z.int().min(0),
});

const index = z.int().min(0);

const place = index.nullish().transform((value) => value ?? undefined);

/** The newest format of journal entries that the service can keep. */
export const JOURNAL_VERSION = 1;

/** Without the kinds 8 and 9, which parameterized extensions and snippets make: the stand-in does not replay them. */
export const JournalEntry = z.strictObject({
  version: z.literal(JOURNAL_VERSION),
  kind: z.literal([0, 1, 2, 3, 4, 5, 6, 7]),
  sequenceID: index,
  operationID: index,
  removeOld: place,
  removeNew: place,
  pendingReplacementOld: index.optional(),
  pendingReplacementNew: index.optional(),
  deleteOld: index.optional(),
  deleteNew: index.optional(),
  state: resource.optional(),
  operation: operation.optional(),
  isRefresh: z.boolean().optional(),
  secretsProvider: z.looseObject({ type: z.string() }).optional(),
  newSnapshot: deployment.optional(),
  requiresByteString: z.boolean().optional(),
});

export const JournalEntries = z.strictObject({ entries: z.array(JournalEntry).min(1) });

/** Of an event only what the service itself reads is checked. */
export const EventBatch = z.strictObject({
  events: z
    .array(
      z.looseObject({
        sequence: z.int().min(0),
        timestamp: z.int(),
        summaryEvent: z.looseObject({ resourceChanges: z.record(z.string(), z.int()).nullish() }).optional(),
      }),
    )
    .min(1),
});
export type EngineEvent = z.infer<typeof EventBatch>["events"][number];

import type { z } from "zod";
import * as bodies from "./bodies";
import { refusals } from "./refusal";
import type { Stack, StackName, Stacks } from "./stacks";
import { Update } from "./update";

/** A request whose route, body and rights are known to be good. */
export interface Asked<Body> {
  stacks: Stacks;
  user: string;
  /** What stands in the path where the route has a name in braces. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
  body: Body;
}

/** Whose token the Authorization header must carry: nobody's, the user's, or a lease of the update in the path. */
export type Right = "none" | "user" | "lease";

/** One call of the service. */
export interface Route {
  method: string;
  /** As in the CLI's table (api_endpoints.go): a name in braces stands for one part of the path. */
  path: string;
  right: Right;
  /** What the body must be; a route without has none. */
  body?: z.ZodType;
  /** Answers with what is sent as JSON, or with undefined, which is sent as 204. */
  answer: (asked: Asked<never>) => object | undefined;
}

const STACK = "/api/stacks/{org}/{project}/{stack}";
/** The CLI speaks of every kind of update under this path (getUpdatePath in client.go). */
const UPDATE = `${STACK}/update/{update}`;

/** Keeps the type of the body from its schema to its use. */
function route<Schema extends z.ZodType>(
  method: string,
  path: string,
  body: Schema,
  answer: (asked: Asked<z.infer<Schema>>) => object | undefined,
  right: Right = "user",
): Route {
  return { method, path, right, body, answer };
}

function bare(
  method: string,
  path: string,
  answer: (asked: Asked<undefined>) => object | undefined,
  right: Right = "user",
): Route {
  return { method, path, right, answer };
}

function nameOf({ params: { org = "", project = "", stack = "" } }: Asked<unknown>): StackName {
  return { org, project, stack };
}

const stackOf = (asked: Asked<unknown>): Stack => asked.stacks.get(nameOf(asked));

/** The stack and the update that a path names. */
export function updateOf(asked: Asked<unknown>): { stack: Stack; update: Update } {
  const stack = stackOf(asked);
  return { stack, update: stack.update(asked.params["update"] ?? "") };
}

const create = (kind: "update" | "preview" | "refresh" | "destroy"): Route =>
  route("POST", `${STACK}/${kind}`, bodies.UpdateProgram, (asked) => {
    const preview = kind === "preview" || asked.body.options.dryRun;
    const { id } = stackOf(asked).create(new Update(kind, asked.user, preview, asked.body));
    return { updateID: id, requiredPolicies: [], messages: [], aiSettings: { copilotIsEnabled: false } };
  });

/** Deployments so large do not occur: every checkpoint comes whole, and never as a difference. */
const NEVER_DELTA = { checkpointCutoffSizeBytes: 2 ** 31 - 1 };

const CAPABILITIES = [
  { capability: "delta-checkpoint-uploads-v2", version: 2, configuration: NEVER_DELTA },
  { capability: "batch-encrypt" },
  { capability: "deployment-schema-version", version: 1, configuration: { version: bodies.DEPLOYMENT_SCHEMA } },
];

/** The releases that the service speaks of, so old that the CLI has nothing to say about its own. */
const OLDEST = { latestVersion: "3.0.0", oldestWithoutWarning: "3.0.0", latestDevVersion: "" };

const general: readonly Route[] = [
  bare("GET", "/api/capabilities", () => ({ capabilities: CAPABILITIES }), "none"),
  bare("GET", "/api/cli/version", () => OLDEST, "none"),
  bare("GET", "/api/user", ({ user }) => ({
    id: user,
    githubLogin: user,
    name: user,
    email: `${user}@example.test`,
    avatarUrl: "",
    organizations: [],
    identities: [],
  })),
  bare("GET", "/api/user/organizations/default", ({ user }) => ({ GitHubLogin: user, Messages: [] })),
  bare("GET", "/api/user/stacks", ({ stacks, query }) => ({
    stacks: stacks.list(Object.fromEntries(query)).map((stack) => stack.summarise()),
  })),
];

const ofStacks: readonly Route[] = [
  bare("HEAD", "/api/stacks/{org}/{project}", (asked) => {
    asked.stacks.requireProject(nameOf(asked));
    return undefined;
  }),
  route("POST", "/api/stacks/{org}/{project}", bodies.CreateStack, (asked) => {
    asked.stacks.add({ ...nameOf(asked), stack: asked.body.stackName }, asked.body.tags ?? {});
    return {};
  }),
  bare("GET", STACK, (asked) => stackOf(asked).describe()),
  bare("DELETE", STACK, (asked) => {
    asked.stacks.remove(nameOf(asked), asked.query.get("force") === "true");
    return undefined;
  }),
  route("PATCH", `${STACK}/tags`, bodies.Tags, (asked) => {
    stackOf(asked).tags = asked.body;
    return undefined;
  }),
  bare("GET", `${STACK}/export`, (asked) => stackOf(asked).deployment),
  bare("GET", `${STACK}/export/{version}`, (asked) => stackOf(asked).exportOf(Number(asked.params["version"]))),
  route("POST", `${STACK}/import`, bodies.UntypedDeployment, (asked) => ({
    updateId: stackOf(asked).import(asked.body, asked.user).id,
  })),
  bare("GET", `${STACK}/updates`, (asked) => {
    const updates = stackOf(asked).history.map((update) => update.info());
    const size = Number(asked.query.get("pageSize") ?? updates.length);
    const first = (Number(asked.query.get("page") ?? 1) - 1) * size;
    return { updates: updates.slice(first, first + size) };
  }),
  bare("GET", `${STACK}/updates/latest`, (asked) => {
    const [latest] = stackOf(asked).history;
    if (!latest) throw refusals.notFound("Update");
    return { info: latest.info() };
  }),
];

const ofSecrets: readonly Route[] = [
  route("POST", `${STACK}/encrypt`, bodies.Encrypt, (asked) => ({
    ciphertext: stackOf(asked).key.encrypt(asked.body.plaintext),
  })),
  route("POST", `${STACK}/decrypt`, bodies.Decrypt, (asked) => ({
    plaintext: stackOf(asked).key.decrypt(asked.body.ciphertext),
  })),
  route("POST", `${STACK}/batch-encrypt`, bodies.BatchEncrypt, (asked) => {
    const { key } = stackOf(asked);
    return { ciphertexts: asked.body.plaintexts.map((each) => key.encrypt(each)) };
  }),
  route("POST", `${STACK}/batch-decrypt`, bodies.BatchDecrypt, (asked) => {
    const { key } = stackOf(asked);
    return { plaintexts: Object.fromEntries(asked.body.ciphertexts.map((each) => [each, key.decrypt(each)])) };
  }),
  // The CLI tells of what it decrypts with another provider of secrets, such as a passphrase.
  ...["log-decryption", "log-batch-decryption"].map((event) =>
    route("POST", `${STACK}/decrypt/${event}`, bodies.DecryptionEvent, (asked) => void stackOf(asked)),
  ),
];

const ofUpdates: readonly Route[] = [
  create("update"),
  create("preview"),
  create("refresh"),
  create("destroy"),
  route("POST", UPDATE, bodies.StartUpdate, (asked) => {
    const { stack, update } = updateOf(asked);
    const { token, expires } = stack.start(update, asked.body.tags);
    const journalVersion = Math.min(asked.body.journalVersion ?? 0, bodies.JOURNAL_VERSION);
    if (journalVersion > 0) update.journalOn(stack.deployment);
    return { version: update.version, token, tokenExpiration: Math.floor(expires / 1000), journalVersion };
  }),
  bare("GET", UPDATE, (asked) => {
    const { status, running } = updateOf(asked).update;
    return { status, events: [], continuationToken: running ? "0" : undefined };
  }),
  bare("GET", `${UPDATE}/events`, (asked) => ({ events: updateOf(asked).update.events })),
  bare("POST", `${UPDATE}/cancel`, (asked) => {
    const { stack, update } = updateOf(asked);
    update.end("failed", stack.deployment);
    return undefined;
  }),
  route(
    "POST",
    `${UPDATE}/renew_lease`,
    bodies.RenewLease,
    (asked) => {
      const { token, expires } = updateOf(asked).update.lease(asked.body.duration);
      return { token, tokenExpiration: Math.floor(expires / 1000) };
    },
    "lease",
  ),
  route(
    "PATCH",
    `${UPDATE}/checkpoint`,
    bodies.Checkpoint,
    (asked) => {
      const { stack, update } = updateOf(asked);
      update.requireNoJournal();
      const { version, features, deployment } = asked.body;
      stack.save(update, { version, features, deployment });
      return undefined;
    },
    "lease",
  ),
  route(
    "PATCH",
    `${UPDATE}/checkpointverbatim`,
    bodies.VerbatimCheckpoint,
    (asked) => {
      const { stack, update } = updateOf(asked);
      update.requireNoJournal();
      const { sequenceNumber, untypedDeployment } = asked.body;
      update.acceptCheckpoint(sequenceNumber, untypedDeployment);
      stack.save(update, untypedDeployment);
      return undefined;
    },
    "lease",
  ),
  route(
    "PATCH",
    `${UPDATE}/journalentries`,
    bodies.JournalEntries,
    (asked) => {
      const { stack, update } = updateOf(asked);
      update.journal.add(asked.body.entries);
      stack.save(update, update.journal.deployment());
      return undefined;
    },
    "lease",
  ),
  route(
    "POST",
    `${UPDATE}/events/batch`,
    bodies.EventBatch,
    (asked) => {
      updateOf(asked).update.record(asked.body.events);
      return undefined;
    },
    "lease",
  ),
  route(
    "POST",
    `${UPDATE}/complete`,
    bodies.CompleteUpdate,
    (asked) => {
      const { stack, update } = updateOf(asked);
      update.end(asked.body.status === "succeeded" ? "succeeded" : "failed", stack.deployment);
      return undefined;
    },
    "lease",
  ),
];

export const ROUTES: readonly Route[] = [...general, ...ofStacks, ...ofSecrets, ...ofUpdates];

/** The route of a request, and what stands in its path for the route's names. */
export function findRoute(method: string, path: string): { route: Route; params: Record<string, string> } | undefined {
  const parts = path.split("/");
  for (const route of ROUTES) {
    const names = route.path.split("/");
    if (route.method !== method || names.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const fits = names.every((name, at) => {
      const part = decodeURIComponent(parts[at] ?? "");
      if (!name.startsWith("{")) return name === part;
      params[name.slice(1, -1)] = part;
      return part !== "";
    });
    if (fits) return { route, params };
  }
  return undefined;
}

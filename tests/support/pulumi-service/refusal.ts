/**
 * What the service says when it refuses: a status, and the text that the CLI prints behind it ("error: [409] Conflict:
 * ..."). The texts are those that users of the real service quote in issues of github.com/pulumi/pulumi, by number where
 * the text is from one; the rest are worded alike.
 */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export const refusals = {
  unauthorized: () => new Refusal(401, "Unauthorized: No credentials provided or are invalid."),
  badRequest: (what: string) => new Refusal(400, `Bad Request: ${what}`),
  notFound: (what: string) => new Refusal(404, `Not Found: ${what} not found`),
  unknownRoute: () => new Refusal(404, "Not Found"),
  stackExists: (name: string) => new Refusal(409, `Conflict: Stack '${name}' already exists`),
  /** The CLI compares the whole text (isStackHasResourcesError in client.go). */
  stillHasResources: () => new Refusal(400, "Bad Request: Stack still contains resources."),
  /** Issue 2073. */
  inUse: () => new Refusal(409, "Conflict: Another update is currently in progress."),
  notStarted: () => new Refusal(409, "Conflict: The Update has not started"),
  alreadyStarted: () => new Refusal(409, "Conflict: The Update has already started"),
  /** Issue 5364. */
  completed: () => new Refusal(409, "Conflict: The Update has already completed"),
  /** Issue 4619. */
  leaseExpired: () => new Refusal(403, "The provided update token has expired"),
  /** Pull request 15923. */
  previewWrites: () => new Refusal(403, "Updating the checkpoint is not permitted for preview operations."),
  outOfOrder: (what: string, sequence: number) =>
    new Refusal(409, `Conflict: ${what} with sequence number ${sequence} was already received`),
  undecipherable: () => new Refusal(400, "Bad Request: Message authentication failed"),
};

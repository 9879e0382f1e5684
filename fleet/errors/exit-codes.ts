/** What `spot` answers to the shell. The numbers are a promise to scripts: never reuse one. */
export const ExitCode = {
  /** All that was asked for is true. */
  ok: 0,
  unexpected: 1,
  usage: 2,
  credentials: 3,
  /** Some nodes or regions failed, or could not be looked at; the others are done. */
  partial: 4,
  verificationFailed: 5,
  /** No capacity or quota in any region. */
  noCapacity: 6,
  locked: 7,
  /** Something of ours is left after `down`. */
  leftovers: 8,
  /** Created, but there is nothing here that could be verified (`--sandbox=api`). */
  notVerifiable: 9,
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

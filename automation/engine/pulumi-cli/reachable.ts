/**
 * Looks whether something can be downloaded.
 * @returns its size in bytes, where the server tells it
 * @throws Error that says why not
 */
export async function expectReachable(
  url: string,
  { withinMs, signal }: { withinMs: number; signal?: AbortSignal },
): Promise<number | undefined> {
  const limit = AbortSignal.timeout(withinMs);
  try {
    const response = await fetch(url, { method: "HEAD", signal: signal ? AbortSignal.any([signal, limit]) : limit });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    return Number(response.headers.get("content-length")) || undefined;
  } catch (error) {
    signal?.throwIfAborted();
    const { message, cause } = error as Error;
    throw new Error(`${url} cannot be reached: ${cause instanceof Error ? cause.message : message}`, { cause: error });
  }
}

/** Waits between attempts begin with this, in milliseconds, and double up to the other. */
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
/** A quota does not become free by asking again. */
const NOT_AGAIN = new Set(["quota_exceeded"]);

/** How often, and how long, something is tried again. */
export interface Retries {
  /** How often a request is sent at most. */
  attempts: number;
  /** A server that asks for a longer wait is not asked again: the failure is thrown. */
  longestWaitSeconds: number;
}

export const REQUESTS: Retries = { attempts: 5, longestWaitSeconds: 30 };
/** Of streams, with nothing heard in between: about half a minute, in which a server that is restarted is back. */
export const STREAMS: Retries = { attempts: 12, longestWaitSeconds: 5 };

/** Milliseconds before the attempt after this one, counted from 1; undefined when there is none. */
export function waitMs(retries: Retries, attempt: number, retryAfter?: string | null): number | undefined {
  if (attempt >= retries.attempts) return undefined;
  const bound = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS);
  // Not all at once: whoever failed together comes again apart.
  const wait = bound * (0.5 + Math.random() / 2);
  const asked = retryAfter && /^\d+$/.test(retryAfter) ? Number(retryAfter) : 0;
  return asked > retries.longestWaitSeconds ? undefined : Math.max(wait, asked * 1000);
}

/** Whether a refusal may be another answer later. What may have been done is repeated only where that is harmless. */
export function isWorthTrying(status: number, code: string, repeatable: boolean): boolean {
  if (NOT_AGAIN.has(code)) return false;
  return status === 429 || (repeatable && isPassing(status));
}

/** Whether a failure with this status passes by itself. */
export function isPassing(status: number): boolean {
  return [429, 502, 503, 504].includes(status);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

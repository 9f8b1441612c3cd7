import { ApiError, ConnectionFailed } from "./errors.js";
import { isPassing, STREAMS, sleep, waitMs } from "./retry.js";
import type { components } from "./schema.js";
import type { Socket } from "./socket.js";
import { place, type Transport } from "./transport.js";

type Schemas = components["schemas"];
type Query = Record<string, string | number | boolean | undefined>;

/** Close codes: all was sent; and a failure, plus its HTTP status. */
const CLOSE_DONE = 1000;
export const CLOSE_FAILURE = 4000;

/** Statuses of what a stream of events ends with. */
const EVENT_FAILURES = new Map([
  ["events_expired", 410],
  ["unauthorized", 401],
  ["unavailable", 503],
]);

/** Opens a WebSocket, again while what is in the way passes. `probe` tells by a request what a WebSocket cannot: why it was refused. */
export async function connected(open: () => Promise<Socket>, probe: () => Promise<unknown>): Promise<Socket> {
  for (let attempt = 1; ; attempt += 1) {
    let failure: unknown;
    try {
      return await open();
    } catch (error) {
      failure = error;
    }
    try {
      await probe();
    } catch (error) {
      if (error instanceof ApiError && !isPassing(error.status)) throw error;
      failure = error;
    }
    const wait = waitMs(STREAMS, attempt);
    if (wait === undefined) throw failure;
    await sleep(wait);
  }
}

/** The messages of a stream until its orderly end. `query` says before each connection from where on. */
async function* messages(
  transport: Transport,
  path: string,
  query: () => Query,
  probe: () => Promise<unknown>,
): AsyncGenerator<Record<string, unknown>, void> {
  for (let attempt = 1; ; attempt += 1) {
    const socket = await connected(() => transport.socket(path, query()), probe);
    let failure: unknown;
    let lost: Error | undefined;
    try {
      while (!lost) {
        const message = await socket.next();
        if (typeof message === "string") {
          const told = JSON.parse(message) as Record<string, unknown>;
          if (told.success === false) {
            failure = told;
          } else {
            attempt = 0;
            yield told;
          }
        } else if (message instanceof Uint8Array) {
          lost = new ConnectionFailed("bytes came where JSON was expected");
        } else if (message.closed === CLOSE_DONE) {
          return;
        } else if (message.closed > CLOSE_FAILURE) {
          const error = ApiError.of(message.closed - CLOSE_FAILURE, failure);
          if (!isPassing(error.status)) throw error;
          lost = error;
        } else {
          lost = new ConnectionFailed(`the stream was cut: ${message.closed} ${message.reason}`);
        }
      }
    } finally {
      socket.close();
    }
    const wait = waitMs(STREAMS, Math.max(attempt, 1));
    if (wait === undefined) throw lost;
    await sleep(wait);
  }
}

/** The events of an exec: none twice, none left out, whatever happens to the connection. */
export async function* execEvents(
  transport: Transport,
  probe: () => Promise<unknown>,
  sandboxId: string,
  execId: string,
  options: { afterSeq?: number; encoding?: Schemas["Encoding"] } = {},
): AsyncGenerator<Schemas["ExecEvent"], void> {
  let last = options.afterSeq ?? 0;
  const query = () => ({ exec_id: execId, after_seq: last, encoding: options.encoding });
  for await (const message of messages(transport, `/sandboxes/${place(sandboxId)}/stream`, query, probe)) {
    const event = message as Schemas["ExecEvent"];
    if (event.seq > last) {
      last = event.seq;
      yield event;
    }
    if (event.type === "exit") return;
  }
}

/** The lines of a sandbox's log. Several may have one number, so what is seen of the last number is counted. */
export async function* logLines(
  transport: Transport,
  probe: () => Promise<unknown>,
  sandboxId: string,
  options: { tail?: number; since?: string } = {},
): AsyncGenerator<Schemas["LogLine"], void> {
  let [last, seen, toSkip] = [-1, 0, 0];
  const query = (): Query => {
    if (last < 0) return options;
    toSkip = seen;
    return { after_seq: Math.max(last - 1, 0) };
  };
  for await (const message of messages(transport, `/ws/sandboxes/${place(sandboxId)}/logs`, query, probe)) {
    const line = message as Schemas["LogLine"];
    const seq = line.seq ?? 0;
    if (seq < last) continue;
    if (seq === last && toSkip > 0) {
      toSkip -= 1;
      continue;
    }
    [last, seen, toSkip] = [seq, seq === last ? seen + 1 : 1, 0];
    yield line;
  }
}

/** What happens: none twice, and none left out, as long as the server holds it. */
export async function* events(transport: Transport, after: string | undefined): AsyncGenerator<Schemas["Event"], void> {
  let last = after;
  for (let attempt = 1; ; attempt += 1) {
    let lost: Error = new ConnectionFailed("the stream of events was ended by the server");
    try {
      for await (const fields of transport.serverSent("/events", last ? { "last-event-id": last } : {})) {
        attempt = 0;
        // Before it is given out: whoever stops in between has had it.
        last = fields.get("id") ?? last;
        const data = fields.get("data");
        if (data === undefined) continue;
        const told = JSON.parse(data);
        if (fields.get("event") === "error") throw ApiError.of(EVENT_FAILURES.get(told.error?.code) ?? 500, told);
        yield told as Schemas["Event"];
      }
    } catch (error) {
      const passes = error instanceof ConnectionFailed || (error instanceof ApiError && isPassing(error.status));
      if (!passes) throw error;
      lost = error;
    }
    const wait = waitMs(STREAMS, Math.max(attempt, 1));
    if (wait === undefined) throw lost;
    await sleep(wait);
  }
}

/** Changes of files. After a connection that was lost comes an `overflow`: what happened meanwhile is not known. */
export async function* fileEvents(
  transport: Transport,
  probe: () => Promise<unknown>,
  sandboxId: string,
  path: string,
  options: { recursive?: boolean; user?: string } = {},
): AsyncGenerator<Schemas["FileEvent"], void> {
  let isFirst = true;
  const query = () => ({ path, ...options });
  for await (const message of messages(transport, `/sandboxes/${place(sandboxId)}/watch`, query, probe)) {
    const event = message as Schemas["FileEvent"];
    yield event.type === "ready" && !isFirst ? { type: "overflow", path: "", directory: true } : event;
    isFirst = false;
    if (event.type === "gone") return;
  }
}

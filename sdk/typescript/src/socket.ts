import { ConnectionFailed } from "./errors.js";

/** Making a connection. */
const CONNECT_MS = 10_000;
/**
 * Messages that wait for their reader. Beyond, the connection is closed: a stream comes again behind what was read, so that
 * a slow reader costs no memory.
 */
const WAITING_MAX = 4096;

/** How a connection ended. */
export interface Closed {
  closed: number;
  reason: string;
}

/** A WebSocket whose messages are awaited one by one. */
export class Socket {
  readonly #socket: WebSocket;
  readonly #waiting: (string | Uint8Array | Closed)[] = [];
  #reader: ((message: string | Uint8Array | Closed) => void) | undefined;
  #end: Closed | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", (event) => {
      this.#take(typeof event.data === "string" ? event.data : new Uint8Array(event.data as ArrayBuffer));
      if (this.#waiting.length > WAITING_MAX) socket.close();
    });
    socket.addEventListener("close", (event) => {
      this.#end = { closed: event.code, reason: event.reason };
      this.#take(this.#end);
    });
  }

  static async open(url: string, protocols: string[]): Promise<Socket> {
    const kind = globalThis.WebSocket ?? ((await import("ws")).WebSocket as unknown as typeof WebSocket);
    const socket = new kind(url, protocols);
    socket.binaryType = "arraybuffer";
    const opened = new Socket(socket);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => socket.close(), CONNECT_MS);
      const done = (settle: () => void) => () => {
        clearTimeout(timer);
        settle();
      };
      const failed = done(() => reject(new ConnectionFailed("the WebSocket could not be opened")));
      socket.addEventListener("open", done(resolve));
      socket.addEventListener("error", failed);
      socket.addEventListener("close", failed);
    });
    return opened;
  }

  #take(message: string | Uint8Array | Closed): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader) reader(message);
    else this.#waiting.push(message);
  }

  /** The next message, or how the connection ended. One reader at a time. */
  next(): Promise<string | Uint8Array | Closed> {
    const message = this.#waiting.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.#end) return Promise.resolve(this.#end);
    return new Promise((resolve) => {
      this.#reader = resolve;
    });
  }

  /** Whether something can be sent. */
  get isOpen(): boolean {
    return this.#socket.readyState === 1;
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
  }

  close(): void {
    this.#socket.close();
  }
}

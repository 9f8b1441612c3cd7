import { ApiError, ConnectionFailed, ProtocolError } from "./errors.js";
import type { components } from "./schema.js";
import type { Socket } from "./socket.js";
import { CLOSE_FAILURE, connected } from "./streams.js";
import { place, type Transport } from "./transport.js";

const PROTOCOL = "atoll.terminal.v1";
const INPUT = 0;
const OUTPUT = 1;
const CONTROL = 2;

/** Which terminal, and how it is made where there is none. */
export interface TerminalOptions {
  /** Everybody who gives the same name is at the same terminal; `main` when absent. */
  name?: string;
  /** Columns of the window; 80 when absent. */
  cols?: number;
  /** Rows of the window; 24 when absent. */
  rows?: number;
  /** As whom the shell of a new terminal runs. */
  user?: string;
  /** Where it starts. */
  cwd?: string;
  /** Seconds that a new terminal outlives its last viewer; without it, it stays until its shell ends. */
  linger?: number;
}

/**
 * A screen and a keyboard in a sandbox. Iterate over it to see what it shows, as bytes, until its program ends.
 *
 * When the connection is lost it comes again by itself, to the same terminal, and shows what was missed. What was typed in
 * the moment of the loss may not have arrived.
 */
export class Terminal implements AsyncIterable<Uint8Array>, AsyncDisposable {
  /** How its program ended; undefined while it runs. */
  exitCode: number | undefined;
  #socket: Promise<Socket> | undefined;
  #size: { cols: number; rows: number };
  #seen: { generation?: number; after: number } = { after: 0 };
  #failure: unknown;
  #isOver = false;

  private constructor(
    readonly transport: Transport,
    readonly probe: () => Promise<unknown>,
    readonly sandboxId: string,
    readonly options: TerminalOptions,
  ) {
    this.#size = { cols: options.cols ?? 80, rows: options.rows ?? 24 };
  }

  /** Connects to a terminal. */
  static async open(
    transport: Transport,
    probe: () => Promise<unknown>,
    sandboxId: string,
    options: TerminalOptions,
  ): Promise<Terminal> {
    const terminal = new Terminal(transport, probe, sandboxId, options);
    await terminal.#connected();
    return terminal;
  }

  /** Types. */
  write(data: string | Uint8Array): Promise<void> {
    return this.#say(INPUT, typeof data === "string" ? new TextEncoder().encode(data) : data);
  }

  /** Says that the window has this size now. */
  resize(cols: number, rows: number): Promise<void> {
    this.#size = { cols, rows };
    return this.#say(CONTROL, new TextEncoder().encode(JSON.stringify({ type: "resize", cols, rows })));
  }

  /** Leaves the terminal; it goes on without its viewer. */
  async close(): Promise<void> {
    this.#isOver = true;
    (await this.#socket?.catch(() => undefined))?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    while (!this.#isOver) {
      const socket = await this.#connected();
      const message = await socket.next();
      if (typeof message === "string") throw new ProtocolError("a message without a channel came from the terminal");
      if (!(message instanceof Uint8Array)) {
        if (this.#isOver) return;
        if (message.closed > CLOSE_FAILURE) {
          throw ApiError.of(message.closed - CLOSE_FAILURE, { error: this.#failure });
        }
        await this.#connected(socket);
      } else if (message[0] === OUTPUT) {
        this.#seen.after += message.length - 1;
        yield message.subarray(1);
      } else if (message[0] === CONTROL) {
        this.#told(JSON.parse(new TextDecoder().decode(message.subarray(1))));
      }
    }
  }

  #told(control: components["schemas"]["TerminalControl"]): void {
    switch (control.type) {
      case "attached":
        this.#seen = { generation: control.generation, after: control.offset };
        break;
      case "gap":
        this.#seen.after = control.offset;
        break;
      case "resized":
        this.#size = { cols: control.cols, rows: control.rows };
        break;
      case "exit":
        this.exitCode = control.exitCode;
        this.#isOver = true;
        break;
      case "failed":
        // The close behind it has its status.
        this.#failure = control.error;
        break;
    }
  }

  async #say(channel: number, data: Uint8Array): Promise<void> {
    if (this.#isOver) throw new ConnectionFailed("the terminal has ended");
    const framed = new Uint8Array(data.length + 1);
    framed[0] = channel;
    framed.set(data, 1);
    let socket = await this.#connected();
    if (!socket.isOpen) socket = await this.#connected(socket);
    socket.send(framed);
  }

  /** The connection, made anew when there is none or it is the one that was lost. */
  async #connected(lost?: Socket): Promise<Socket> {
    const current = this.#socket;
    if (current && (!lost || (await current) !== lost)) return current;
    // Another may have come first.
    if (this.#socket && this.#socket !== current) return this.#socket;
    const { cols, rows, name, ...rest } = this.options;
    const path = `/sandboxes/${place(this.sandboxId)}/terminal`;
    const seen = this.#seen.generation === undefined ? {} : this.#seen;
    const query = { terminal: name, ...rest, ...this.#size, ...seen };
    const made = connected(() => this.transport.socket(path, query, [PROTOCOL]), this.probe);
    this.#socket = made;
    made.catch(() => {
      if (this.#socket === made) this.#socket = undefined;
    });
    return made;
  }
}

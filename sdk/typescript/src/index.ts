export {
  type AsUser,
  type ClientOptions,
  type Command,
  type ExecOptions,
  SandboxClient,
  type SandboxOptions,
} from "./client.js";
export { ApiError, AtollError, ConnectionFailed, type ErrorCode, hasCode, ProtocolError } from "./errors.js";
export type { Retries } from "./retry.js";
export { SandboxHandle } from "./sandbox.js";
export type { components, operations, paths } from "./schema.js";
export { Terminal, type TerminalOptions } from "./terminal.js";
export type { Bytes } from "./transport.js";

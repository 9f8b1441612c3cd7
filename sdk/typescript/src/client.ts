import { ApiError } from "./errors.js";
import { REQUESTS, type Retries } from "./retry.js";
import { SandboxHandle } from "./sandbox.js";
import type { components, operations } from "./schema.js";
import { events, execEvents, fileEvents, logLines } from "./streams.js";
import { Terminal, type TerminalOptions } from "./terminal.js";
import { type Bytes, enveloped, place, Transport } from "./transport.js";

type Schemas = components["schemas"];
/** What one operation takes in its query, without the cursor: lists are followed to their last page. */
type QueryOf<Name extends keyof operations> = Omit<
  NonNullable<operations[Name]["parameters"]["query"]>,
  "cursor" | "token"
>;
/** A command: a line for `/bin/sh -c`, or a program with its arguments. */
export type Command = Schemas["CommandBody"];
/** What a new sandbox is to be; all of it may be absent. */
export type SandboxOptions = Omit<Schemas["CreateSandbox"], "count">;
/** How a command runs. */
export type ExecOptions = Omit<Schemas["ExecBody"], "command">;
/** As which user of the sandbox. */
export type AsUser = { user?: string };

/** Where Atoll is, and as whom to use it. */
export interface ClientOptions {
  /** Where Atoll listens, such as `http://127.0.0.1:3001`. */
  baseUrl: string;
  /** A key (`sk_…`) or a token; `login` gets a token where there is none. */
  apiKey?: string;
  /** How often what failed for the moment is tried again. */
  retries?: Partial<Retries>;
}

/** What openapi-fetch gives. */
type Answer = { data?: unknown; error?: unknown; response: Response };

/** One Atoll, as one of its users sees it. */
export class SandboxClient {
  readonly #transport: Transport;

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options.baseUrl, options.apiKey, { ...REQUESTS, ...options.retries });
  }

  get #api() {
    return this.#transport.api;
  }

  // --- accounts and keys ---

  /** Gets a token, and uses it from now on. */
  async login(email: string, password: string): Promise<Schemas["AuthData"]> {
    return this.#authenticated(await this.#api.POST("/auth/login", { body: { email, password } }));
  }

  /** Makes an account, and uses its token from now on. */
  async signup(email: string, password: string): Promise<Schemas["AuthData"]> {
    return this.#authenticated(await this.#api.POST("/auth/signup", { body: { email, password } }));
  }

  #authenticated(answer: Answer): Schemas["AuthData"] {
    const data = take<Schemas["AuthData"]>(answer);
    this.#transport.useKey(data.token);
    return data;
  }

  /** The caller. */
  async me(): Promise<Schemas["User"]> {
    return take(await this.#api.GET("/auth/me"));
  }

  /** Ends the log-in of this client's token. */
  async logOut(): Promise<Schemas["Deleted"]> {
    return take(await this.#api.POST("/auth/logout"));
  }

  async changePassword(currentPassword: string, newPassword: string): Promise<Schemas["User"]> {
    return take(await this.#api.POST("/auth/password", { body: { currentPassword, newPassword } }));
  }

  listSessions(): Promise<Schemas["Session"][]> {
    return all((cursor) => this.#api.GET("/auth/sessions", { params: { query: { cursor } } }));
  }

  async endSession(id: string): Promise<Schemas["Deleted"]> {
    return take(await this.#api.DELETE("/auth/sessions/{id}", at(id)));
  }

  /** Makes an API key; its `key` is shown this one time. */
  async createApiKey(body: Schemas["CreateApiKey"]): Promise<Schemas["CreatedApiKey"]> {
    return take(await this.#api.POST("/api-keys", { body }));
  }

  listApiKeys(): Promise<Schemas["ApiKey"][]> {
    return all((cursor) => this.#api.GET("/api-keys", { params: { query: { cursor } } }));
  }

  async deleteApiKey(id: string): Promise<Schemas["Deleted"]> {
    return take(await this.#api.DELETE("/api-keys/{id}", at(id)));
  }

  // --- environments ---

  async createEnvironment(body: Schemas["EnvironmentBody"]): Promise<Schemas["Environment"]> {
    return take(await this.#api.POST("/environments", { body }));
  }

  listEnvironments(): Promise<Schemas["Environment"][]> {
    return all((cursor) => this.#api.GET("/environments", { params: { query: { cursor } } }));
  }

  async getEnvironment(id: string): Promise<Schemas["Environment"]> {
    return take(await this.#api.GET("/environments/{id}", at(id)));
  }

  /** Makes a new version of it: the whole of it, since what is absent is not taken from the one before. */
  async updateEnvironment(id: string, body: Schemas["UpdateEnvironment"]): Promise<Schemas["Environment"]> {
    return take(await this.#api.PUT("/environments/{id}", { ...at(id), body }));
  }

  async deleteEnvironment(id: string): Promise<Schemas["Deleted"]> {
    return take(await this.#api.DELETE("/environments/{id}", at(id)));
  }

  listEnvironmentVersions(id: string): Promise<Schemas["EnvironmentVersion"][]> {
    return all((cursor) => this.#api.GET("/environments/{id}/versions", at(id, { cursor })));
  }

  async getEnvironmentVersion(id: string, version: number): Promise<Schemas["EnvironmentVersion"]> {
    const params = { path: { id: checked(id), version } };
    return take(await this.#api.GET("/environments/{id}/versions/{version}", { params }));
  }

  /** What is otherwise in one version than in another. */
  async diffEnvironmentVersions(
    id: string,
    query: QueryOf<"diff_environment_versions">,
  ): Promise<Schemas["EnvironmentDiff"]> {
    return take(await this.#api.GET("/environments/{id}/versions/diff", at(id, query)));
  }

  /** Sets a variable of the environment's sandboxes whose value nobody is shown again. */
  async setSecret(id: string, key: string, value: string): Promise<Schemas["Secret"]> {
    return take(await this.#api.POST("/environments/{id}/secrets", { ...at(id), body: { key, value } }));
  }

  async listSecrets(id: string): Promise<Schemas["Secret"][]> {
    return take(await this.#api.GET("/environments/{id}/secrets", at(id)));
  }

  async deleteSecret(id: string, key: string): Promise<Schemas["Deleted"]> {
    const params = { path: { id: checked(id), key: checked(key) } };
    return take(await this.#api.DELETE("/environments/{id}/secrets/{key}", { params }));
  }

  // --- sandboxes ---

  /** A new sandbox for the time of a block: `await using sandbox = await client.sandbox()`. It is destroyed at its end. */
  async sandbox(options: SandboxOptions = {}): Promise<SandboxHandle> {
    return this.sandboxAt((await this.createSandbox(options)).id);
  }

  /** The methods of a sandbox that is there already, without its id. */
  sandboxAt(id: string): SandboxHandle {
    return new SandboxHandle(this, id);
  }

  async createSandbox(options: SandboxOptions = {}): Promise<Schemas["Sandbox"]> {
    return take(await this.#api.POST("/sandboxes", { body: options }));
  }

  /** Several at once. */
  async createSandboxes(count: number, options: SandboxOptions = {}): Promise<Schemas["Sandbox"][]> {
    return take(await this.#api.POST("/sandboxes", { body: { ...options, count } }));
  }

  listSandboxes(query: QueryOf<"list_sandboxes"> = {}): Promise<Schemas["Sandbox"][]> {
    return all((cursor) => this.#api.GET("/sandboxes", { params: { query: { ...query, cursor } } }));
  }

  async getSandbox(id: string): Promise<Schemas["Sandbox"]> {
    return take(await this.#api.GET("/sandboxes/{id}", at(id)));
  }

  async startSandbox(id: string): Promise<Schemas["Sandbox"]> {
    return take(await this.#api.POST("/sandboxes/{id}/start", at(id)));
  }

  async stopSandbox(id: string): Promise<Schemas["Sandbox"]> {
    return take(await this.#api.POST("/sandboxes/{id}/stop", at(id)));
  }

  async restartSandbox(id: string): Promise<Schemas["Sandbox"]> {
    return take(await this.#api.POST("/sandboxes/{id}/restart", at(id)));
  }

  async pauseSandbox(id: string): Promise<Schemas["Sandbox"]> {
    return take(await this.#api.POST("/sandboxes/{id}/pause", at(id)));
  }

  async resumeSandbox(id: string): Promise<Schemas["Sandbox"]> {
    return take(await this.#api.POST("/sandboxes/{id}/resume", at(id)));
  }

  /** Counts as activity: the sandbox does not stop for being idle. */
  async keepSandboxAlive(id: string): Promise<Schemas["Sandbox"]> {
    return take(await this.#api.POST("/sandboxes/{id}/keepalive", at(id)));
  }

  async destroySandbox(id: string): Promise<Schemas["Deleted"]> {
    return take(await this.#api.DELETE("/sandboxes/{id}", at(id)));
  }

  /** Makes a sandbox like this one, but for `overrides`. */
  async replicateSandbox(id: string, overrides: Schemas["ReplicateSandbox"] = {}): Promise<Schemas["Sandbox"]> {
    return take(await this.#api.POST("/sandboxes/{id}/replicate", { ...at(id), body: overrides }));
  }

  /** Destroys those with all of these labels, `key=value`. */
  async deleteSandboxes(label: string[]): Promise<Schemas["BulkResult"]> {
    return take(await this.#api.DELETE("/sandboxes", { params: { query: { label } } }));
  }

  /** Stops those with all of these labels, `key=value`. */
  async stopSandboxes(label: string[]): Promise<Schemas["BulkResult"]> {
    return take(await this.#api.POST("/sandboxes/stop", { params: { query: { label } } }));
  }

  /** What the main process wrote. */
  async getLogs(id: string, query: QueryOf<"get_sandbox_logs"> = {}): Promise<Schemas["Logs"]> {
    return take(await this.#api.GET("/sandboxes/{id}/logs", at(id, query)));
  }

  /** The lines that the main process wrote, then those that it writes, until it ends. */
  followLogs(id: string, options: { tail?: number; since?: string } = {}): AsyncGenerator<Schemas["LogLine"], void> {
    return logLines(this.#transport, () => this.getLogs(id, { tail: 1 }), id, options);
  }

  async getMetrics(id: string, query: QueryOf<"get_sandbox_metrics"> = {}): Promise<Schemas["Metrics"]> {
    return take(await this.#api.GET("/sandboxes/{id}/metrics", at(id, query)));
  }

  // --- commands ---

  /** Runs a command, and waits for its end; with `async` it answers at once. */
  async exec(id: string, command: Command, options: ExecOptions = {}): Promise<Schemas["Exec"]> {
    return take(await this.#api.POST("/sandboxes/{id}/exec", { ...at(id), body: { ...options, command } }));
  }

  /** Runs a command, and gives its events as they come. The command goes on when nobody listens any more. */
  async *execStream(
    id: string,
    command: Command,
    options: ExecOptions = {},
  ): AsyncGenerator<Schemas["ExecEvent"], void> {
    const started = await this.exec(id, command, { ...options, async: true });
    yield* this.streamExec(id, started.id);
  }

  /** The events of an exec, from its start or behind `afterSeq`, to its exit: none twice, none left out. */
  streamExec(
    id: string,
    execId: string,
    options: { afterSeq?: number; encoding?: Schemas["Encoding"] } = {},
  ): AsyncGenerator<Schemas["ExecEvent"], void> {
    return execEvents(this.#transport, () => this.getExec(id, execId), id, execId, options);
  }

  listExecs(id: string, query: QueryOf<"list_execs"> = {}): Promise<Schemas["Exec"][]> {
    return all((cursor) => this.#api.GET("/sandboxes/{id}/execs", at(id, { ...query, cursor })));
  }

  async getExec(id: string, execId: string): Promise<Schemas["Exec"]> {
    return take(await this.#api.GET("/sandboxes/{id}/execs/{exec_id}", ofExec(id, execId)));
  }

  /** Writes to the standard input of an exec that was started with `openStdin`. */
  async writeExecStdin(id: string, execId: string, body: Partial<Schemas["StdinBody"]>): Promise<Schemas["Accepted"]> {
    return take(await this.#api.POST("/sandboxes/{id}/execs/{exec_id}/stdin", { ...ofExec(id, execId), body }));
  }

  async signalExec(id: string, execId: string, signal: string): Promise<Schemas["Accepted"]> {
    const body = { signal };
    return take(await this.#api.POST("/sandboxes/{id}/execs/{exec_id}/signal", { ...ofExec(id, execId), body }));
  }

  /** Another size of the window of an exec that was started with `tty`. */
  async resizeExec(id: string, execId: string, cols: number, rows: number): Promise<Schemas["Accepted"]> {
    const body = { cols, rows };
    return take(await this.#api.POST("/sandboxes/{id}/execs/{exec_id}/resize", { ...ofExec(id, execId), body }));
  }

  // --- background jobs ---

  async startJob(
    id: string,
    command: Command,
    options: Omit<Schemas["JobBody"], "command"> = {},
  ): Promise<Schemas["Job"]> {
    return take(await this.#api.POST("/sandboxes/{id}/background", { ...at(id), body: { ...options, command } }));
  }

  listJobs(id: string): Promise<Schemas["Job"][]> {
    return all((cursor) => this.#api.GET("/sandboxes/{id}/background", at(id, { cursor })));
  }

  async getJob(id: string, jobId: string): Promise<Schemas["Job"]> {
    return take(await this.#api.GET("/sandboxes/{id}/background/{job_id}", ofJob(id, jobId)));
  }

  async getJobLogs(id: string, jobId: string, query: QueryOf<"get_job_logs"> = {}): Promise<Schemas["Logs"]> {
    const params = { ...ofJob(id, jobId).params, query };
    return take(await this.#api.GET("/sandboxes/{id}/background/{job_id}/logs", { params }));
  }

  async stopJob(id: string, jobId: string): Promise<Schemas["Deleted"]> {
    return take(await this.#api.DELETE("/sandboxes/{id}/background/{job_id}", ofJob(id, jobId)));
  }

  // --- terminals ---

  /** A terminal: iterate over it to see what it shows. `await using` leaves it at the end of a block. */
  terminal(id: string, options: TerminalOptions = {}): Promise<Terminal> {
    return Terminal.open(this.#transport, () => this.listTerminals(id), id, options);
  }

  async listTerminals(id: string): Promise<Schemas["Terminal"][]> {
    return take(await this.#api.GET("/sandboxes/{id}/terminals", at(id)));
  }

  async closeTerminal(id: string, name: string): Promise<Schemas["Deleted"]> {
    const params = { path: { id: checked(id), name: checked(name) } };
    return take(await this.#api.DELETE("/sandboxes/{id}/terminals/{name}", { params }));
  }

  // --- files ---

  /** A file. */
  async readFile(id: string, path: string, options: AsUser = {}): Promise<Uint8Array> {
    const answer = await this.#transport.raw("GET", filePath(id, path), options);
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** A file in parts, as they come: of any size. */
  async downloadFile(id: string, path: string, options: AsUser = {}): Promise<ReadableStream<Uint8Array>> {
    return stream(await this.#transport.raw("GET", filePath(id, path), options));
  }

  /** What is at a path: type, size, rights, owner. A link is told as such. */
  async statFile(id: string, path: string, options: AsUser = {}): Promise<Schemas["File"]> {
    return enveloped(await (await this.#transport.raw("GET", filePath(id, path), { ...options, stat: true })).json());
  }

  /** Writes a file, and the directories on its way. One that is there is replaced in one step. */
  async writeFile(
    id: string,
    path: string,
    content: Bytes,
    options: AsUser & { mode?: string } = {},
  ): Promise<Schemas["File"]> {
    const type = { "content-type": "application/octet-stream" };
    const query = { path, ...options };
    return enveloped(
      await (await this.#transport.raw("POST", `/sandboxes/${place(id)}/files`, query, content, type)).json(),
    );
  }

  listFiles(id: string, query: QueryOf<"list_files"> = {}): Promise<Schemas["File"][]> {
    return all((cursor) => this.#api.GET("/sandboxes/{id}/files", at(id, { ...query, cursor })));
  }

  /** Moves a file, or changes its rights. */
  async changeFile(
    id: string,
    path: string,
    change: Partial<Schemas["ChangeFile"]>,
    query: QueryOf<"change_file"> = {},
  ): Promise<Schemas["File"]> {
    const params = { path: { id: checked(id), path: checked(path) }, query };
    return take(await this.#api.PATCH("/sandboxes/{id}/files/{path}", { params, body: change }));
  }

  async deleteFile(id: string, path: string, query: QueryOf<"delete_file"> = {}): Promise<Schemas["Deleted"]> {
    const params = { path: { id: checked(id), path: checked(path) }, query };
    return take(await this.#api.DELETE("/sandboxes/{id}/files/{path}", { params }));
  }

  async searchFiles(id: string, query: QueryOf<"search_files"> & { q: string }): Promise<Schemas["FileMatches"]> {
    return take(await this.#api.GET("/sandboxes/{id}/search", at(id, query)));
  }

  /** Changes of a file or directory. The first event is `ready`; `overflow` says that some were lost: look again. */
  watchFiles(
    id: string,
    path: string,
    options: AsUser & { recursive?: boolean } = {},
  ): AsyncGenerator<Schemas["FileEvent"], void> {
    return fileEvents(this.#transport, () => this.getSandbox(id), id, path, options);
  }

  /** A file or directory with all in it, as a tar. */
  async downloadArchive(id: string, path?: string, options: AsUser = {}): Promise<ReadableStream<Uint8Array>> {
    return stream(await this.#transport.raw("GET", `/sandboxes/${place(id)}/archive`, { path, ...options }));
  }

  /** Unpacks a tar, uncompressed, in a directory of the sandbox. */
  async uploadArchive(
    id: string,
    content: Bytes,
    path?: string,
    options: AsUser = {},
  ): Promise<Schemas["UnpackedArchive"]> {
    const type = { "content-type": "application/x-tar" };
    const query = { path, ...options };
    return enveloped(
      await (await this.#transport.raw("POST", `/sandboxes/${place(id)}/archive`, query, content, type)).json(),
    );
  }

  // --- what happens, what is used, what was done ---

  /**
   * What happens to what the caller may see, from now on, or behind the event `after`. A connection that is lost is made again, and
   * the stream goes on where it was. `events_expired` says that what came meanwhile is gone: look at what there is, and listen anew.
   */
  listenToEvents(options: { after?: string } = {}): AsyncGenerator<Schemas["Event"], void> {
    return events(this.#transport, options.after);
  }

  /** What the caller may use, and what he uses of it. */
  async getUsage(): Promise<Schemas["Usage"]> {
    return take(await this.#api.GET("/usage"));
  }

  /** What a sandbox used over time. */
  async getMetricsHistory(id: string, query: QueryOf<"get_metrics_history"> = {}): Promise<Schemas["MetricsHistory"]> {
    return take(await this.#api.GET("/sandboxes/{id}/metrics/history", at(id, query)));
  }

  /** Who did what, newest first; `limit` is the length of a page, and all pages are followed. */
  listAudit(query: QueryOf<"list_audit"> = {}): Promise<Schemas["AuditEntry"][]> {
    return all((cursor) => this.#api.GET("/audit", { params: { query: { ...query, cursor } } }));
  }

  // --- for admins ---

  /** Whether anybody tampered with the audit log. */
  async verifyAudit(query: QueryOf<"verify_audit"> = {}): Promise<Schemas["AuditCheck"]> {
    return take(await this.#api.GET("/admin/audit/verify", { params: { query } }));
  }

  /** What the server itself sees that is wrong. */
  async getDoctor(): Promise<Schemas["DoctorReport"]> {
    return take(await this.#api.GET("/admin/doctor"));
  }

  listUsers(): Promise<Schemas["AdminUser"][]> {
    return all((cursor) => this.#api.GET("/admin/users", { params: { query: { cursor } } }));
  }

  async getUser(id: string): Promise<Schemas["AdminUser"]> {
    return take(await this.#api.GET("/admin/users/{id}", at(id)));
  }

  /** Another role or password, or whether the account is disabled. */
  async changeUser(id: string, body: Schemas["ChangeUser"]): Promise<Schemas["AdminUser"]> {
    return take(await this.#api.PATCH("/admin/users/{id}", { ...at(id), body }));
  }

  /** Removes an account; with `sandboxes: "delete"` also one that has sandboxes. */
  async deleteUser(id: string, query: QueryOf<"delete_user"> = {}): Promise<Schemas["Deleted"]> {
    return take(await this.#api.DELETE("/admin/users/{id}", at(id, query)));
  }

  /** Makes an invitation; its `token` is shown this one time. */
  async createInvitation(body: Schemas["CreateInvitation"] = {}): Promise<Schemas["CreatedInvitation"]> {
    return take(await this.#api.POST("/admin/invitations", { body }));
  }

  listInvitations(): Promise<Schemas["Invitation"][]> {
    return all((cursor) => this.#api.GET("/admin/invitations", { params: { query: { cursor } } }));
  }

  async deleteInvitation(id: string): Promise<Schemas["Deleted"]> {
    return take(await this.#api.DELETE("/admin/invitations/{id}", at(id)));
  }

  async listRuntimes(): Promise<Schemas["AdminRuntime"][]> {
    return take(await this.#api.GET("/admin/runtimes"));
  }

  async getUserQuota(userId: string): Promise<Schemas["UserQuota"]> {
    return take(await this.#api.GET("/admin/quotas/{id}", at(userId)));
  }

  /** What a user may use; what is absent is as for everybody. */
  async setUserQuota(userId: string, body: Schemas["QuotaBody"]): Promise<Schemas["UserQuota"]> {
    return take(await this.#api.PUT("/admin/quotas/{id}", { ...at(userId), body }));
  }

  /** Makes another master key, and seals all secrets anew. */
  async rotateMasterKey(): Promise<Schemas["RotatedMasterKey"]> {
    return take(await this.#api.POST("/admin/master-key/rotate"));
  }

  // --- images, health ---

  listImages(): Promise<Schemas["Image"][]> {
    return all((cursor) => this.#api.GET("/images", { params: { query: { cursor } } }));
  }

  /** Makes an image of a tar of a root file system or of an image, under any name. */
  async importImage(name: string, content: Bytes): Promise<Schemas["Image"]> {
    const type = { "content-type": "application/x-tar" };
    return enveloped(await (await this.#transport.raw("POST", "/images", { name }, content, type)).json());
  }

  /** Builds an image of a tar with a Dockerfile and what it copies; an error has the last of what was written. */
  async buildImage(
    name: string,
    context: Bytes,
    options: { dockerfile?: string; target?: string; buildArgs?: Record<string, string>; network?: string } = {},
  ): Promise<Schemas["Image"]> {
    const { buildArgs = {}, ...rest } = options;
    const buildArg = Object.entries(buildArgs).map(([key, value]) => `${key}=${value}`);
    const type = { "content-type": "application/x-tar" };
    const query = { name, ...rest, buildArg };
    return enveloped(await (await this.#transport.raw("POST", "/images/build", query, context, type)).json());
  }

  /** Has the server fetch an image from its registry; its name is the reference unless one is given. */
  async pullImage(reference: string, name?: string): Promise<Schemas["Image"]> {
    const type = { "content-type": "application/json" };
    const content = new TextEncoder().encode(JSON.stringify({ reference, name }));
    return enveloped(await (await this.#transport.raw("POST", "/images", {}, content, type)).json());
  }

  /** Has the server push an image to a registry, as one layer; the reference is its name unless one is given. */
  async pushImage(name: string, reference?: string): Promise<Schemas["PushedImage"]> {
    const type = { "content-type": "application/json" };
    const content = new TextEncoder().encode(JSON.stringify({ reference }));
    const path = `/images/${encodeURIComponent(checked(name))}/push`;
    return enveloped(await (await this.#transport.raw("POST", path, {}, content, type)).json());
  }

  async deleteImage(name: string): Promise<Schemas["Deleted"]> {
    return take(await this.#api.DELETE("/images/{name}", { params: { path: { name: checked(name) } } }));
  }

  async getHealth(): Promise<Schemas["Health"]> {
    const { data, error, response } = await this.#api.GET("/health");
    if (!data) throw ApiError.of(response.status, error);
    return data;
  }
}

/** The data of an answer. */
function take<T>({ data, error, response }: Answer): T {
  if (!response.ok) throw ApiError.of(response.status, error);
  return enveloped<T>(data);
}

/** The items of all pages. */
async function all<T>(get: (cursor?: string) => Promise<Answer>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await get(cursor);
    items.push(...take<T[]>(page));
    cursor = (page.data as { nextCursor?: string | null }).nextCursor ?? undefined;
  } while (cursor);
  return items;
}

/** A value that can be a part of a path; openapi-fetch encodes it. */
function checked(value: string): string {
  place(value);
  return value;
}

function at(id: string): { params: { path: { id: string } } };
function at<Q extends object>(id: string, query: Q): { params: { path: { id: string }; query: Q } };
function at(id: string, query?: object) {
  return { params: { path: { id: checked(id) }, ...(query && { query }) } };
}

function ofExec(id: string, execId: string) {
  return { params: { path: { id: checked(id), exec_id: checked(execId) } } };
}

function ofJob(id: string, jobId: string) {
  return { params: { path: { id: checked(id), job_id: checked(jobId) } } };
}

function filePath(id: string, path: string): string {
  return `/sandboxes/${place(id)}/files/${place(path)}`;
}

function stream(answer: Response): ReadableStream<Uint8Array> {
  return answer.body ?? new Blob([]).stream();
}

import { beforeAll, describe, expect, test } from "vitest";
import { ApiError, ConnectionFailed, hasCode, SandboxClient } from "../src/index.js";
import { collect, live, text } from "./live.js";

let server: Awaited<ReturnType<typeof live>>;
let client: SandboxClient;

beforeAll(async () => {
  server = await live();
  client = new SandboxClient({ baseUrl: server.url, apiKey: server.key });
});

/** The code of what a promise is rejected with. */
async function code(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(ApiError);
  return (error as ApiError).code;
}

test("every method of the reference is there", () => {
  const names =
    "login createEnvironment listEnvironments createSandbox listSandboxes getSandbox startSandbox stopSandbox " +
    "destroySandbox replicateSandbox getLogs getMetrics exec";
  for (const name of names.split(" ")) expect(client).toHaveProperty(name);
});

test("the life of a sandbox", async () => {
  const made = await client.createSandbox({ image: "host", name: "life", labels: { of: "ts" }, ttlSeconds: 600 });
  try {
    expect((await client.listSandboxes({ label: ["of=ts"], limit: 1 })).map((one) => one.id)).toEqual([made.id]);
    expect((await client.stopSandbox(made.id)).state).toBe("stopped");
    expect((await client.startSandbox(made.id)).state).toBe("running");
    expect((await client.getMetrics(made.id)).memory.limitBytes).toBe(made.memoryBytes);
  } finally {
    expect((await client.destroySandbox(made.id)).deleted).toBe(true);
  }
  const error = await client.getSandbox(made.id).catch((error: unknown) => error);
  expect(hasCode(error, "sandbox_not_found")).toBe(true);
  expect(error).toMatchObject({ status: 404, traceId: expect.stringMatching(/^[0-9a-f]{32}$/) });
});

test("an environment, its versions, its secrets and a replica", async () => {
  const env = await client.createEnvironment({ name: `ts-${Date.now()}`, image: "host", env: { A: "1" }, memory: 128 });
  try {
    expect((await client.setSecret(env.id, "API_KEY", "value")).key).toBe("API_KEY");
    expect((await client.listSecrets(env.id)).map((secret) => secret.key)).toEqual(["API_KEY"]);
    await using sandbox = await client.sandbox({ environmentId: env.id });
    expect((await sandbox.exec("echo $A $API_KEY")).stdout).toBe("1 value\n");
    await using replica = client.sandboxAt((await sandbox.replicate({ name: "replica" })).id);
    expect((await replica.get()).name).toBe("replica");
    expect((await client.updateEnvironment(env.id, { image: "host", env: { A: "2" } })).version).toBe(2);
    expect((await client.diffEnvironmentVersions(env.id, { from: 1, to: 2 })).changes.length).toBeGreaterThan(0);
    expect((await client.listEnvironmentVersions(env.id)).length).toBe(2);
    expect((await client.deleteSecret(env.id, "API_KEY")).deleted).toBe(true);
  } finally {
    await client.deleteEnvironment(env.id);
  }
});

test("several sandboxes, and pages that are followed", async () => {
  const made = await client.createSandboxes(3, { image: "host", labels: { several: "ts" } });
  const listed = await client.listSandboxes({ label: ["several=ts"], limit: 1 });
  for (const one of made) await client.destroySandbox(one.id);
  expect(listed.map((one) => one.id).sort()).toEqual(made.map((one) => one.id).sort());
});

test("a block may destroy its sandbox itself", async () => {
  await using sandbox = await client.sandbox({ image: "host" });
  await sandbox.destroy();
});

test("a block that fails leaves no sandbox", async () => {
  let id = "";
  const block = async () => {
    await using sandbox = await client.sandbox({ image: "host" });
    id = sandbox.id;
    throw new RangeError("on purpose");
  };
  await expect(block()).rejects.toThrow(RangeError);
  expect(await code(client.getSandbox(id))).toBe("sandbox_not_found");
});

describe("in a sandbox", () => {
  test("a command, its output and its events", async () => {
    await using sandbox = await client.sandbox({ image: "host" });
    const done = await sandbox.exec(["sh", "-c", "cat; echo $A >&2; exit 3"], { stdin: "hello", env: { A: "wörld" } });
    expect(done).toMatchObject({ exitCode: 3, stdout: "hello", stderr: "wörld\n", status: "exited" });

    const events = await collect(sandbox.execStream("for i in 1 2 3; do echo $i; sleep 0.1; done"));
    expect(events.map((event) => event.seq)).toEqual(events.map((_, at) => at + 1));
    expect(events.map((event) => event.data ?? "").join("")).toBe("1\n2\n3\n");
    expect(events.at(-1)).toMatchObject({ type: "exit", exit_code: 0 });

    const cat = await sandbox.exec("cat", { async: true, openStdin: true });
    await sandbox.writeExecStdin(cat.id, { data: "a line\n" });
    await sandbox.signalExec(cat.id, "TERM");
    expect((await collect(sandbox.streamExec(cat.id))).at(-1)?.exit_code).toBe(128 + 15);
    expect((await sandbox.listExecs()).length).toBe(3);
  });

  test("files and archives", async () => {
    await using sandbox = await client.sandbox({ image: "host" });
    const content = new Uint8Array(1 << 20).map((_, at) => at % 256);
    const path = "dir with space/ä%?#.bin";
    expect(await sandbox.writeFile(path, content, { mode: "0600" })).toMatchObject({ size: 1 << 20, mode: "0600" });
    expect(Buffer.compare(await sandbox.readFile(path), content)).toBe(0);
    expect((await sandbox.listFiles({ path: "dir with space" })).map((file) => file.name)).toEqual(["ä%?#.bin"]);
    expect((await sandbox.statFile("dir with space")).type).toBe("directory");

    const tar = await sandbox.downloadArchive("dir with space");
    expect((await sandbox.uploadArchive(tar, "/tmp/copy")).bytes).toBe(1 << 20);
    expect((await sandbox.searchFiles({ q: ".bin", path: "/tmp/copy" })).matches.length).toBe(1);

    await sandbox.changeFile(path, { to: "moved" });
    expect((await sandbox.deleteFile("moved")).deleted).toBe(true);
    expect(await code(sandbox.readFile("moved"))).toBe("file_not_found");
  });

  test("changes of files are seen", async () => {
    await using sandbox = await client.sandbox({ image: "host" });
    await sandbox.exec("mkdir watched");
    const events = sandbox.watchFiles("watched");
    expect((await events.next()).value).toMatchObject({ type: "ready" });
    await sandbox.writeFile("watched/new", "x");
    const seen: string[] = [];
    while (!seen.includes("new")) seen.push((await events.next()).value?.path ?? "new");
    await events.return(undefined);
  });

  test("a terminal", async () => {
    await using sandbox = await client.sandbox({ image: "host" });
    await using terminal = await sandbox.terminal({ cols: 100, rows: 30 });
    await terminal.write("stty size\n");
    let shown = "";
    for await (const part of terminal) {
      shown += text([part]);
      if (shown.includes("30 100")) break;
    }
    await terminal.resize(70, 20);
    await terminal.write("stty size; exit 7\n");
    expect(text(await collect(terminal))).toContain("20 70");
    expect(terminal.exitCode).toBe(7);
  });

  test("background jobs", async () => {
    await using sandbox = await client.sandbox({ image: "host" });
    const job = await sandbox.startJob("echo from a job; sleep 600", { restart: "always" });
    expect((await sandbox.listJobs()).map((one) => one.id)).toEqual([job.id]);
    expect((await sandbox.stopJob(job.id)).deleted).toBe(true);
    expect(await code(sandbox.getJob(job.id))).toBe("job_not_found");
  });

  test("the log is followed to its end", async () => {
    const command = ["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.1; done"];
    await using sandbox = await client.sandbox({ image: "host", command });
    expect((await collect(sandbox.followLogs())).map((line) => line.line)).toEqual(["line 1", "line 2", "line 3"]);
    expect((await sandbox.getLogs({ tail: 2 })).lines.map((line) => line.line)).toEqual(["line 2", "line 3"]);
  });
});

test("what is used, what was done, and what admins do", async () => {
  await using sandbox = await client.sandbox({ image: "host" });
  expect((await client.getUsage()).sandboxes.used).toBeGreaterThan(0);
  expect((await sandbox.getMetricsHistory({ resolution: "1m" })).intervalSeconds).toBe(60);
  const made = await client.listAudit({ action: "sandbox.create", target: sandbox.id });
  expect(made.map((entry) => entry.target)).toEqual([sandbox.id]);

  // A key may this only where it says so.
  expect(await code(client.listUsers())).toBe("missing_scope");
  const admin = new SandboxClient({ baseUrl: server.url });
  await admin.login(server.email, server.password);
  expect((await admin.verifyAudit()).intact).toBe(true);
  expect((await admin.listRuntimes()).map((runtime) => runtime.name)).toContain("native");
  expect((await admin.getDoctor()).findings).toEqual([]);
  const email = `ts-${Date.now()}@example.com`;
  const invitation = await admin.createInvitation({ email });
  expect((await admin.listInvitations()).map((one) => one.id)).toContain(invitation.id);
  expect((await admin.deleteInvitation(invitation.id)).deleted).toBe(true);
  const other = new SandboxClient({ baseUrl: server.url });
  await other.signup(email, "a password of a test");
  const { id } = await other.me();
  expect((await admin.setUserQuota(id, { sandboxes: 1 })).userId).toBe(id);
  expect((await other.getUsage()).sandboxes.quota).toBe(1);
  expect((await admin.getUserQuota(id)).own).toMatchObject({ sandboxes: 1 });
  expect((await other.listSessions()).length).toBe(1);
  expect((await admin.changeUser(id, { disabled: true })).disabled).toBe(true);
  expect(await code(other.me())).toBe("unauthorized");
  expect((await admin.deleteUser(id)).deleted).toBe(true);
  expect((await admin.logOut()).deleted).toBe(true);
});

test("refusals say what is wrong", async () => {
  const error = (await client.createSandbox({ cpu: -1 }).catch((error: unknown) => error)) as ApiError;
  expect(error).toMatchObject({ code: "invalid_request", status: 400, details: [{ field: "cpu" }] });
  expect(await code(client.createSandbox({ image: "no-such-image" }))).toBe("image_not_found");
  await expect(client.getSandbox("..")).rejects.toThrow(TypeError);
});

test("strangers are refused, also by a stream", async () => {
  const stranger = new SandboxClient({ baseUrl: server.url, apiKey: "sk_wrong" });
  expect(await code(stranger.listSandboxes())).toBe("unauthorized");
  expect(await code(stranger.login(server.email, "not the password"))).toBe("invalid_credentials");
  expect(await code(collect(stranger.streamExec("0k3v9qz8m2xa", "0k3v9qz8m2xa")))).toBe("unauthorized");
  expect(await code(client.terminal("0k3v9qz8m2xa").then(collect))).toBe("sandbox_not_found");
  expect(await code(collect(client.followLogs("0k3v9qz8m2xa")))).toBe("sandbox_not_found");
});

test("nobody there", async () => {
  const nobody = new SandboxClient({ baseUrl: "http://127.0.0.1:1", apiKey: "sk_x", retries: { attempts: 2 } });
  await expect(nobody.me()).rejects.toThrow(ConnectionFailed);
});

import { connect, createServer, type Server } from "node:net";
import { beforeAll, expect, test } from "vitest";
import { SandboxClient } from "../src/index.js";
import { collect, live, text } from "./live.js";

/** Where connections are cut, in bytes from the server: in the handshake, behind it, in messages. */
const CUTS = [20, 150, 700, 1500, 1501, 3000, 5000];
const COUNT = 60;

let server: Awaited<ReturnType<typeof live>>;
let client: SandboxClient;

beforeAll(async () => {
  server = await live();
  client = new SandboxClient({ baseUrl: server.url, apiKey: server.key });
});

/** Passes connections on to the server, and cuts each WebSocket once the server has said so many bytes. */
class CuttingProxy implements AsyncDisposable {
  cuts = 0;
  #server: Server;

  private constructor(cuts: number[], what: string) {
    const target = new URL(server.url);
    this.#server = createServer((from) => {
      const to = connect(Number(target.port), target.hostname);
      const end = () => {
        from.destroy();
        to.destroy();
      };
      let left = Number.POSITIVE_INFINITY;
      from.on("data", (data) => {
        // What asks why a stream was refused is not cut.
        if (data.includes(what)) left = cuts[this.cuts] ?? left;
        to.write(data);
      });
      to.on("data", (data) => {
        from.write(data.subarray(0, Math.min(left, data.length)));
        left -= data.length;
        if (left <= 0) {
          this.cuts += 1;
          from.end(() => end());
        }
      });
      for (const one of [from, to]) one.on("error", end).on("close", end);
    });
  }

  static async start(cuts: number[], what = "websocket"): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(cuts, what);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get client(): SandboxClient {
    const { port } = this.#server.address() as { port: number };
    return new SandboxClient({ baseUrl: `http://127.0.0.1:${port}`, apiKey: server.key });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
  }
}

test("an exec is followed through cuts", async () => {
  await using sandbox = await client.sandbox({ image: "host" });
  const command = `for i in $(seq ${COUNT}); do echo line $i; sleep 0.02; done`;
  const started = await sandbox.exec(command, { async: true });
  await using proxy = await CuttingProxy.start(CUTS);
  const events = await collect(proxy.client.streamExec(sandbox.id, started.id));
  expect(proxy.cuts).toBe(CUTS.length);
  expect(events.map((event) => event.seq)).toEqual(events.map((_, at) => at + 1));
  const lines = events.map((event) => event.data ?? "").join("");
  expect(lines).toBe(Array.from({ length: COUNT }, (_, at) => `line ${at + 1}\n`).join(""));
});

test("a log is followed through cuts", async () => {
  // Several lines in one write have one number: the case that needs counting.
  const script = `for i in $(seq ${COUNT}); do printf 'a %s\\nb %s\\nc %s\\n' $i $i $i; sleep 0.02; done`;
  await using sandbox = await client.sandbox({ image: "host", command: ["sh", "-c", script] });
  await using proxy = await CuttingProxy.start(CUTS);
  const lines = await collect(proxy.client.followLogs(sandbox.id));
  expect(proxy.cuts).toBe(CUTS.length);
  const expected = Array.from({ length: COUNT }, (_, at) => ["a", "b", "c"].map((letter) => `${letter} ${at + 1}`));
  expect(lines.map((line) => line.line)).toEqual(expected.flat());
});

test("events are told through cuts", async () => {
  const made = async (name: string): Promise<string[]> => {
    const { id } = await client.createEnvironment({ name: `${name}-${crypto.randomUUID().slice(0, 8)}` });
    await client.deleteEnvironment(id);
    return [`environment.create ${id}`, `environment.delete ${id}`];
  };
  // Where the stream stands, by the first event that a new listener is told.
  let first: string | undefined;
  const listening = client.listenToEvents();
  const told = listening.next().then(({ value }) => {
    first = value?.id;
  });
  while (!first) {
    await made("begin");
    await Promise.race([told, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  await listening.return();
  const expected: string[] = [];
  for (let n = 0; n < COUNT; n += 1) expected.push(...(await made("cut")));

  await using proxy = await CuttingProxy.start(CUTS, "/events");
  const seen: string[] = [];
  for await (const event of proxy.client.listenToEvents({ after: first })) {
    const line = `${event.type} ${event.data.target}`;
    if (expected.includes(line)) seen.push(line);
    if (seen.length === expected.length) break;
  }
  expect(proxy.cuts).toBe(CUTS.length);
  expect(seen).toEqual(expected);
  const gone = client.listenToEvents({ after: "0-1" }).next();
  await expect(gone).rejects.toMatchObject({ code: "events_expired", status: 410 });
});

test("a terminal is shown through cuts", async () => {
  await using sandbox = await client.sandbox({ image: "host" });
  await using proxy = await CuttingProxy.start(CUTS.slice(1));
  await using typist = await sandbox.terminal({ name: "cut" });
  await using terminal = await proxy.client.terminal(sandbox.id, { name: "cut" });
  await typist.write("stty -echo; clear\n");
  await typist.write(`for i in $(seq ${COUNT * 5}); do echo line $i; sleep 0.01; done; exit 9\n`);
  const shown = text(await collect(terminal));
  expect(proxy.cuts).toBeGreaterThan(3);
  expect(terminal.exitCode).toBe(9);
  const seen = shown.split("\r\n").filter((line) => line.startsWith("line "));
  expect(seen).toEqual(Array.from({ length: COUNT * 5 }, (_, at) => `line ${at + 1}`));
});

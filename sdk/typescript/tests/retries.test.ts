import { createServer, type IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { ApiError, ConnectionFailed, ProtocolError, SandboxClient } from "../src/index.js";

type Reply = { status: number; body?: unknown; headers?: Record<string, string> };
/** The server ends the connection without an answer. */
const CUT: Reply = { status: 0 };

function failed(status: number, code: string, headers: Record<string, string> = {}): Reply {
  return { status, headers, body: { success: false, error: { code, message: "m", traceId: "t" } } };
}

function done(status: number, data: unknown): Reply {
  return { status, body: { success: true, data } };
}

/** A server that answers as it is told, and what it was asked. */
async function scripted(replies: Reply[], use: (client: SandboxClient) => Promise<void>): Promise<IncomingMessage[]> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    request.resume().on("end", () => {
      const reply = replies.shift() ?? CUT;
      if (reply === CUT) {
        request.socket.destroy();
        return;
      }
      response.writeHead(reply.status, { "content-type": "application/json", ...reply.headers });
      response.end(JSON.stringify(reply.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    await use(new SandboxClient({ baseUrl: `http://127.0.0.1:${port}`, apiKey: "sk_test", retries: { attempts: 3 } }));
  } finally {
    server.closeAllConnections();
    server.close();
  }
  return requests;
}

const KEY = { id: "k", name: "n", createdAt: "2026-01-01T00:00:00Z", key: "sk_1" };

test("a limit is waited for as long as it says", async () => {
  const began = Date.now();
  const requests = await scripted(
    [failed(429, "rate_limited", { "retry-after": "1" }), done(200, {})],
    async (client) => {
      await client.me();
    },
  );
  expect(Date.now() - began).toBeGreaterThanOrEqual(1000);
  expect(requests.length).toBe(2);
});

test("a create is repeated with the key of its first attempt, and each has its own", async () => {
  const requests = await scripted([CUT, failed(503, "unavailable"), done(201, KEY), done(201, KEY)], async (client) => {
    await client.createApiKey({ name: "n" });
    await client.createApiKey({ name: "n" });
  });
  const keys = requests.map((request) => request.headers["idempotency-key"]);
  expect(keys.length).toBe(4);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(new Set(keys.slice(0, 3)).size).toBe(1);
  expect(keys[3]).not.toBe(keys[0]);
});

test("a command is never run twice", async () => {
  for (const reply of [CUT, failed(503, "unavailable")]) {
    const requests = await scripted([reply], async (client) => {
      await expect(client.exec("s", "rm x")).rejects.toThrow(reply === CUT ? ConnectionFailed : ApiError);
    });
    expect(requests.length).toBe(1);
  }
});

test("what another attempt cannot mend is thrown at once", async () => {
  const refusals = [
    failed(429, "quota_exceeded", { "retry-after": "1" }),
    failed(429, "rate_limited", { "retry-after": "3600" }),
    failed(404, "sandbox_not_found"),
    failed(500, "internal"),
    failed(409, "of_a_later_release"),
  ];
  for (const refusal of refusals) {
    const requests = await scripted([refusal], async (client) => {
      await expect(client.getSandbox("s")).rejects.toThrow(ApiError);
    });
    expect(requests.length).toBe(1);
  }
});

test("attempts are bounded", async () => {
  const requests = await scripted(Array(5).fill(failed(503, "unavailable")), async (client) => {
    await expect(client.me()).rejects.toMatchObject({ code: "unavailable" });
  });
  expect(requests.length).toBe(3);
});

test("what is no answer of Atoll is said to be none", async () => {
  await scripted(
    [
      { status: 200, body: ["hello"] },
      { status: 403, body: "blocked" },
    ],
    async (client) => {
      await expect(client.me()).rejects.toThrow(ProtocolError);
      await expect(client.me()).rejects.toMatchObject({ code: "unknown", status: 403 });
    },
  );
});

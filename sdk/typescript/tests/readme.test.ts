import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { live } from "./live.js";

const README = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const EXAMPLES = [...README.matchAll(/^```typescript\n(.*?)^```/gms)].map((match) => match[1] ?? "");

let server: Awaited<ReturnType<typeof live>>;
const folder = mkdtempSync(join(import.meta.dirname, ".readme-"));

beforeAll(async () => {
  server = await live();
});
afterAll(() => rmSync(folder, { recursive: true }));

test("there are examples", () => expect(EXAMPLES.length).toBeGreaterThan(3));

test.each(EXAMPLES.map((example, at) => [at + 1, example] as const))("example %i works", async (number, example) => {
  const file = join(folder, `example-${number}.ts`);
  const text = example
    .replaceAll("http://127.0.0.1:3001", server.url)
    .replaceAll("sk_your_api_key", server.key)
    .replaceAll('"@atoll/sdk"', '"../../src/index.js"');
  writeFileSync(file, text);
  await import(/* @vite-ignore */ file);
});

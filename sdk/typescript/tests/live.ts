import { SandboxClient } from "../src/index.js";

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is missing: scripts/test-sdk.sh starts a server and says where it is`);
  return value;
}

/** The live server, and a key of its first account. */
export async function live(): Promise<{ url: string; email: string; password: string; key: string }> {
  const [url, email, password] = [variable("ATOLL_URL"), variable("ATOLL_EMAIL"), variable("ATOLL_PASSWORD")];
  const client = new SandboxClient({ baseUrl: url });
  await client.login(email, password);
  return { url, email, password, key: (await client.createApiKey({ name: "tests of the TypeScript SDK" })).key };
}

/** Everything that a stream gives. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** What bytes say. */
export function text(parts: Uint8Array[]): string {
  return Buffer.concat(parts).toString();
}

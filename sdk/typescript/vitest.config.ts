import { defineConfig } from "vitest/config";

export default defineConfig({
  // What `await using` becomes where the engine does not know it.
  esbuild: { target: "es2022" },
  test: { testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false },
});

// The model that docs/mcp.md's chat has in test_new_app.py: it adds a task, and says so. Next.js
// runs `register` when it starts, if the app has this as `instrumentation.js`.

import { simulateReadableStream } from "ai";
import { MockLanguageModelV4, MockProviderV4 } from "ai/test";

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const input = JSON.stringify({ title: "Buy groceries" });
const ADDS = [
  { type: "tool-call", toolCallId: "1", toolName: "add_task", input },
  { type: "finish", finishReason: { unified: "tool-calls" }, usage },
];
const SAYS = [
  { type: "text-start", id: "1" },
  { type: "text-delta", id: "1", delta: "It is on your list" },
  { type: "text-end", id: "1" },
  { type: "finish", finishReason: { unified: "stop" }, usage },
];

const model = new MockLanguageModelV4({
  doStream: async ({ prompt }) => ({
    stream: simulateReadableStream({ chunks: prompt.at(-1).role === "user" ? ADDS : SAYS }),
  }),
});

export function register() {
  globalThis.AI_SDK_DEFAULT_PROVIDER = new MockProviderV4({
    languageModels: { "anthropic/claude-sonnet-5.5": model },
  });
}

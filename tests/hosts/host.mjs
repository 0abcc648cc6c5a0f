// A host with a limit on each call, made of the TypeScript SDK's client as most hosts are.
//
// Its argument is JSON: how it behaves, where the server is, the limit in milliseconds, the call that a model would
// make first. It goes on by what it is told alone: the `next_step` of a result, or the identical call once a call was
// cut off, as the server's instructions say. It writes one line of JSON about how it went.
import { Client, SdkError, SdkErrorCode, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const asked = JSON.parse(process.argv[2]);
const begun = Date.now();
const heard = { calls: 0, cutOff: 0, progress: 0 };

const BEHAVIOURS = {
  // Neither listens to progress nor waits longer for it.
  "gives up": {},
  // Shows progress, and waits as long as there is any.
  resets: { onprogress: () => (heard.progress += 1), resetTimeoutOnProgress: true },
  // Shows progress, and gives up all the same.
  "does not reset": { onprogress: () => (heard.progress += 1) },
};

function transport() {
  if (asked.transport === "stdio") {
    const [command, ...args] = asked.command;
    return new StdioClientTransport({ command, args, env: process.env, stderr: "ignore" });
  }
  return new StreamableHTTPClientTransport(new URL(asked.url));
}

async function called(client, call) {
  heard.calls += 1;
  try {
    return await client.callTool(call, { timeout: asked.limit, ...BEHAVIOURS[asked.behaviour] });
  } catch (error) {
    if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout) {
      heard.cutOff += 1;
      return null;
    }
    throw error;
  }
}

const client = new Client(
  { name: asked.behaviour, version: "0" },
  { versionNegotiation: { mode: asked.era === "2026-07-28" ? { pin: asked.era } : "legacy" } },
);
await client.connect(transport());
// As every host does first; on stdio it is also what waits for the server's start.
await client.listTools();
let call = { name: "extend_video", arguments: asked.arguments };
let result = null;
while (Date.now() - begun < asked.patience) {
  result = await called(client, call);
  if (result === null) continue;
  if (result.isError || result.structuredContent.status === "SUCCEEDED") break;
  const step = result.structuredContent.next_step;
  call = { name: step.tool, arguments: step.arguments };
}
const told = result?.structuredContent ?? {};
const { status, taskId, summary, video } = told;
process.stdout.write(`${JSON.stringify({ ...heard, status, taskId, summary, seconds: (Date.now() - begun) / 1000, duration: video?.duration_seconds })}\n`);
await client.close();
process.exit(0);

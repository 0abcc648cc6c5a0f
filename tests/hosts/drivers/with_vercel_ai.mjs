// The Vercel AI SDK: @ai-sdk/mcp, its tools called as generateText calls them, their results as models get them.
import { createMCPClient } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport as StdioTransport } from "@ai-sdk/mcp/mcp-stdio";
import { asSchema } from "ai";
import { asked, play } from "./conversation.mjs";

function transport() {
  if (asked.transport === "stdio") {
    const [command, ...args] = asked.command;
    return new StdioTransport({ command, args, env: asked.env, stderr: "ignore" });
  }
  return { type: asked.transport, url: asked.url };
}

const client = await createMCPClient({ transport: transport() });
const tools = await client.tools();

async function listed() {
  for (const tool of Object.values(tools)) await asSchema(tool.inputSchema).jsonSchema;
  return Object.keys(tools);
}

async function call(name, given) {
  const output = await tools[name].execute(given, { toolCallId: "call_1", messages: [] });
  const sent = await tools[name].toModelOutput({ toolCallId: "call_1", input: given, output });
  return sent.value.map((part) => part.text ?? "").join("\n");
}

const read = async (uri) => (await client.readResource({ uri })).contents[0].text;

await play(listed, call, read);
await client.close();
process.exit(0);

// Mastra: the tools of @mastra/mcp, called as an agent calls them.
import { MCPClient } from "@mastra/mcp";
import { asked, play } from "./conversation.mjs";

function server() {
  if (asked.transport === "stdio") {
    const [command, ...args] = asked.command;
    return { command, args, env: asked.env, stderr: "ignore" };
  }
  return { url: new URL(asked.url) };
}

const mcp = new MCPClient({ servers: { runway: server() } });
const tools = await mcp.listTools();

async function call(name, given) {
  const output = await tools[`runway_${name}`].execute(given, {});
  return output.content?.map((part) => part.text ?? "").join("\n") ?? JSON.stringify(output);
}

const read = async (uri) => (await mcp.resources.read("runway", uri)).contents[0].text;

await play(async () => Object.keys(tools), call, read);
await mcp.disconnect();
process.exit(0);

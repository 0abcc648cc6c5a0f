// mcp-remote: a host that knows only stdio (the TypeScript SDK's client) behind it, the server on HTTP or SSE.
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { asked, play } from "./conversation.mjs";

const proxy = `${asked.folder}/node_modules/mcp-remote/dist/proxy.js`;
const args = [proxy, asked.url, "--allow-http", "--transport", `${asked.transport}-only`];
const client = new Client({ name: "host", version: "0" });
await client.connect(new StdioClientTransport({ command: process.execPath, args, env: process.env, stderr: "ignore" }));

const listed = async () => (await client.listTools()).tools.map((tool) => tool.name);

async function call(name, given) {
  const result = await client.callTool({ name, arguments: given });
  return result.content.map((part) => part.text ?? "").join("\n");
}

const read = async (uri) => (await client.readResource({ uri })).contents[0].text;

await play(listed, call, read);
await client.close();
process.exit(0);

// A host of MCP Apps made of the official AppBridge, which checks every message of the page against the schemas.
//
// `openPlayer` shows the page beside one call. What the page asks for goes to a real server, or is answered as scripted;
// all of it is kept in `heard`. An answer "refused" is an error, "silent" none at all. `script.resources` has contents by
// URI, or "refused", or "held" for what is read only once the test says so.
import { AppBridge, PostMessageTransport, getToolUiResourceUri } from "@modelcontextprotocol/ext-apps/app-bridge";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const EXTENSION = "io.modelcontextprotocol/ui";
const MIME_TYPE = "text/html;profile=mcp-app";

const state = { heard: [], errors: [], initialized: false };
let bridge;
let frame;
let release;
const released = new Promise((resolve) => { release = resolve; });

const never = () => new Promise(() => {});

async function connected(url) {
  const client = new Client(
    { name: "browser-host", version: "0" },
    {
      capabilities: { extensions: { [EXTENSION]: { mimeTypes: [MIME_TYPE] } } },
      versionNegotiation: { mode: { pin: "2026-07-28" } },
    },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

function answer(method, params, otherwise) {
  state.heard.push({ method, params });
  const script = state.script[method];
  const scripted = !Array.isArray(script) ? script : script.length > 1 ? script.shift() : script[0];
  if (scripted === "silent") return never();
  if (scripted === "refused") return Promise.reject(new Error("refused"));
  if (scripted !== undefined) return Promise.resolve(scripted);
  return otherwise ? otherwise() : Promise.reject(new Error("refused"));
}

// The policy as a host makes it of what the resource declares; `strict` forbids films and pictures by link.
function policy(csp, forbids) {
  const from = forbids ? "'none'" : ["data:", "blob:", ...(csp?.resourceDomains ?? [])].join(" ");
  return `default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src ${from}; media-src ${from}; connect-src 'none'`;
}

window.openPlayer = async (options) => {
  const { url, call, result, script = {}, context = {}, forbids = false } = options;
  state.script = script;
  const client = url ? await connected(url) : null;
  let page = options.page;
  let running = null;
  if (client) {
    const { tools } = await client.listTools();
    const uri = getToolUiResourceUri(tools.find((tool) => tool.name === call.name));
    [page] = (await client.readResource({ uri })).contents;
    if (page.uri !== uri || page.mimeType !== MIME_TYPE) throw new Error(`unexpected page ${page.uri}`);
    state.uri = uri;
    running = result ? null : client.callTool(call);
  }
  const capabilities = { openLinks: {}, serverTools: {}, serverResources: {}, logging: {} };
  bridge = new AppBridge(null, { name: "browser-host", version: "0" }, capabilities, {
    hostContext: { theme: "light", displayMode: "inline", availableDisplayModes: ["inline"], ...context },
  });
  bridge.onerror = (error) => state.errors.push(String(error));
  bridge.oncalltool = (params) => answer("tools/call", params, client && (() => client.callTool(params)));
  bridge.onreadresource = (params) => {
    const kept = script.resources?.[params.uri];
    const read = client && (() => client.readResource(params));
    if (!kept) return answer("resources/read", params, read);
    state.heard.push({ method: "resources/read", params });
    if (kept === "refused") return Promise.reject(new Error("refused"));
    return kept === "held" ? released.then(read) : Promise.resolve({ contents: [{ uri: params.uri, ...kept }] });
  };
  bridge.onmessage = (params) => answer("ui/message", params, () => Promise.resolve({}));
  bridge.onopenlink = (params) => answer("ui/open-link", params, () => Promise.resolve({}));
  bridge.ondownloadfile = (params) => answer("ui/download-file", params, () => Promise.resolve({}));
  bridge.onupdatemodelcontext = (params) => answer("ui/update-model-context", params, () => Promise.resolve({}));
  bridge.onrequestdisplaymode = (params) => answer("ui/request-display-mode", params, () => Promise.resolve({ mode: params.mode }));
  bridge.addEventListener("sizechange", (params) => {
    state.heard.push({ method: "ui/notifications/size-changed", params });
    frame.style.height = `${params.height}px`;
  });
  frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.style.cssText = "width:100%;height:300px;border:0;display:block";
  const head = `<meta http-equiv="Content-Security-Policy" content="${policy(page._meta?.ui?.csp, forbids)}">`;
  document.body.append(frame);
  const ready = new Promise((resolve) => bridge.addEventListener("initialized", resolve));
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = page.text.replace("<head>", `<head>${head}`);
  await ready;
  await bridge.sendToolInput({ arguments: call.arguments });
  const told = result ?? (running && (await running));
  if (told) await bridge.sendToolResult(told);
  await window.settle();
  return told ?? null;
};

window.tellCancelled = () => bridge.sendToolCancelled({ reason: "user action" });
window.changeContext = (context) => bridge.setHostContext({ ...context });
// Messages keep their order: once so many rounds are through, the page has had all answers and drawn them.
window.settle = async () => {
  for (let round = 0; round < 6; round += 1) await bridge.request({ method: "ping" });
};
window.releaseHeld = () => release();
window.tearDown = () => bridge.teardownResource({});
window.heardSoFar = () => state;

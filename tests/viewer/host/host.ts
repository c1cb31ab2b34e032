/** A chat client as small as can be, for tests: it shows the viewer in a frame and talks to it through the AppBridge of
 * @modelcontextprotocol/ext-apps. What it offers stands in the address as JSON; what it was asked stands in window.chat. */

import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

interface Offer {
  message?: "taken" | "refused";
  modes?: ("inline" | "fullscreen")[];
  silent?: boolean; // a change of the display mode is answered, and not also announced
  bare?: boolean; // what stands beside the content of a resource is dropped
  call: { name: string; arguments: Record<string, unknown> }; // the model's, whose result opens the page
}

const REVISION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": REVISION,
  "io.modelcontextprotocol/clientInfo": { name: "host of the tests", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {
    extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } },
  },
};
const offer = JSON.parse(decodeURIComponent(location.hash.slice(1))) as Offer;
const frame = document.querySelector("iframe")!;
const chat = { messages: [] as unknown[], modes: [] as string[], read: [] as string[], bridge: null as AppBridge | null };
Object.assign(window, { chat });
let serial = 0;

async function ask(method: string, name: string, params: Record<string, unknown>): Promise<any> {
  const response = await fetch("/mcp", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": REVISION,
      "mcp-method": method,
      "mcp-name": name,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: ++serial, method, params: { ...params, _meta: META } }),
  });
  const text = await response.text();
  const lines = text.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5));
  const answer = (lines.length ? lines : [text]).map((line) => JSON.parse(line)).find((one) => one.result || one.error);
  if (!answer.result) throw new Error(answer.error.message);
  return answer.result;
}

const bridge = new AppBridge(
  null,
  { name: "host of the tests", version: "1" },
  { serverTools: {}, serverResources: {}, ...(offer.message ? { message: { text: {} } } : {}) },
  { hostContext: { theme: "light", displayMode: "inline", ...(offer.modes ? { availableDisplayModes: offer.modes } : {}) } },
);
chat.bridge = bridge;
bridge.oncalltool = (params) => ask("tools/call", params.name, { ...params });
bridge.onreadresource = async (params) => {
  chat.read.push(params.uri);
  const found = await ask("resources/read", params.uri, { uri: params.uri });
  return offer.bare ? { contents: found.contents.map(({ _meta, ...content }: any) => content) } : found;
};
bridge.onmessage = async (params) => {
  chat.messages.push(params);
  return offer.message === "refused" ? { isError: true } : {};
};
bridge.onrequestdisplaymode = async ({ mode }) => {
  chat.modes.push(mode);
  frame.className = mode;
  if (!offer.silent) bridge.setHostContext({ theme: "light", displayMode: mode, availableDisplayModes: offer.modes });
  return { mode };
};
bridge.oninitialized = async () => {
  bridge.sendToolInput({ arguments: offer.call.arguments });
  bridge.sendToolResult(await ask("tools/call", offer.call.name, { ...offer.call }));
};
bridge.onsizechange = ({ height }) => {
  if (height) frame.style.height = frame.className === "fullscreen" ? "" : `${height}px`;
};

async function start(): Promise<void> {
  await bridge.connect(new PostMessageTransport(frame.contentWindow!, frame.contentWindow!));
  frame.srcdoc = await (await fetch("/viewer.html")).text();
}

void start();

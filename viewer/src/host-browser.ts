/** The page in a browser: it calls the server's own /mcp, one request at a time, at protocol revision 2026-07-28. */

import { signal } from "@preact/signals";
import { CallError, type Content, type Host, type Picture, type ToolResult, checked, clipOf, factsOf, picturesOf } from "./host";

const REVISION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": REVISION,
  "io.modelcontextprotocol/clientInfo": { name: "agent-tools viewer", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {
    extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } },
  },
};

interface Answer {
  result?: unknown;
  error?: { message?: string };
}

export class BrowserHost implements Host {
  readonly kind = "browser";
  readonly message = signal(null);
  readonly full = signal(false);
  private serial = 0;

  async call<T>(tool: string, args: Record<string, unknown>): Promise<T> {
    return factsOf(await this.tool(tool, args)) as T;
  }

  async pictures(video: string, timesS: number[], width: number, exact: boolean): Promise<Picture[]> {
    return picturesOf(await this.tool("view_frames", { video, times_s: timesS, width, exact }));
  }

  async clip(uri: string) {
    const read = (await this.ask("resources/read", uri, { uri })) as { contents: Content[] };
    return clipOf(read.contents[0]);
  }

  mediaUrl(video: string): string {
    return `/view/media/${encodeURIComponent(video)}`;
  }

  readonly fullscreen = signal(
    document.fullscreenEnabled
      ? async () => {
          if (document.fullscreenElement) await document.exitFullscreen();
          else await document.documentElement.requestFullscreen();
        }
      : null,
  );

  constructor() {
    document.addEventListener("fullscreenchange", () => (this.full.value = document.fullscreenElement !== null));
  }

  private async tool(name: string, args: Record<string, unknown>): Promise<ToolResult> {
    return checked((await this.ask("tools/call", name, { name, arguments: args })) as ToolResult);
  }

  private async ask(method: string, name: string, params: Record<string, unknown>): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch("/mcp", {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          "mcp-protocol-version": REVISION,
          "mcp-method": method,
          "mcp-name": name,
        },
        body: JSON.stringify({ jsonrpc: "2.0", id: ++this.serial, method, params: { ...params, _meta: META } }),
      });
    } catch {
      throw new CallError("The server does not answer. Is it still running?");
    }
    if (response.status === 401) throw new CallError("Your session is over. Open the link again, or sign in.");
    const text = await response.text();
    const answer = (response.headers.get("content-type") ?? "").includes("event-stream") ? lastEvent(text) : parsed(text);
    if (answer?.result === undefined) throw new CallError(answer?.error?.message ?? `The server answered ${response.status}.`);
    return answer.result;
  }
}

/** The last message of an event stream that holds an answer; progress comes before it. */
function lastEvent(text: string): Answer | undefined {
  const found = text
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => parsed(line.slice(5)));
  return found.reverse().find((one) => one?.result !== undefined || one?.error !== undefined);
}

function parsed(text: string): Answer | undefined {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
}

/** The page in a chat client: it talks to the host over MCP Apps (SEP-1865), and the host asks the server. */

import { App, PostMessageTransport } from "@modelcontextprotocol/ext-apps";
import { CallError, type Host, type Opened, type Picture, type ToolResult, checked, factsOf, picturesOf, theme } from "./host";

export class ChatHost implements Host {
  readonly kind = "chat";
  message: Host["message"] = null;
  fullscreen: Host["fullscreen"] = null;
  private input: Record<string, unknown> = {};

  private constructor(private readonly app: App) {}

  /** Connect to the host. `onOpened` gets each tool result that the page is opened with. */
  static async connect(onOpened: (opened: Opened) => void): Promise<ChatHost> {
    const app = new App({ name: "agent-tools viewer", version: "1" }, { availableDisplayModes: ["inline", "fullscreen"] });
    const host = new ChatHost(app);
    app.ontoolinput = (params) => {
      host.input = params.arguments ?? {};
    };
    app.ontoolresult = (params) => {
      onOpened({ input: host.input, facts: factsOf(params as ToolResult) });
    };
    app.onhostcontextchanged = () => host.follow();
    await app.connect(new PostMessageTransport(window.parent, window.parent));
    host.follow();
    return host;
  }

  async call<T>(tool: string, args: Record<string, unknown>): Promise<T> {
    return factsOf(await this.tool(tool, args)) as T;
  }

  async pictures(video: string, timesS: number[], width: number, exact: boolean): Promise<Picture[]> {
    return picturesOf(await this.tool("view_frames", { video, times_s: timesS, width, exact }));
  }

  async dataUrl(uri: string): Promise<string> {
    if (!this.app.getHostCapabilities()?.serverResources) throw new CallError("This chat client does not hand over clips.");
    const read = await this.app.readServerResource({ uri });
    const content = read.contents[0] as { blob?: string; mimeType?: string } | undefined;
    if (!content?.blob) throw new CallError("There is nothing to play here.");
    return `data:${content.mimeType ?? "video/mp4"};base64,${content.blob}`;
  }

  mediaUrl(): null {
    return null; // the page may connect to nothing: it plays clips
  }

  private async tool(name: string, args: Record<string, unknown>): Promise<ToolResult> {
    try {
      return checked((await this.app.callServerTool({ name, arguments: args })) as ToolResult);
    } catch (error) {
      throw error instanceof CallError ? error : new CallError(error instanceof Error ? error.message : String(error));
    }
  }

  /** Take over what the host says of itself: its theme, and whether it takes messages and offers the full screen. */
  private follow(): void {
    const context = this.app.getHostContext();
    theme.value = context?.theme ?? null;
    document.documentElement.dataset["mode"] = context?.displayMode ?? "inline";
    this.message = this.app.getHostCapabilities()?.message
      ? async (text) => {
          await this.app.sendMessage({ role: "user", content: [{ type: "text", text }] });
        }
      : null;
    this.fullscreen = context?.availableDisplayModes?.includes("fullscreen")
      ? async () => {
          const mode = this.app.getHostContext()?.displayMode === "fullscreen" ? "inline" : "fullscreen";
          await this.app.requestDisplayMode({ mode });
        }
      : null;
  }
}

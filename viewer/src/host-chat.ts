/** The page in a chat client: it talks to the host over MCP Apps (SEP-1865), and the host asks the server. */

import { App, PostMessageTransport } from "@modelcontextprotocol/ext-apps";
import { signal } from "@preact/signals";
import { CallError, type Content, type Host, type Opened, type Picture, type ToolResult, checked, clipOf, factsOf, picturesOf, theme } from "./host";

export class ChatHost implements Host {
  readonly kind = "chat";
  readonly message = signal<((text: string) => Promise<void>) | null>(null);
  readonly fullscreen = signal<(() => Promise<void>) | null>(null);
  readonly full = signal(false);
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

  async clip(uri: string) {
    if (!this.app.getHostCapabilities()?.serverResources) throw new CallError("This chat client does not hand over clips.");
    const read = await this.app.readServerResource({ uri });
    return clipOf(read.contents[0] as Content | undefined);
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
    this.show(context?.displayMode ?? "inline");
    this.message.value = this.app.getHostCapabilities()?.message ? (text) => this.say(text) : null;
    this.fullscreen.value = context?.availableDisplayModes?.includes("fullscreen") ? () => this.switch() : null;
  }

  private show(mode: string): void {
    document.documentElement.dataset["mode"] = mode;
    this.full.value = mode === "fullscreen";
  }

  private async say(text: string): Promise<void> {
    const answer = await this.app.sendMessage({ role: "user", content: [{ type: "text", text }] });
    if (answer.isError) throw new CallError("The chat did not take the message.");
  }

  private async switch(): Promise<void> {
    const { mode } = await this.app.requestDisplayMode({ mode: this.full.value ? "inline" : "fullscreen" });
    this.show(mode); // some hosts do not also say it as a change of their context
  }
}

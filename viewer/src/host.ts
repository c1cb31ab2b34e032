/** Where the page runs: what it asks of the server, and what its surroundings allow. Two implementations. */

import { type ReadonlySignal, signal } from "@preact/signals";

/** A failed call, in the words of the server. */
export class CallError extends Error {}

export interface Picture {
  timeS: number;
  jpeg: string; // base64
}

/** What opened the page: the arguments and the result of a tool call in a chat. */
export interface Opened {
  input: Record<string, unknown>;
  facts: Record<string, unknown>;
}

/** A piece of video that a player can load. */
export interface Clip {
  url: string;
  startS: number; // of the video, where the piece begins
  endS: number;
}

export interface Host {
  readonly kind: "chat" | "browser";
  /** Call a tool; the structured content, or else the JSON of its text. Throws CallError. */
  call<T>(tool: string, args: Record<string, unknown>): Promise<T>;
  /** Pictures of these times as JPEG, `width` px wide at most. */
  pictures(video: string, timesS: number[], width: number, exact: boolean): Promise<Picture[]>;
  /** A clip by its uri; without times where nobody said which span it holds. */
  clip(uri: string): Promise<{ url: string } & Partial<Clip>>;
  /** The address of the whole file for a player, where the page can reach it. */
  mediaUrl(video: string): string | null;
  /** Send a message to the model as the user; null where the host does not take messages. */
  readonly message: ReadonlySignal<((text: string) => Promise<void>) | null>;
  /** Go to the full screen, or back; null where the host does not offer it. */
  readonly fullscreen: ReadonlySignal<(() => Promise<void>) | null>;
  readonly full: ReadonlySignal<boolean>; // the page has the full screen now
}

export const theme = signal<"light" | "dark" | null>(null); // null: as the system says

const dark = window.matchMedia("(prefers-color-scheme: dark)");
export const systemDark = signal(dark.matches);
dark.addEventListener("change", () => (systemDark.value = dark.matches));

/** The bytes of base64 text. */
export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

interface Block {
  type: string;
  text?: string;
  resource?: { uri: string; blob?: string; mimeType?: string };
}

export interface ToolResult {
  content?: Block[];
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
}

/** The facts of a tool result: its structured content, or the JSON object among its texts. */
export function factsOf(result: ToolResult): Record<string, unknown> {
  if (result.structuredContent) return result.structuredContent;
  for (const block of result.content ?? []) {
    if (block.type !== "text" || !block.text?.startsWith("{")) continue;
    try {
      return JSON.parse(block.text) as Record<string, unknown>;
    } catch {
      continue; // a sentence that begins with a bracket
    }
  }
  return {};
}

export function checked(result: ToolResult): ToolResult {
  if (result.isError) throw new CallError(result.content?.find((block) => block.text)?.text ?? "The call failed.");
  return result;
}

export interface Content {
  blob?: string;
  mimeType?: string;
  _meta?: Record<string, unknown>;
}

export function clipOf(content: Content | undefined): { url: string } & Partial<Clip> {
  if (!content?.blob) throw new CallError("There is nothing to play here.");
  const url = `data:${content.mimeType ?? "video/mp4"};base64,${content.blob}`;
  const { start_s: startS, end_s: endS } = content._meta ?? {};
  return typeof startS === "number" && typeof endS === "number" ? { url, startS, endS } : { url };
}

export function picturesOf(result: ToolResult): Picture[] {
  const times = (result.structuredContent?.["times_s"] as number[] | undefined) ?? [];
  const found: Picture[] = [];
  (result.content ?? []).forEach((block, place) => {
    const blob = block.resource?.blob;
    const timeS = times[place];
    if (blob !== undefined && timeS !== undefined)
      found.push({ timeS, jpeg: blob });
  });
  return found;
}

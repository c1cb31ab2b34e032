/** Where the page runs: what it asks of the server, and what its surroundings allow. Two implementations. */

import { signal } from "@preact/signals";

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

export interface Host {
  readonly kind: "chat" | "browser";
  /** Call a tool; the structured content, or else the JSON of its text. Throws CallError. */
  call<T>(tool: string, args: Record<string, unknown>): Promise<T>;
  /** Pictures of these times as JPEG, `width` px wide at most. */
  pictures(video: string, timesS: number[], width: number, exact: boolean): Promise<Picture[]>;
  /** A resource's bytes as a data: address, such as a clip. */
  dataUrl(uri: string): Promise<string>;
  /** The address of the whole file for a player, where the page can reach it. */
  mediaUrl(video: string): string | null;
  /** Send a message to the model as the user; null where the host does not take messages. */
  message: ((text: string) => Promise<void>) | null;
  fullscreen: (() => Promise<void>) | null;
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

/** What the timeline shows: its rows from top to bottom, and the data that they are drawn from. */

import { channelName } from "./format";
import type { Entry, FoundSpan, Hit, Hour, Lanes, Span } from "./types";

export interface Row {
  kind: "overview" | "ruler" | "marks" | "chapters" | "scenes" | "strip" | "lane";
  channel?: string;
  y: number;
  height: number;
  label: string;
}

export interface Scene {
  hour: Hour;
  view: Span;
  timeS: number;
  span: Span | null;
  hits: Hit[];
  found: FoundSpan[];
  overview: Lanes | null;
  fine: Lanes | null;
  detail: { from: number; to: number; byChannel: Map<string, Entry[]> } | null;
  hoverS: number | null;
  picture: (timeS: number) => ImageBitmap | null;
  nearest: (timeS: number) => ImageBitmap | null;
}

/** Colours, read from the style sheet so that both themes are in one place. */
export type Palette = (name: string) => string;

export const STRIP_WIDTH = 160; // px of a strip picture
export const GAP = 6;
const OVERVIEW = 30;
const RULER = 20;
const MARKS = 22;
const CHAPTERS = 24;
const SCENES = 12;
const LANE = 30;
export const FONT = "12px system-ui, sans-serif";
export const SMALL = "11px system-ui, sans-serif";

/** The rows of a video from top to bottom. Args: strip: height of the pictures; 0 for none. */
export function rowsOf(hour: Hour, marks: boolean, strip: number): Row[] {
  const rows: Row[] = [];
  let y = 0;
  const add = (kind: Row["kind"], height: number, label: string, channel?: string) => {
    rows.push({ kind, y, height, label, ...(channel ? { channel } : {}) });
    y += height + (kind === "ruler" ? 2 : GAP);
  };
  add("overview", OVERVIEW, "Whole video");
  add("ruler", RULER, "");
  if (marks) add("marks", MARKS, "Found");
  if (hour.chapters.length > 1) add("chapters", CHAPTERS, "Chapters");
  if (hour.scenes.length > 1) add("scenes", SCENES, "Scenes");
  if (hour.width && strip) add("strip", strip, "Pictures");
  for (const channel of hour.channels) {
    if (channel.name === "frames" || (channel.state === "absent" && !channel.entries)) continue;
    add("lane", LANE, channelName(channel.name), channel.name);
  }
  if (hour.notes && !hour.channels.some((channel) => channel.name === "notes")) add("lane", LANE, "Notes", "notes");
  return rows;
}

export function heightOf(rows: Row[]): number {
  const last = rows[rows.length - 1];
  return last ? last.y + last.height : 0;
}

const CELL_S = [0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 5400];

/** Seconds of a cell of the picture strip, out of a fixed ladder, so that a zoom that comes back finds its pictures. */
export function stripStep(view: Span, width: number, cell: number): number {
  const wanted = ((view.endS - view.startS) / width) * cell * 0.85;
  return CELL_S.find((one) => one >= wanted) ?? 7200;
}

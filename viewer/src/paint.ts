/** Draws the timeline: the whole video at the top, then times, bands, pictures and one lane per channel.
 *
 * Knows pixels and colours. It is given all data, and draws only what is in view. */

import { channelName, clock, fineClock } from "./format";
import type { Band, Entry, FoundSpan, Gap, Hit, Hour, Lanes, Run, Span } from "./types";

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
  verdictCoverage: Gap[];
  overview: Lanes | null;
  fine: Lanes | null;
  detail: { from: number; to: number; byChannel: Map<string, Entry[]> } | null;
  hoverS: number | null;
  picture: (timeS: number) => ImageBitmap | null;
  nearest: (timeS: number) => ImageBitmap | null;
}

/** Colours, read from the style sheet so that both themes are in one place. */
export type Palette = (name: string) => string;

export const GAP = 6;
const OVERVIEW = 30;
const RULER = 20;
const MARKS = 22;
const CHAPTERS = 24;
const SCENES = 12;
const LANE = 30;
const FONT = "12px system-ui, sans-serif";
const SMALL = "11px system-ui, sans-serif";

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

export function paint(c: CanvasRenderingContext2D, scene: Scene, rows: Row[], width: number, of: Palette): void {
  c.clearRect(0, 0, width, heightOf(rows));
  c.textBaseline = "middle";
  for (const row of rows) {
    c.save();
    c.beginPath();
    c.rect(0, row.y, width, row.height);
    c.clip();
    DRAW[row.kind](c, scene, row, width, of);
    c.restore();
  }
  overlay(c, scene, rows, width, of);
}

type Draw = (c: CanvasRenderingContext2D, scene: Scene, row: Row, width: number, of: Palette) => void;

const DRAW: Record<Row["kind"], Draw> = {
  overview: drawOverview,
  ruler: drawRuler,
  marks: drawMarks,
  chapters: (c, s, row, width, of) => drawBands(c, s, s.hour.chapters, row, width, of, true),
  scenes: (c, s, row, width, of) => drawBands(c, s, s.hour.scenes, row, width, of, false),
  strip: drawStrip,
  lane: drawLane,
};

function drawOverview(c: CanvasRenderingContext2D, scene: Scene, row: Row, width: number, of: Palette): void {
  const whole = { startS: 0, endS: scene.hour.duration_s };
  const x = scale(whole, width);
  c.fillStyle = of("track");
  round(c, 0, row.y, width, row.height, 5);
  c.fill();
  const inner = row.height - 8;
  const names = Object.keys(scene.overview?.lanes ?? {});
  names.forEach((name, place) => {
    const h = Math.max(2, Math.floor(inner / Math.max(names.length, 3)));
    c.fillStyle = of(`ch-${name}`);
    c.globalAlpha = 0.75;
    const y = row.y + 4 + Math.round((place * inner) / Math.max(names.length, 3));
    for (const [from, to] of scene.overview!.lanes[name]!) c.fillRect(x(from), y, Math.max(1, x(to) - x(from)), h - 1);
    c.globalAlpha = 1;
  });
  hatchGaps(c, scene, row, whole, width, of, scene.hour.gaps);
  for (const hit of scene.hits) {
    c.fillStyle = of("accent");
    c.fillRect(Math.round(x(hit.start_s)) - 1, row.y, 2, row.height);
  }
  const from = x(scene.view.startS);
  const to = x(scene.view.endS);
  if (to - from < width - 1) {
    c.fillStyle = of("veil");
    c.fillRect(0, row.y, from, row.height);
    c.fillRect(to, row.y, width - to, row.height);
    c.strokeStyle = of("accent");
    c.lineWidth = 1.5;
    round(c, from + 0.75, row.y + 0.75, Math.max(4, to - from - 1.5), row.height - 1.5, 4);
    c.stroke();
  }
  c.fillStyle = of("ink");
  c.fillRect(Math.round(x(scene.timeS)), row.y, 1, row.height);
}

const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];

function drawRuler(c: CanvasRenderingContext2D, scene: Scene, row: Row, width: number, of: Palette): void {
  const { startS, endS } = scene.view;
  const x = scale(scene.view, width);
  const step = STEPS.find((one) => ((one / (endS - startS)) * width) >= 76) ?? 14400;
  c.font = SMALL;
  c.fillStyle = of("muted");
  c.strokeStyle = of("line");
  c.lineWidth = 1;
  for (let k = Math.ceil(startS / step); k * step <= endS; k++) {
    const at = Math.round(x(k * step)) + 0.5;
    c.beginPath();
    c.moveTo(at, row.y + row.height - 5);
    c.lineTo(at, row.y + row.height);
    c.stroke();
    const label = step < 1 ? fineClock(k * step) : clock(k * step);
    const half = c.measureText(label).width / 2;
    const middle = Math.min(Math.max(at, half), width - half);
    c.textAlign = "center";
    c.fillText(label, middle, row.y + row.height / 2 - 2);
  }
  c.textAlign = "left";
}

function drawMarks(c: CanvasRenderingContext2D, scene: Scene, row: Row, width: number, of: Palette): void {
  const x = scale(scene.view, width);
  for (const found of scene.found) {
    const from = x(found.start_s);
    const to = Math.max(from + 3, x(found.end_s));
    c.globalAlpha = 0.25 + 0.6 * found.confidence;
    c.fillStyle = of("good");
    round(c, from, row.y + row.height - 7, to - from, 6, 2);
    c.fill();
    c.globalAlpha = 1;
  }
  c.font = "600 11px system-ui, sans-serif";
  c.textAlign = "center";
  for (const hit of [...scene.hits].reverse()) {
    const from = x(hit.start_s);
    const to = x(hit.end_s);
    if (to < -20 || from > width + 20) continue;
    c.fillStyle = of("accent");
    c.globalAlpha = 0.22;
    c.fillRect(from, row.y + row.height - 4, Math.max(2, to - from), 3);
    c.globalAlpha = 1;
    const label = String(hit.rank);
    const wide = Math.max(18, c.measureText(label).width + 10);
    const left = Math.min(Math.max(from, 0), width - wide);
    round(c, left + 0.5, row.y + 0.5, wide - 1, 16, 8);
    const strong = hit.strength === "strong";
    c.fillStyle = strong ? of("accent") : of("surface");
    c.fill();
    c.strokeStyle = hit.strength === "weak" ? of("muted") : of("accent");
    c.setLineDash(hit.strength === "weak" ? [2, 2] : []);
    c.lineWidth = 1;
    c.stroke();
    c.setLineDash([]);
    c.fillStyle = strong ? of("on-accent") : hit.strength === "weak" ? of("muted") : of("accent");
    c.fillText(label, left + wide / 2, row.y + 9);
  }
  c.textAlign = "left";
}

function drawBands(
  c: CanvasRenderingContext2D,
  scene: Scene,
  bands: Band[],
  row: Row,
  width: number,
  of: Palette,
  titled: boolean,
): void {
  const x = scale(scene.view, width);
  c.font = FONT;
  for (let place = firstAfter(bands, scene.view.startS); place < bands.length; place++) {
    const band = bands[place]!;
    if (band.start_s > scene.view.endS) break;
    const from = Math.max(-4, x(band.start_s));
    const to = Math.min(width + 4, x(band.end_s));
    c.fillStyle = of(place % 2 ? "band-b" : "band-a");
    round(c, from + 0.5, row.y, Math.max(1, to - from - 1), row.height, titled ? 4 : 2);
    c.fill();
    if (titled) label(c, band.title, from + 7, row.y + row.height / 2 + 0.5, to - from - 12, of("ink"));
  }
}

function drawStrip(c: CanvasRenderingContext2D, scene: Scene, row: Row, width: number, of: Palette): void {
  const x = scale(scene.view, width);
  const aspect = (scene.hour.width ?? 16) / (scene.hour.height ?? 9);
  const step = stripStep(scene.view, width, row.height * Math.min(aspect, 2));
  c.fillStyle = of("track");
  c.fillRect(0, row.y, width, row.height);
  for (let k = Math.floor(scene.view.startS / step); k * step < scene.view.endS; k++) {
    const at = k * step;
    const middle = Math.min(at + step / 2, scene.hour.duration_s - 0.05);
    const picture = scene.picture(middle) ?? scene.nearest(middle);
    const from = x(at);
    const to = Math.min(x(at + step), x(scene.hour.duration_s));
    if (picture) cover(c, picture, from, row.y, to - from, row.height);
    c.fillStyle = of("surface");
    c.fillRect(Math.round(from) - 0.5, row.y, 1, row.height);
  }
}

function drawLane(c: CanvasRenderingContext2D, scene: Scene, row: Row, width: number, of: Palette): void {
  const x = scale(scene.view, width);
  const name = row.channel!;
  const top = row.y + 2;
  const height = row.height - 4;
  c.fillStyle = of("track");
  round(c, 0, row.y, width, row.height, 4);
  c.fill();
  const colour = of(`ch-${name}`);
  const { detail } = scene;
  if (detail && detail.from <= scene.view.startS + 0.01 && detail.to >= scene.view.endS - 0.01) {
    c.font = FONT;
    const entries = detail.byChannel.get(name) ?? [];
    for (let place = firstEntry(entries, scene.view.startS); place < entries.length; place++) {
      const entry = entries[place]!;
      if (entry.start_s > scene.view.endS) break;
      if (entry.end_s < scene.view.startS) continue;
      const from = x(entry.start_s);
      const next = entries[place + 1];
      const to = Math.max(from + 2, x(Math.max(entry.end_s, entry.start_s + 0.2)) - 1);
      const limit = next && next.start_s < entry.end_s ? Math.max(from + 2, x(next.start_s) - 1) : to;
      chip(c, entry, from, top, Math.min(to, limit) - from, height, colour, of);
    }
  } else {
    const lanes = scene.fine && scene.fine.start_s <= scene.view.startS && scene.fine.end_s >= scene.view.endS ? scene.fine : scene.overview;
    drawRuns(c, lanes?.lanes[name] ?? [], scene.view, x, top, height, colour);
  }
  const own = scene.hour.gaps.filter((gap) => !gap.channel || gap.channel === name);
  hatchGaps(c, scene, row, scene.view, width, of, [...own, ...unread(scene.hour, name)]);
}

/** The part of a channel that an ingest has not reached yet. */
function unread(hour: Hour, name: string): Gap[] {
  const channel = hour.channels.find((one) => one.name === name);
  if (!channel || !["running", "queued", "stopped", "failed"].includes(channel.state)) return [];
  return [{ start_s: channel.done_to_s, end_s: hour.duration_s, why: "not read yet" }];
}

function chip(
  c: CanvasRenderingContext2D,
  entry: Entry,
  from: number,
  top: number,
  width: number,
  height: number,
  colour: string,
  of: Palette,
): void {
  c.fillStyle = colour;
  c.globalAlpha = width > 8 ? 0.24 : 0.6;
  c.fillRect(from, top, width, height);
  c.globalAlpha = 1;
  if (width <= 8) return;
  c.fillRect(from, top, 2, height);
  if (width < 44) return;
  const said = entry.speaker ? `${entry.speaker}: ${entry.text}` : entry.text;
  label(c, said, Math.max(from, 0) + 8, top + height / 2 + 0.5, from + width - Math.max(from, 0) - 12, of("ink"));
}

function drawRuns(
  c: CanvasRenderingContext2D,
  runs: Run[],
  view: Span,
  x: (s: number) => number,
  top: number,
  height: number,
  colour: string,
): void {
  c.fillStyle = colour;
  c.globalAlpha = 0.6;
  for (const [from, to] of runs) {
    if (to < view.startS) continue;
    if (from > view.endS) break;
    const left = x(from);
    c.fillRect(left, top, Math.max(1.5, x(to) - left), height);
  }
  c.globalAlpha = 1;
}

function hatchGaps(
  c: CanvasRenderingContext2D,
  _scene: Scene,
  row: Row,
  view: Span,
  width: number,
  of: Palette,
  gaps: Gap[],
): void {
  const x = scale(view, width);
  for (const gap of gaps) {
    const from = Math.max(0, x(gap.start_s));
    const to = Math.min(width, x(gap.end_s));
    if (to - from < 1) continue;
    c.save();
    c.beginPath();
    c.rect(from, row.y, to - from, row.height);
    c.clip();
    c.strokeStyle = of("hatch");
    c.lineWidth = 1.5;
    c.beginPath();
    for (let at = Math.floor((from - row.height) / 7) * 7; at < to; at += 7) {
      c.moveTo(at, row.y + row.height);
      c.lineTo(at + row.height, row.y);
    }
    c.stroke();
    c.restore();
  }
}

function overlay(c: CanvasRenderingContext2D, scene: Scene, rows: Row[], width: number, of: Palette): void {
  const top = rows.find((row) => row.kind === "ruler")?.y ?? 0;
  const bottom = heightOf(rows);
  const x = scale(scene.view, width);
  if (scene.span) {
    const from = x(scene.span.startS);
    const to = x(scene.span.endS);
    c.fillStyle = of("chosen");
    c.fillRect(from, top, Math.max(1, to - from), bottom - top);
    c.strokeStyle = of("accent");
    c.lineWidth = 1;
    c.globalAlpha = 0.7;
    c.strokeRect(Math.round(from) + 0.5, top + 0.5, Math.max(1, Math.round(to - from)), bottom - top - 1);
    c.globalAlpha = 1;
  }
  if (scene.hoverS !== null) {
    c.strokeStyle = of("muted");
    c.setLineDash([3, 3]);
    line(c, Math.round(x(scene.hoverS)) + 0.5, top, bottom);
    c.setLineDash([]);
  }
  const at = x(scene.timeS);
  if (at < -8 || at > width + 8) return;
  c.strokeStyle = of("head");
  c.fillStyle = of("head");
  c.lineWidth = 1.5;
  line(c, at, top + 4, bottom);
  c.beginPath();
  c.moveTo(at - 5, top);
  c.lineTo(at + 5, top);
  c.lineTo(at + 5, top + 5);
  c.lineTo(at, top + 10);
  c.lineTo(at - 5, top + 5);
  c.closePath();
  c.fill();
}

// -- small helpers

export function scale(view: Span, width: number): (s: number) => number {
  const share = width / (view.endS - view.startS);
  return (s) => (s - view.startS) * share;
}

function line(c: CanvasRenderingContext2D, x: number, from: number, to: number): void {
  c.beginPath();
  c.moveTo(x, from);
  c.lineTo(x, to);
  c.stroke();
}

function round(c: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, r: number): void {
  c.beginPath();
  c.roundRect(x, y, Math.max(0, w), h, Math.min(r, Math.max(0, w) / 2));
}

/** Text cut to a width; right-to-left text is set from the right of its place. */
function label(c: CanvasRenderingContext2D, text: string, x: number, y: number, width: number, colour: string): void {
  if (width < 16 || !text) return;
  const shown = text.length > 300 ? text.slice(0, 300) : text;
  c.fillStyle = colour;
  const rtl = /^[^\p{L}]*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(shown);
  c.direction = rtl ? "rtl" : "ltr";
  c.textAlign = "start";
  c.fillText(fitted(c, shown, width), rtl ? x + width : x, y);
  c.direction = "ltr";
  c.textAlign = "left";
}

function fitted(c: CanvasRenderingContext2D, text: string, width: number): string {
  if (c.measureText(text).width <= width) return text;
  let low = 0;
  let high = Math.min(text.length, Math.ceil(width / 3));
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (c.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return low > 0 ? `${text.slice(0, low).trimEnd()}…` : "";
}

/** Draw a picture so that it fills a box, cut at its sides. */
function cover(c: CanvasRenderingContext2D, picture: ImageBitmap, x: number, y: number, w: number, h: number): void {
  const share = Math.max(w / picture.width, h / picture.height);
  const sw = w / share;
  const sh = h / share;
  c.drawImage(picture, (picture.width - sw) / 2, (picture.height - sh) / 2, sw, sh, x, y, w, h);
}

function firstAfter(bands: Band[], startS: number): number {
  let low = 0;
  let high = bands.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bands[middle]!.end_s <= startS) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first entry that may reach into the view: entries stand by their start, and few are longer than two minutes. */
function firstEntry(entries: Entry[], startS: number): number {
  const from = startS - 120;
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle]!.start_s < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Draws the lane of a channel: its entries with their texts where few are in view, else how they are spread. */

import { label, round, scale } from "./canvas";
import { FONT, type Palette, type Row, type Scene } from "./scene";
import type { Entry, Gap, Hour, Run, Span } from "./types";

export function drawLane(c: CanvasRenderingContext2D, scene: Scene, row: Row, width: number, of: Palette): void {
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
  hatchGaps(c, row, scene.view, width, of, [...own, ...unread(scene.hour, name)]);
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

/** Hatch what was not read. */
export function hatchGaps(
  c: CanvasRenderingContext2D,
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

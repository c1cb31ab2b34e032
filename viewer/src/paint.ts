/** Draws the timeline: the whole video at the top, then times, bands, pictures and one lane per channel.
 *
 * Knows pixels and colours. It is given all data, and draws only what is in view. */

import { cover, label, line, round, scale } from "./canvas";
import { clock, fineClock } from "./format";
import { drawLane, hatchGaps } from "./paint-lane";
import { FONT, type Palette, type Row, type Scene, SMALL, heightOf, stripStep } from "./scene";
import type { Band } from "./types";

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
  hatchGaps(c, row, whole, width, of, scene.hour.gaps);
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

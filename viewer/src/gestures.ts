/** What a pointer and the keys do on the timeline: zoom, move the view, seek, choose a span. */

import { signal } from "@preact/signals";
import { clamp } from "./format";
import { dropWishes, frame } from "./frames";
import * as model from "./model";
import type { Row } from "./scene";
import type { Entry, Hit, Hour, Span } from "./types";

export const HOVER_WIDTH = 240;
const CLICK_PX = 5;

export interface Hover {
  s: number;
  x: number;
  y: number;
  row: Row | undefined;
}

interface Drag {
  kind: "pan" | "overview" | "span";
  x: number;
  view: Span;
  fromS: number;
  moved: boolean;
}

export class Gestures {
  readonly hover = signal<Hover | null>(null);
  canvas: HTMLCanvasElement | null = null;
  rows: Row[] = [];
  width = 1; // px of the canvas
  private drag: Drag | null = null;
  private readonly pointers = new Map<number, number>(); // x of each finger that is down
  private due = 0;

  constructor(public hour: Hour) {}

  readonly wheel = (event: WheelEvent): void => {
    event.preventDefault();
    dropWishes();
    const unit = event.deltaMode === 1 ? 16 : 1;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (sideways) {
      const delta = (event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX) * unit;
      model.pan((delta / this.width) * lengthS());
    } else {
      const turned = clamp(event.deltaY * unit, -200, 200) * (event.ctrlKey ? 0.01 : 0.0022);
      model.zoom(Math.exp(turned), this.timeAt(this.place(event).x));
    }
  };

  readonly down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const { x, row } = this.place(event);
    this.canvas!.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, x);
    const kind = row?.kind === "overview" ? "overview" : event.shiftKey ? "span" : "pan";
    this.drag = { kind, x, view: model.view.value, fromS: this.timeAt(x, kind === "overview"), moved: false };
    if (kind === "overview") this.moveOverview(x);
    this.hover.value = null;
  };

  readonly move = (event: PointerEvent): void => {
    const { x, y, row } = this.place(event);
    const now = this.drag;
    if (!now) {
      if (event.pointerType === "mouse") this.show(x, y, row);
      return;
    }
    if (this.pointers.size === 2 && this.pointers.has(event.pointerId)) return this.pinch(event.pointerId, x);
    this.pointers.set(event.pointerId, x);
    if (Math.abs(x - now.x) > CLICK_PX) now.moved = true;
    if (!now.moved) return;
    if (now.kind === "overview") this.moveOverview(x);
    else if (now.kind === "span") {
      const to = this.timeAt(x);
      const startS = Math.min(now.fromS, to);
      model.span.value = { startS, endS: Math.max(now.fromS, to, startS + 0.1) };
    } else {
      const shift = ((now.x - x) / this.width) * (now.view.endS - now.view.startS);
      model.setView(now.view.startS + shift, now.view.endS + shift);
    }
  };

  readonly up = (event: PointerEvent): void => {
    this.pointers.delete(event.pointerId);
    const now = this.drag;
    if (this.pointers.size === 0) this.drag = null;
    if (!now || now.moved) {
      if (now?.moved && now.kind === "span" && model.span.value) model.seek(model.span.value.startS);
      return;
    }
    const { x, row } = this.place(event);
    if (now.kind === "overview") model.seek(this.timeAt(x, true));
    else this.click(this.timeAt(x), row);
  };

  readonly leave = (): void => {
    this.hover.value = null;
  };

  readonly key = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const length = lengthS();
    const step = event.shiftKey ? 1 : clamp(length / 60, 0.2, 30);
    const acts: Record<string, () => void> = {
      ArrowLeft: () => jump(model.timeS.value - step),
      ArrowRight: () => jump(model.timeS.value + step),
      PageUp: () => jump(model.timeS.value - length * 0.8),
      PageDown: () => jump(model.timeS.value + length * 0.8),
      Home: () => jump(0),
      End: () => jump(this.hour.duration_s),
      ArrowUp: () => model.zoom(0.7),
      ArrowDown: () => model.zoom(1 / 0.7),
      "+": () => model.zoom(0.5),
      "=": () => model.zoom(0.5),
      "-": () => model.zoom(2),
      "0": () => model.setView(0, this.hour.duration_s),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };

  private timeAt(x: number, whole = false): number {
    const view = whole ? { startS: 0, endS: this.hour.duration_s } : model.view.value;
    return clamp(view.startS + (x / this.width) * (view.endS - view.startS), 0, this.hour.duration_s);
  }

  private place(event: { clientX: number; clientY: number }): { x: number; y: number; row: Row | undefined } {
    const bounds = this.canvas!.getBoundingClientRect();
    const y = event.clientY - bounds.top;
    const row = this.rows.find((one) => y >= one.y - 3 && y <= one.y + one.height + 3);
    return { x: event.clientX - bounds.left, y, row };
  }

  /** Two fingers: what is under each stays under it. */
  private pinch(id: number, x: number): void {
    const other = [...this.pointers].find(([key]) => key !== id)?.[1] ?? x;
    const before = Math.abs((this.pointers.get(id) ?? x) - other);
    const after = Math.abs(x - other);
    if (before > 8 && after > 8) model.zoom(before / after, this.timeAt((x + other) / 2));
    this.pointers.set(id, x);
    if (this.drag) this.drag.moved = true;
  }

  private click(s: number, row: Row | undefined): void {
    const band = row?.kind === "chapters" ? this.hour.chapters : row?.kind === "scenes" ? this.hour.scenes : null;
    const hit = row?.kind === "marks" ? this.nearestHit(s) : undefined;
    const entry = row?.kind === "lane" ? entryAt(row.channel!, s) : undefined;
    if (hit) return model.choose(hit.start_s, hit.end_s);
    const inside = band?.find((one) => one.start_s <= s && s < one.end_s);
    model.span.value = inside
      ? { startS: inside.start_s, endS: inside.end_s }
      : entry
        ? { startS: entry.start_s, endS: Math.max(entry.end_s, entry.start_s + 0.1) }
        : null;
    model.seek(s);
    model.remember();
  }

  private nearestHit(s: number): Hit | undefined {
    const reach = (lengthS() / this.width) * 20;
    return model.hits.value
      .filter((hit) => s >= hit.start_s - reach * 0.4 && s <= Math.max(hit.end_s, hit.start_s + reach))
      .sort((a, b) => Math.abs(a.start_s - s) - Math.abs(b.start_s - s))[0];
  }

  private moveOverview(x: number): void {
    const length = lengthS();
    if (length >= this.hour.duration_s - 0.01) return;
    const middle = this.timeAt(x, true);
    model.setView(middle - length / 2, middle + length / 2);
  }

  private show(x: number, y: number, row: Row | undefined): void {
    const at = this.timeAt(x, row?.kind === "overview");
    this.hover.value = { s: at, x, y, row };
    window.clearTimeout(this.due);
    this.due = window.setTimeout(() => frame(this.hour.video_id, hoverTime(this.hour, at), HOVER_WIDTH), 60);
  }
}

/** The entry of a channel at a time, among those that are in the page. */
export function entryAt(channel: string, s: number): Entry | undefined {
  return model.detail.value?.byChannel.get(channel)?.find((one) => one.start_s <= s && s <= Math.max(one.end_s, one.start_s + 0.2));
}

/** The time of the picture that is shown for a place: near ones share a picture. */
export function hoverTime(hour: Hour, s: number): number {
  const step = 2 ** Math.ceil(Math.log2(Math.max(0.5, lengthS() / 400)));
  return Math.min(Math.round(s / step) * step, Math.max(0, hour.duration_s - 0.05));
}

function lengthS(): number {
  return model.view.value.endS - model.view.value.startS;
}

function jump(to: number): void {
  model.seek(to);
  model.reveal(model.timeS.value, model.timeS.value);
}

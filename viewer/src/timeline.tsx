/** The timeline: the drawing, the labels beside it, and what pointer, wheel and keys do on it. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { channelName, clamp, clock, fineClock, spoken } from "./format";
import { arrived, dropWishes, frame, heldFrame, nearestFrame } from "./frames";
import * as model from "./model";
import { type Palette, type Row, heightOf, paint, rowsOf } from "./paint";
import type { Entry, Hour, Span } from "./types";
import { systemDark, theme } from "./host";

const STRIP_WIDTH = 160; // px of a strip picture
const HOVER_WIDTH = 240;
const REST_MS = 120; // a view that stands so long is loaded
const CLICK_PX = 5;

interface Drag {
  kind: "pan" | "overview" | "span";
  x: number;
  view: Span;
  fromS: number;
  moved: boolean;
}

export function Timeline({ hour }: { hour: Hour }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useSignal(0);
  const hover = useSignal<{ s: number; x: number; y: number; row: Row | undefined } | null>(null);
  const drag = useRef<Drag | null>(null);
  const pointers = useRef(new Map<number, number>());
  const palette = useRef<Palette>(() => "#888");
  const rows = useSignal<Row[]>([]);
  const hovered = useMemo(() => ({ due: 0 }), []);

  const marks = model.hits.value.length > 0 || (model.verdict.value?.spans?.length ?? 0) > 0;
  rows.value = rowsOf(hour, marks, width.value < 560 ? 40 : 54);
  const height = heightOf(rows.value);

  useLayoutEffect(() => {
    const node = canvas.current!;
    const watch = new ResizeObserver(() => (width.value = node.clientWidth));
    watch.observe(node);
    width.value = node.clientWidth;
    return () => watch.disconnect();
  }, []);

  useEffect(() => {
    // Not as a property: the browser takes wheel listeners that may stop scrolling only like this.
    const node = canvas.current!;
    node.addEventListener("wheel", wheel, { passive: false });
    return () => node.removeEventListener("wheel", wheel);
  }, []);

  useSignalEffect(() => {
    void model.view.value;
    void model.overview.value;
    const rest = window.setTimeout(() => void model.loadDetail(), REST_MS);
    return () => window.clearTimeout(rest);
  });

  useSignalEffect(() => {
    // Everything that the drawing shows; it is drawn once, with the next frame.
    const scene = {
      hour,
      view: model.view.value,
      timeS: model.timeS.value,
      span: model.span.value,
      hits: model.hits.value,
      found: model.verdict.value?.spans ?? [],
      verdictCoverage: [],
      overview: model.overview.value,
      fine: model.fine.value,
      detail: model.detail.value,
      hoverS: hover.value?.s ?? null,
      picture: (at: number) => frame(hour.video_id, at, STRIP_WIDTH),
      nearest: (at: number) => nearest(hour, at),
    };
    const drawn = rows.value;
    const wide = width.value;
    void arrived.value;
    void theme.value;
    void systemDark.value;
    const due = requestAnimationFrame(() => {
      const node = canvas.current;
      if (!node || !wide) return;
      const began = performance.now();
      const ratio = window.devicePixelRatio || 1;
      const [w, h] = [Math.round(wide * ratio), Math.round(heightOf(drawn) * ratio)];
      if (node.width !== w || node.height !== h) [node.width, node.height] = [w, h];
      const c = node.getContext("2d")!;
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      palette.current = colours(node);
      paint(c, scene, drawn, wide, palette.current);
      lastPaintMs.value = performance.now() - began;
    });
    return () => cancelAnimationFrame(due);
  });

  const timeAt = (x: number, whole = false): number => {
    const view = whole ? { startS: 0, endS: hour.duration_s } : model.view.value;
    return clamp(view.startS + (x / Math.max(1, width.value)) * (view.endS - view.startS), 0, hour.duration_s);
  };
  const place = (event: { clientX: number; clientY: number }) => {
    const bounds = canvas.current!.getBoundingClientRect();
    const y = event.clientY - bounds.top;
    return { x: event.clientX - bounds.left, y, row: rows.value.find((row) => y >= row.y - 3 && y <= row.y + row.height + 3) };
  };

  function wheel(event: WheelEvent): void {
    event.preventDefault();
    dropWishes();
    const unit = event.deltaMode === 1 ? 16 : 1;
    const length = model.view.value.endS - model.view.value.startS;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (sideways) {
      const delta = (event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX) * unit;
      model.pan((delta / Math.max(1, width.value)) * length);
    } else model.zoom(Math.exp(clamp(event.deltaY * unit, -200, 200) * (event.ctrlKey ? 0.01 : 0.0022)), timeAt(place(event).x));
  }

  function down(event: PointerEvent): void {
    if (event.button !== 0) return;
    const { x, row } = place(event);
    canvas.current!.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, x);
    const kind = row?.kind === "overview" ? "overview" : event.shiftKey ? "span" : "pan";
    drag.current = { kind, x, view: model.view.value, fromS: timeAt(x, kind === "overview"), moved: false };
    if (kind === "overview") moveOverview(x);
    hover.value = null;
  }

  function move(event: PointerEvent): void {
    const { x, y, row } = place(event);
    const held = pointers.current;
    const now = drag.current;
    if (!now) {
      if (event.pointerType === "mouse") show(x, y, row);
      return;
    }
    if (held.size === 2 && held.has(event.pointerId)) {
      pinch(event.pointerId, x);
      return;
    }
    held.set(event.pointerId, x);
    if (Math.abs(x - now.x) > CLICK_PX) now.moved = true;
    if (!now.moved) return;
    if (now.kind === "overview") moveOverview(x);
    else if (now.kind === "span") {
      const to = timeAt(x);
      model.span.value = { startS: Math.min(now.fromS, to), endS: Math.max(now.fromS, to, Math.min(now.fromS, to) + 0.1) };
    } else {
      const shift = ((now.x - x) / Math.max(1, width.value)) * (now.view.endS - now.view.startS);
      model.setView(now.view.startS + shift, now.view.endS + shift);
    }
  }

  /** Two fingers: what is under each stays under it. */
  function pinch(id: number, x: number): void {
    const held = pointers.current;
    const other = [...held].find(([key]) => key !== id)?.[1] ?? x;
    const before = Math.abs((held.get(id) ?? x) - other);
    const after = Math.abs(x - other);
    if (before > 8 && after > 8) model.zoom(before / after, timeAt((x + other) / 2));
    held.set(id, x);
    if (drag.current) drag.current.moved = true;
  }

  function up(event: PointerEvent): void {
    pointers.current.delete(event.pointerId);
    const now = drag.current;
    if (pointers.current.size === 0) drag.current = null;
    if (!now || now.moved) {
      if (now?.moved && now.kind === "span" && model.span.value) model.seek(model.span.value.startS);
      return;
    }
    const { x, row } = place(event);
    if (now.kind === "overview") return model.seek(timeAt(x, true));
    click(timeAt(x), row);
  }

  function click(s: number, row: Row | undefined): void {
    const band = row?.kind === "chapters" ? hour.chapters : row?.kind === "scenes" ? hour.scenes : null;
    const hit = row?.kind === "marks" ? nearestHit(s) : undefined;
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

  function nearestHit(s: number) {
    const reach = ((model.view.value.endS - model.view.value.startS) / Math.max(1, width.value)) * 20;
    return model.hits.value
      .filter((hit) => s >= hit.start_s - reach * 0.4 && s <= Math.max(hit.end_s, hit.start_s + reach))
      .sort((a, b) => Math.abs(a.start_s - s) - Math.abs(b.start_s - s))[0];
  }

  function moveOverview(x: number): void {
    const length = model.view.value.endS - model.view.value.startS;
    if (length >= hour.duration_s - 0.01) return;
    const middle = timeAt(x, true);
    model.setView(middle - length / 2, middle + length / 2);
  }

  function show(x: number, y: number, row: Row | undefined): void {
    hover.value = { s: timeAt(x, row?.kind === "overview"), x, y, row };
    window.clearTimeout(hovered.due);
    const at = hover.value.s;
    hovered.due = window.setTimeout(() => frame(hour.video_id, hoverTime(hour, at), HOVER_WIDTH), 60);
  }

  function key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const length = model.view.value.endS - model.view.value.startS;
    const step = event.shiftKey ? 1 : clamp(length / 60, 0.2, 30);
    const acts: Record<string, () => void> = {
      ArrowLeft: () => jump(model.timeS.value - step),
      ArrowRight: () => jump(model.timeS.value + step),
      PageUp: () => jump(model.timeS.value - length * 0.8),
      PageDown: () => jump(model.timeS.value + length * 0.8),
      Home: () => jump(0),
      End: () => jump(hour.duration_s),
      ArrowUp: () => model.zoom(0.7),
      ArrowDown: () => model.zoom(1 / 0.7),
      "+": () => model.zoom(0.5),
      "=": () => model.zoom(0.5),
      "-": () => model.zoom(2),
      "0": () => model.setView(0, hour.duration_s),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  function jump(to: number): void {
    model.seek(to);
    model.reveal(model.timeS.value, model.timeS.value);
  }

  const at = model.timeS.value;
  const chapter = hour.chapters.find((one) => one.start_s <= at && at < one.end_s);
  return (
    <section class="timeline" aria-label="Timeline" dir="ltr">
      <div class="zoombar">
        <span class="range">
          {clock(model.view.value.startS)} – {clock(model.view.value.endS)}
        </span>
        <span class="grow" />
        <button type="button" class="icon" title="Zoom out (−)" aria-label="Zoom out" onClick={() => model.zoom(2)}>
          −
        </button>
        <button type="button" class="icon" title="Zoom in (+)" aria-label="Zoom in" onClick={() => model.zoom(0.5)}>
          +
        </button>
        <button type="button" class="small" title="Show the whole video (0)" onClick={() => model.setView(0, hour.duration_s)}>
          Whole video
        </button>
      </div>
      <div class="lanes">
        <div class="gutter" aria-hidden="true" style={{ height: `${height}px` }}>
          {rows.value.map((row) => (
            <span key={row.kind + (row.channel ?? "")} style={{ top: `${row.y}px`, height: `${row.height}px` }} title={whyOf(hour, row)}>
              {row.channel && <i class={`dot ch-${row.channel}`} />}
              {row.label}
            </span>
          ))}
        </div>
        <div
          ref={box}
          class="surface"
          role="slider"
          tabIndex={0}
          aria-label="Playhead"
          aria-valuemin={0}
          aria-valuemax={Math.round(hour.duration_s)}
          aria-valuenow={Math.round(at)}
          aria-valuetext={`${spoken(at)}${chapter ? `, ${chapter.title}` : ""}`}
          aria-keyshortcuts="ArrowLeft ArrowRight PageUp PageDown Home End + - 0"
          onKeyDown={key}
        >
          <canvas
            ref={canvas}
            style={{ height: `${height}px` }}
            onPointerDown={down}
            onPointerMove={move}
            onPointerUp={up}
            onPointerCancel={up}
            onPointerLeave={() => (hover.value = null)}
          />
          <Tip hour={hour} hover={hover.value} width={width.value} />
        </div>
      </div>
    </section>
  );
}

/** How long the last drawing took; the bench reads it. */
export const lastPaintMs = { value: 0 };

function Tip({ hour, hover, width }: { hour: Hour; hover: { s: number; x: number; y: number; row: Row | undefined } | null; width: number }) {
  const node = useRef<HTMLCanvasElement>(null);
  void arrived.value;
  const picture = hover ? (heldFrame(hour.video_id, hoverTime(hour, hover.s), HOVER_WIDTH) ?? nearest(hour, hover.s)) : null;
  useLayoutEffect(() => {
    const c = node.current?.getContext("2d");
    if (!c || !picture) return;
    c.canvas.width = picture.width;
    c.canvas.height = picture.height;
    c.drawImage(picture, 0, 0);
  });
  if (!hover) return null;
  const texts = textsAt(hover.s);
  const hit = hover.row?.kind === "marks" ? model.hits.value.find((one) => one.start_s <= hover.s && hover.s <= one.end_s) : undefined;
  const gap = hour.gaps.find((one) => one.start_s <= hover.s && hover.s < one.end_s && (!one.channel || one.channel === hover.row?.channel));
  const left = clamp(hover.x - 120, 0, Math.max(0, width - 240));
  return (
    <div class="tip" style={{ left: `${left}px` }} role="presentation">
      {picture && <canvas ref={node} />}
      <b>{fineClock(hover.s)}</b>
      {hit && (
        <p>
          Hit {hit.rank}, {hit.strength}
        </p>
      )}
      {texts.map((entry) => (
        <p key={entry.id} dir="auto">
          <i class={`dot ch-${entry.channel}`} /> {entry.text.slice(0, 160)}
        </p>
      ))}
      {gap && <p class="muted">Not read: {gap.why}</p>}
    </div>
  );
}

function textsAt(s: number): Entry[] {
  const held = model.detail.value;
  if (!held || s < held.from || s > held.to) return [];
  const found: Entry[] = [];
  for (const channel of held.byChannel.keys()) {
    const entry = entryAt(channel, s);
    if (entry) found.push(entry);
  }
  return found.slice(0, 4);
}

function entryAt(channel: string, s: number): Entry | undefined {
  return model.detail.value?.byChannel.get(channel)?.find((one) => one.start_s <= s && s <= Math.max(one.end_s, one.start_s + 0.2));
}

function nearest(hour: Hour, at: number): ImageBitmap | null {
  return nearestFrame(hour.video_id, at, STRIP_WIDTH);
}

function hoverTime(hour: Hour, s: number): number {
  const step = 2 ** Math.ceil(Math.log2(Math.max(0.5, (model.view.value.endS - model.view.value.startS) / 400)));
  return Math.min(Math.round(s / step) * step, Math.max(0, hour.duration_s - 0.05));
}

function whyOf(hour: Hour, row: Row): string {
  const channel = hour.channels.find((one) => one.name === row.channel);
  if (!channel) return row.label;
  const language = channel.language ? `, ${channel.language}` : "";
  return `${channelName(channel.name)}: ${channel.state}, ${channel.entries} entries${language}${channel.why ? `. ${channel.why}` : ""}`;
}

function colours(node: Element): Palette {
  const style = getComputedStyle(node);
  const known = new Map<string, string>();
  return (name) => {
    let colour = known.get(name);
    if (colour === undefined) {
      colour = style.getPropertyValue(`--${name}`).trim() || style.getPropertyValue("--muted").trim();
      known.set(name, colour);
    }
    return colour;
  };
}

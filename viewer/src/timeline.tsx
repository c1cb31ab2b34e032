/** The timeline: a canvas that is drawn when anything it shows has changed, and what pointer and keys do on it. */

import { type Signal, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { channelName, clock, spoken } from "./format";
import { arrived, frame, nearestFrame } from "./frames";
import { Gestures } from "./gestures";
import { systemDark, theme } from "./host";
import * as model from "./model";
import { paint } from "./paint";
import { type Palette, type Row, STRIP_WIDTH, type Scene, heightOf, rowsOf } from "./scene";
import { Tip } from "./tip";
import type { Hour } from "./types";

const REST_MS = 120; // a view that stands so long is loaded

/** How long the last drawing took; the bench reads it. */
export const lastPaintMs = { value: 0 };

export function Timeline({ hour }: { hour: Hour }) {
  const width = useSignal(0);
  const rows = useSignal<Row[]>([]);
  const gestures = useMemo(() => new Gestures(hour), [hour.video_id]);
  const marks = model.hits.value.length > 0 || (model.verdict.value?.spans?.length ?? 0) > 0;
  rows.value = rowsOf(hour, marks, width.value < 560 ? 40 : 54);
  Object.assign(gestures, { hour, rows: rows.value, width: Math.max(1, width.value) });
  useSignalEffect(() => {
    void model.view.value;
    void model.overview.value;
    const rest = window.setTimeout(() => void model.loadDetail(), REST_MS);
    return () => window.clearTimeout(rest);
  });
  return (
    <section class="timeline" aria-label="Timeline" dir="ltr">
      <ZoomBar hour={hour} />
      <div class="lanes">
        <Gutter hour={hour} rows={rows.value} />
        <Playhead hour={hour} gestures={gestures}>
          <Surface hour={hour} rows={rows} width={width} gestures={gestures} />
          <Tip hour={hour} hover={gestures.hover.value} width={width.value} />
        </Playhead>
      </div>
    </section>
  );
}

function ZoomBar({ hour }: { hour: Hour }) {
  return (
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
  );
}

/** The names of the rows. */
function Gutter({ hour, rows }: { hour: Hour; rows: Row[] }) {
  return (
    <div class="gutter" aria-hidden="true" style={{ height: `${heightOf(rows)}px` }}>
      {rows.map((row) => (
        <span key={row.kind + (row.channel ?? "")} style={{ top: `${row.y}px`, height: `${row.height}px` }} title={whyOf(hour, row)}>
          {row.channel && <i class={`dot ch-${row.channel}`} />}
          {row.label}
        </span>
      ))}
    </div>
  );
}

/** The timeline as a screen reader and the keyboard know it: a slider. */
function Playhead({ hour, gestures, children }: { hour: Hour; gestures: Gestures; children: preact.ComponentChildren }) {
  const at = model.timeS.value;
  const chapter = hour.chapters.find((one) => one.start_s <= at && at < one.end_s);
  return (
    <div
      class="surface"
      role="slider"
      tabIndex={0}
      aria-label="Playhead"
      aria-valuemin={0}
      aria-valuemax={Math.round(hour.duration_s)}
      aria-valuenow={Math.round(at)}
      aria-valuetext={`${spoken(at)}${chapter ? `, ${chapter.title}` : ""}`}
      aria-keyshortcuts="ArrowLeft ArrowRight PageUp PageDown Home End + - 0"
      onKeyDown={gestures.key}
    >
      {children}
    </div>
  );
}

function Surface({ hour, rows, width, gestures }: { hour: Hour; rows: Signal<Row[]>; width: Signal<number>; gestures: Gestures }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const node = canvas.current!;
    gestures.canvas = node;
    const watch = new ResizeObserver(() => (width.value = node.clientWidth));
    watch.observe(node);
    width.value = node.clientWidth;
    return () => watch.disconnect();
  }, [gestures]);
  useEffect(() => {
    // Not as a property: the browser takes wheel listeners that may stop scrolling only like this.
    const node = canvas.current!;
    node.addEventListener("wheel", gestures.wheel, { passive: false });
    return () => node.removeEventListener("wheel", gestures.wheel);
  }, [gestures]);
  useSignalEffect(() => {
    // Everything that the drawing shows; it is drawn once, with the next frame.
    const scene = sceneOf(hour, gestures.hover.value?.s ?? null);
    const drawn = rows.value;
    const wide = width.value;
    void arrived.value;
    void theme.value;
    void systemDark.value;
    const due = requestAnimationFrame(() => canvas.current && wide && draw(canvas.current, scene, drawn, wide));
    return () => cancelAnimationFrame(due);
  });
  return (
    <canvas
      ref={canvas}
      style={{ height: `${heightOf(rows.value)}px` }}
      onPointerDown={gestures.down}
      onPointerMove={gestures.move}
      onPointerUp={gestures.up}
      onPointerCancel={gestures.up}
      onPointerLeave={gestures.leave}
    />
  );
}

function sceneOf(hour: Hour, hoverS: number | null): Scene {
  return {
    hour,
    view: model.view.value,
    timeS: model.timeS.value,
    span: model.span.value,
    hits: model.hits.value,
    found: model.verdict.value?.spans ?? [],
    overview: model.overview.value,
    fine: model.fine.value,
    detail: model.detail.value,
    hoverS,
    picture: (at) => frame(hour.video_id, at, STRIP_WIDTH),
    nearest: (at) => nearestFrame(hour.video_id, at, STRIP_WIDTH),
  };
}

function draw(node: HTMLCanvasElement, scene: Scene, rows: Row[], width: number): void {
  const began = performance.now();
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(heightOf(rows) * ratio)];
  if (node.width !== w || node.height !== h) [node.width, node.height] = [w, h];
  const c = node.getContext("2d")!;
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  paint(c, scene, rows, width, colours(node));
  lastPaintMs.value = performance.now() - began;
}

function whyOf(hour: Hour, row: Row): string {
  const channel = hour.channels.find((one) => one.name === row.channel);
  if (!channel) return row.label;
  const language = channel.language ? `, ${channel.language}` : "";
  return `${channelName(channel.name)}: ${channel.state}, ${channel.entries} entries${language}${channel.why ? `. ${channel.why}` : ""}`;
}

const known = new Map<string, string>(); // by theme and name

/** The colours of the style sheet in the theme of now. A canvas does not know light-dark(), so an element resolves it. */
function colours(node: HTMLElement): Palette {
  const style = getComputedStyle(node);
  const mode = `${theme.peek() ?? (systemDark.peek() ? "dark" : "light")} `;
  return (name) => {
    let colour = known.get(mode + name);
    if (colour === undefined) {
      node.style.color = `var(--${name}, var(--muted))`;
      colour = style.color;
      node.style.color = "";
      known.set(mode + name, colour);
    }
    return colour;
  };
}

/** What stands at the pointer on the timeline: the picture of that time, its texts, and why it was not read. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { clamp, fineClock } from "./format";
import { arrived, heldFrame, nearestFrame } from "./frames";
import { HOVER_WIDTH, type Hover, entryAt, hoverTime } from "./gestures";
import * as model from "./model";
import { STRIP_WIDTH } from "./scene";
import type { Entry, Hour } from "./types";

const MOST_TEXTS = 4;

export function Tip({ hour, hover, width }: { hour: Hour; hover: Hover | null; width: number }) {
  const node = useRef<HTMLCanvasElement>(null);
  void arrived.value;
  const picture = hover ? pictureAt(hour, hover.s) : null;
  useLayoutEffect(() => {
    const c = node.current?.getContext("2d");
    if (!c || !picture) return;
    c.canvas.width = picture.width;
    c.canvas.height = picture.height;
    c.drawImage(picture, 0, 0);
  });
  if (!hover) return null;
  const hit = hover.row?.kind === "marks" ? model.hits.value.find((one) => one.start_s <= hover.s && hover.s <= one.end_s) : undefined;
  const gap = hour.gaps.find((one) => one.start_s <= hover.s && hover.s < one.end_s && (!one.channel || one.channel === hover.row?.channel));
  const left = clamp(hover.x - HOVER_WIDTH / 2, 0, Math.max(0, width - HOVER_WIDTH));
  return (
    <div class="tip" style={{ left: `${left}px` }} role="presentation">
      {picture && <canvas ref={node} />}
      <b>{fineClock(hover.s)}</b>
      {hit && (
        <p>
          Hit {hit.rank}, {hit.strength}
        </p>
      )}
      {textsAt(hover.s).map((entry) => (
        <p key={entry.id} dir="auto">
          <i class={`dot ch-${entry.channel}`} /> {entry.text.slice(0, 160)}
        </p>
      ))}
      {gap && <p class="muted">Not read: {gap.why}</p>}
    </div>
  );
}

function pictureAt(hour: Hour, s: number): ImageBitmap | null {
  return heldFrame(hour.video_id, hoverTime(hour, s), HOVER_WIDTH) ?? nearestFrame(hour.video_id, s, STRIP_WIDTH);
}

function textsAt(s: number): Entry[] {
  const held = model.detail.value;
  if (!held || s < held.from || s > held.to) return [];
  const found = [...held.byChannel.keys()].map((channel) => entryAt(channel, s));
  return found.filter((entry) => entry !== undefined).slice(0, MOST_TEXTS);
}

/** The text of a video around the playhead: as many entries as one reads; more come when one scrolls to an end. */

import { type Signal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { channelName, clock } from "./format";
import { Passage } from "./passage";
import * as model from "./model";
import type { Entry, Hour } from "./types";

const NEAR_PX = 400; // of the end of the list, where the next page is asked for

export function Text({ hour }: { hour: Hour }) {
  const hidden = useSignal<Set<string>>(new Set());
  const passage = useMemo(() => new Passage(hour), [hour.video_id]);
  passage.hour = hour;

  useEffect(() => void passage.load(), [hour.video_id, hour.notes]);
  useSignalEffect(() => {
    void model.seeks.value;
    passage.follow();
  });
  useSignalEffect(() => {
    if (model.playing.value && model.timeS.value) passage.scroll(false);
  });

  const wanted = useComputed(() => (passage.entries.value ?? []).filter((entry) => !hidden.value.has(entry.channel)));
  const shown = wanted.value;
  const now = useComputed(() => currentOf(wanted.value, model.timeS.value)).value; // not the time itself: the list is drawn again only where another entry is the one
  if (!passage.entries.value) return <p class="empty">Loading…</p>;
  return (
    <>
      <Filters hour={hour} hidden={hidden} />
      {!shown.length && <p class="empty">No text here. The pictures can still be looked at.</p>}
      <div
        class="scroll"
        tabIndex={-1}
        onScroll={({ currentTarget: box }) => {
          if (box.scrollTop + box.clientHeight > box.scrollHeight - NEAR_PX) void passage.later();
          if (box.scrollTop < 60) void passage.earlier();
        }}
      >
        <ol ref={(node) => void (passage.box = node?.parentElement ?? null)} class="text">
          {shown.map((entry, place) => (
            <Row key={entry.id} entry={entry} now={place === now} />
          ))}
        </ol>
      </div>
    </>
  );
}

/** The place of what is said at a time; screen text, which stands long, only where nothing is said. */
function currentOf(entries: Entry[], at: number): number {
  let now = -1;
  entries.forEach((entry, place) => {
    if (entry.start_s <= at + 0.05 && (entry.channel !== "screen_text" || now < 0)) now = place;
  });
  return now;
}

function Row({ entry, now }: { entry: Entry; now: boolean }) {
  return (
    <li {...(now ? { "data-now": true } : {})}>
      <button
        type="button"
        aria-current={now ? "time" : undefined}
        onClick={() => model.choose(entry.start_s, Math.max(entry.end_s, entry.start_s + 0.1))}
      >
        <time>{clock(entry.start_s)}</time>
        <i class={`dot ch-${entry.channel}`} title={channelName(entry.channel)} />
        <span dir="auto">
          {entry.speaker && <b>{entry.speaker}: </b>}
          {entry.text}
        </span>
        <span class="offscreen">{channelName(entry.channel)}</span>
      </button>
    </li>
  );
}

function Filters({ hour, hidden }: { hour: Hour; hidden: Signal<Set<string>> }) {
  const names = [...new Set(hour.channels.filter((one) => one.entries && one.name !== "frames").map((one) => one.name))];
  if (hour.notes && !names.includes("notes")) names.push("notes");
  if (names.length < 2) return null;
  return (
    <div class="filters" role="group" aria-label="Shown channels">
      {names.map((name) => (
        <button
          type="button"
          key={name}
          aria-pressed={!hidden.value.has(name)}
          onClick={() => {
            const next = new Set(hidden.value);
            if (!next.delete(name)) next.add(name);
            hidden.value = next;
          }}
        >
          <i class={`dot ch-${name}`} />
          {channelName(name)}
        </button>
      ))}
    </div>
  );
}

/** Beside the player: the text of the video, the hits, the verdict, and what is known of the file. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { channelName, clock, marked } from "./format";
import * as model from "./model";
import type { Coverage, Entries, Entry, Hit, Hour } from "./types";

const MOST_ROWS = 1200; // rows that stay in the document
const AROUND_S = 60; // before a jump, so that what was said just before is seen

export function Panel({ hour }: { hour: Hour }) {
  const found = model.search.value?.hits.length ?? 0;
  const tabs: [model.Tab, string][] = [
    ["text", "Text"],
    ["hits", model.search.value ? `Hits ${found}${model.search.value.more ? "+" : ""}` : "Hits"],
    ["verdict", "Verdict"],
    ["about", "About"],
  ];
  const keys = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const place = tabs.findIndex(([name]) => name === model.tab.value);
    const next = tabs[(place + step + tabs.length) % tabs.length]![0];
    model.tab.value = next;
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <section class="panel" aria-label="Text and results">
      <div class="tabs" role="tablist" aria-label="Text and results" onKeyDown={keys}>
        {tabs.map(([name, title]) => (
          <button
            type="button"
            key={name}
            id={`tab-${name}`}
            role="tab"
            aria-selected={model.tab.value === name}
            aria-controls="tabpanel"
            tabIndex={model.tab.value === name ? 0 : -1}
            onClick={() => (model.tab.value = name)}
          >
            {title}
          </button>
        ))}
      </div>
      <div class="tabpanel" id="tabpanel" role="tabpanel" aria-labelledby={`tab-${model.tab.value}`} tabIndex={0}>
        {model.tab.value === "text" && <Text key={hour.video_id} hour={hour} />}
        {model.tab.value === "hits" && <Hits everywhere={false} />}
        {model.tab.value === "verdict" && <VerdictView hour={hour} />}
        {model.tab.value === "about" && <About hour={hour} />}
      </div>
    </section>
  );
}

/** The entries around the playhead, as many as one reads; more come when one scrolls to an end. */
function Text({ hour }: { hour: Hour }) {
  const list = useRef<HTMLOListElement>(null);
  const entries = useSignal<Entry[] | null>(null);
  const bounds = useRef({ fromS: 0, toS: 0, whole: false, more: "", loading: false, turn: 0 });
  const hidden = useSignal<Set<string>>(new Set());

  async function load(fromS: number): Promise<void> {
    const now = bounds.current;
    const turn = ++now.turn;
    now.loading = true;
    const page = await model.attempt(() =>
      model.host.call<Entries>("view_entries", { video: hour.video_id, start_s: fromS, end_s: hour.duration_s }),
    );
    if (turn !== now.turn) return;
    now.loading = false;
    if (!page) return void (entries.value = entries.value ?? []);
    Object.assign(now, { fromS, more: page.cursor ?? "", toS: page.entries[page.entries.length - 1]?.end_s ?? hour.duration_s });
    entries.value = page.entries;
    requestAnimationFrame(() => follow(true));
  }

  async function later(): Promise<void> {
    const now = bounds.current;
    if (!now.more || now.loading) return;
    now.loading = true;
    const asked = { video: hour.video_id, start_s: now.fromS, end_s: hour.duration_s, more: now.more };
    const page = await model.attempt(() => model.host.call<Entries>("view_entries", asked));
    now.loading = false;
    if (!page) return void (now.more = "");
    now.more = page.cursor ?? "";
    entries.value = [...(entries.value ?? []), ...page.entries].slice(-MOST_ROWS);
  }

  async function earlier(): Promise<void> {
    const now = bounds.current;
    const first = entries.value?.[0];
    if (now.loading || !first || now.fromS <= 0) return;
    now.loading = true;
    const fromS = Math.max(0, now.fromS - 300);
    const asked = { video: hour.video_id, start_s: fromS, end_s: Math.max(first.start_s, 0.01) };
    const page = await model.attempt(() => model.host.call<Entries>("view_entries", asked));
    now.loading = false;
    if (!page) return;
    const known = new Set(entries.value!.map((entry) => entry.id));
    const before = page.entries.filter((entry) => !known.has(entry.id));
    const node = list.current?.parentElement;
    const height = node?.scrollHeight ?? 0;
    now.fromS = fromS;
    entries.value = [...before, ...entries.value!];
    requestAnimationFrame(() => node && (node.scrollTop += node.scrollHeight - height));
  }

  /** Bring what is said now into sight. */
  function follow(always: boolean): void {
    const node = list.current?.querySelector<HTMLElement>("[data-now]") ?? null;
    const box = list.current?.parentElement;
    if (!node || !box) return;
    const top = node.offsetTop - box.offsetTop;
    const inside = top >= box.scrollTop + 8 && top + node.offsetHeight <= box.scrollTop + box.clientHeight - 8;
    if (!inside || always) box.scrollTop = top - box.clientHeight / 3;
  }

  useEffect(() => void load(Math.max(0, model.timeS.peek() - AROUND_S)), [hour.video_id, hour.notes]);

  useSignalEffect(() => {
    void model.seeks.value;
    const at = model.timeS.peek();
    const shown = entries.peek();
    if (!shown) return;
    const last = shown[shown.length - 1]?.end_s ?? hour.duration_s;
    const first = shown[0]?.start_s ?? 0;
    const loaded = at >= Math.min(first, bounds.current.fromS) && (at <= last || !bounds.current.more);
    if (loaded) requestAnimationFrame(() => follow(false));
    else void load(Math.max(0, at - AROUND_S));
  });

  const at = model.timeS.value;
  const shown = (entries.value ?? []).filter((entry) => !hidden.value.has(entry.channel));
  let now = -1;
  shown.forEach((entry, place) => {
    if (entry.start_s <= at + 0.05 && (entry.channel !== "screen_text" || now < 0)) now = place;
  });
  useSignalEffect(() => {
    if (model.playing.value && model.timeS.value) follow(false);
  });
  const names = [...new Set(hour.channels.filter((one) => one.entries && one.name !== "frames").map((one) => one.name))];
  if (hour.notes && !names.includes("notes")) names.push("notes");

  if (!entries.value) return <p class="empty">Loading…</p>;
  return (
    <>
      {names.length > 1 && (
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
      )}
      {!shown.length && <p class="empty">No text here. The pictures can still be looked at.</p>}
      <div
        class="scroll"
        tabIndex={-1}
        onScroll={(event) => {
          const box = event.currentTarget;
          if (box.scrollTop + box.clientHeight > box.scrollHeight - 400) void later();
          if (box.scrollTop < 60) void earlier();
        }}
      >
        <ol ref={list} class="text">
          {shown.map((entry, place) => (
            <li key={entry.id} {...(place === now ? { "data-now": true } : {})}>
              <button
                type="button"
                aria-current={place === now ? "time" : undefined}
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
          ))}
        </ol>
      </div>
    </>
  );
}

/** The hits of the last search. Args: everywhere: with the titles of their videos. */
export function Hits({ everywhere }: { everywhere: boolean }) {
  const found = model.search.value;
  if (!found)
    return (
      <p class="empty">
        Search for what is said or shown. <kbd>/</kbd> goes to the search box.
      </p>
    );
  const here = model.hour.value?.video_id;
  return (
    <div class="scroll" tabIndex={-1}>
      <p class="sentence" role="status">
        {found.summary || `${found.hits.length} hits.`}
      </p>
      <ol class="hits">
        {found.hits.map((hit) => (
          <HitRow key={hit.uri + hit.rank} hit={hit} query={found.query} titled={everywhere || found.everywhere || hit.video_id !== here} />
        ))}
      </ol>
      {found.cursor && (
        <button type="button" class="more" onClick={() => void model.find(found.query, true)}>
          More hits
        </button>
      )}
      {found.coverage && <CoverageView coverage={found.coverage} />}
    </div>
  );
}

const TEXTS = ["subtitles", "speech", "screen_text", "captions", "notes"];

/** The channels that say something there, those that matched first. */
function textsOf(hit: Hit): string[] {
  const matched = (name: string) => hit.matched.some((how) => how.startsWith(`${name}:`));
  const there = TEXTS.filter((name) => typeof hit[name] === "string");
  return [...there.filter(matched), ...there.filter((name) => !matched(name))];
}

function HitRow({ hit, query, titled }: { hit: Hit; query: string; titled: boolean }) {
  const chosen = model.hour.value?.video_id === hit.video_id && model.span.value?.startS === hit.start_s;
  const open = () =>
    model.hour.value?.video_id === hit.video_id
      ? model.choose(hit.start_s, hit.end_s)
      : void model.openVideo(hit.video_id, hit.start_s, hit.end_s).then(() => (model.tab.value = "hits"));
  return (
    <li>
      <button type="button" class={chosen ? "chosen" : ""} aria-current={chosen || undefined} onClick={open}>
        <span class="head">
          <span class={`rank ${hit.strength}`} aria-label={`Hit ${hit.rank}`}>
            {hit.rank}
          </span>
          <time>{clock(hit.start_s)}</time>
          {titled && (
            <span class="of" dir="auto">
              {hit.title}
            </span>
          )}
          <span class="grow" />
          <span class={`strength ${hit.strength}`}>{hit.strength}</span>
          <span class="score">{hit.score.toFixed(2)}</span>
        </span>
        {textsOf(hit).map((name) => (
          <span class="said" key={name}>
            <i class={`dot ch-${name}`} title={channelName(name)} />
            <span dir="auto">
              <Marked text={hit[name] as string} query={query} />
            </span>
          </span>
        ))}
        <span class="why">{hit.matched.map(matchOf).join(" · ")}</span>
      </button>
    </li>
  );
}

function matchOf(text: string): string {
  const [channel, how] = text.split(":");
  const by = how === "words" ? "by its words" : how === "meaning" ? "by its meaning" : `by ${how ?? ""}`;
  return `${channelName(channel ?? "")} ${by}`;
}

function Marked({ text, query }: { text: string; query: string }) {
  return <>{marked(text, query).map((part, place) => (part.hit ? <mark key={place}>{part.text}</mark> : part.text))}</>;
}

function CoverageView({ coverage }: { coverage: Coverage }) {
  const channels = Object.entries(coverage.channels ?? {});
  return (
    <details class="coverage">
      <summary>{Math.round(coverage.share * 100)} % of the span was searched</summary>
      <dl>
        {channels.map(([name, phrase]) => (
          <div key={name}>
            <dt>{channelName(name)}</dt>
            <dd>{phrase}</dd>
          </div>
        ))}
        {(coverage.gaps ?? []).map((gap, place) => (
          <div key={place}>
            <dt>
              {clock(gap.start_s)}–{clock(gap.end_s)}
            </dt>
            <dd>{gap.why}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

const WORDS: Record<string, string> = { present: "It happens", absent: "It does not happen", uncertain: "Uncertain" };

function VerdictView({ hour }: { hour: Hour }) {
  const found = model.verdict.value;
  if (!found || found.videoId !== hour.video_id)
    return <p class="empty">Write what should happen, then choose “Check”: does it happen in this video, and when?</p>;
  const word = found.verdict ?? "uncertain";
  return (
    <div class="scroll verdict" tabIndex={-1}>
      <p class="event" dir="auto">
        {found.event}
      </p>
      <p class={`word ${word}`} role="status">
        {WORDS[word]}
        {found.probability !== undefined && <span>p = {found.probability.toFixed(2)}</span>}
      </p>
      {found.why && <p>{found.why}</p>}
      {(found.spans ?? []).map((one) => (
        <button type="button" class="span" key={one.uri} onClick={() => model.choose(one.start_s, one.end_s)}>
          <span class="head">
            <time>
              {clock(one.start_s)}–{clock(one.end_s)}
            </time>
            <span class="grow" />
            <span class="score">{Math.round(one.confidence * 100)} %</span>
          </span>
          <span class="bar" aria-hidden="true">
            <i style={{ inlineSize: `${Math.round(one.confidence * 100)}%` }} />
          </span>
          <span class="said" dir="auto">
            {one.evidence}
          </span>
        </button>
      ))}
      {found.best_rejected && (
        <button type="button" class="span" onClick={() => model.choose(found.best_rejected!.start_s, found.best_rejected!.end_s)}>
          <span class="head">
            Nearest, not accepted: <time>{clock(found.best_rejected.start_s)}</time>
          </span>
          <span class="said" dir="auto">
            {found.best_rejected.evidence}
          </span>
        </button>
      )}
      {found.coverage && <p class="muted">{Math.round(found.coverage.share * 100)} % of the span was searched.</p>}
      {(found.not_judged ?? []).length > 0 && (
        <>
          <h3>Not judged</h3>
          <dl>
            {found.not_judged!.map((one) => (
              <div key={one.channel}>
                <dt>{channelName(one.channel)}</dt>
                <dd>{one.why}</dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </div>
  );
}

function About({ hour }: { hour: Hour }) {
  return (
    <div class="scroll about" tabIndex={-1}>
      <dl>
        <div>
          <dt>Length</dt>
          <dd>{clock(hour.duration_s)}</dd>
        </div>
        {hour.width && (
          <div>
            <dt>Picture</dt>
            <dd>
              {hour.width} × {hour.height}
              {hour.fps ? `, ${Math.round(hour.fps * 100) / 100} fps` : ""}
            </dd>
          </div>
        )}
        <div>
          <dt>Id</dt>
          <dd>
            <code>{hour.video_id}</code>
          </dd>
        </div>
        {hour.channels.map((one) => (
          <div key={one.name}>
            <dt>{channelName(one.name)}</dt>
            <dd>
              {one.state}
              {one.entries ? `, ${one.entries.toLocaleString("en")} entries` : ""}
              {one.language ? `, ${one.language}` : ""}
              {one.why ? `. ${one.why}` : ""}
            </dd>
          </div>
        ))}
      </dl>
      {hour.hint && <p>{hour.hint}</p>}
      {hour.closed && <p>It cannot be played: {hour.closed}.</p>}
      {hour.not_known.length > 0 && (
        <>
          <h3>Not known of this video</h3>
          <dl>
            {hour.not_known.map((one) => (
              <div key={one.channel + one.why}>
                <dt>{channelName(one.channel)}</dt>
                <dd>
                  {one.why}. {one.remedy}
                </dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </div>
  );
}

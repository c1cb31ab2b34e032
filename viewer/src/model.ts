/** The state of the page, and what changes it. Views read the signals; only this file writes most of them. */

import { batch, computed, signal } from "@preact/signals";
import { clamp, clock, videoUri } from "./format";
import type { Host, Opened } from "./host";
import type { Card, Entries, Entry, Hit, Hour, Lanes, LibraryPage, Search, Span, Verdict } from "./types";

export const LEAST_VIEW_S = 2; // the closest zoom
const DETAIL_ENTRIES = 1500; // a view with at most so many entries shows their texts
const POLL_MS = 2000;
const BINS = 1500;

export type Tab = "text" | "hits" | "verdict" | "about";
export type Mode = "find" | "check";

export let host: Host;
export const busy = signal(0);
export const toast = signal<{ text: string; bad: boolean } | null>(null);

export const cards = signal<Card[] | null>(null);
export const total = signal(0);
export const cardsCursor = signal("");
export const readOnly = signal(false);

export const hour = signal<Hour | null>(null);
export const opening = signal(false);
export const view = signal<Span>({ startS: 0, endS: 1 });
export const timeS = signal(0);
export const playing = signal(false);
export const span = signal<Span | null>(null); // chosen: a hit, an entry, a chapter, or drawn by hand
export const seeks = signal(0); // grows with each jump, so that the player follows it
export const playSpan = signal(0); // grows with each wish to play the chosen span

export const overview = signal<Lanes | null>(null);
export const fine = signal<Lanes | null>(null);
export const detail = signal<{ from: number; to: number; byChannel: Map<string, Entry[]> } | null>(null);

export const mode = signal<Mode>("find");
export const query = signal("");
export const search = signal<(Search & { query: string; everywhere: boolean }) | null>(null);
export const verdict = signal<(Verdict & { event: string; videoId: string }) | null>(null);
export const tab = signal<Tab>("text");
export const writing = signal(false); // the note form is open
export const helping = signal(false);

export const durationS = computed(() => hour.value?.duration_s ?? 1);
export const hits = computed<Hit[]>(() => search.value?.hits.filter((hit) => hit.video_id === hour.value?.video_id) ?? []);
/** What the actions are about: the chosen span, else ten seconds from the playhead. */
export const target = computed<Span>(() => {
  const chosen = span.value;
  if (chosen) return chosen;
  return { startS: timeS.value, endS: Math.min(timeS.value + 10, durationS.value) };
});

let poll = 0;
let opened = 0; // which opening of a video is the last one
let toastTimer = 0;

export function start(with_: Host): void {
  host = with_;
}

export function say(text: string, bad = false): void {
  toast.value = { text, bad };
  window.clearTimeout(toastTimer);
  toastTimer = window.setTimeout(() => (toast.value = null), bad ? 8000 : 3000);
}

/** Run a call; an error is shown and gives undefined. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  busy.value = busy.peek() + 1; // peek: an effect that calls this must not follow it
  try {
    return await work();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
    return undefined;
  } finally {
    busy.value = busy.peek() - 1;
  }
}

// -- library

export async function loadLibrary(more = false): Promise<void> {
  const reply = await attempt(() => host.call<LibraryPage>("view_library", more ? { more: cardsCursor.value } : {}));
  if (!reply) {
    if (!cards.value) cards.value = [];
    return;
  }
  batch(() => {
    cards.value = more ? [...(cards.value ?? []), ...reply.videos] : reply.videos;
    total.value = reply.total;
    cardsCursor.value = reply.cursor ?? "";
    readOnly.value = reply.read_only;
  });
  watch(reply.open > 0);
}

/** While something is being ingested, look again every two seconds, as long as somebody sees the page. */
function watch(open: boolean): void {
  window.clearTimeout(poll);
  if (!open) return;
  poll = window.setTimeout(() => {
    if (document.hidden) watch(true);
    else if (hour.value) void refresh();
    else void loadLibrary();
  }, POLL_MS);
}

export function showLibrary(): void {
  batch(() => {
    opened++;
    hour.value = null;
    playing.value = false;
    span.value = null;
  });
  remember();
  void loadLibrary();
}

// -- one video

export async function openVideo(name: string, at?: number, endS?: number): Promise<void> {
  const turn = ++opened;
  if (hour.value?.video_id !== name) opening.value = true;
  const same = hour.value && (hour.value.video_id === name || name.startsWith(videoUri(hour.value.video_id)));
  const found = same ? hour.value! : await attempt(() => host.call<Hour>("view_video", { video: name }));
  opening.value = false;
  if (turn !== opened) return;
  if (!found) {
    if (!cards.value) void loadLibrary();
    return;
  }
  const from = at ?? found.start_s;
  const to = endS ?? found.end_s;
  batch(() => {
    if (!same) {
      hour.value = found;
      readOnly.value = found.read_only;
      overview.value = fine.value = detail.value = null;
      view.value = { startS: 0, endS: found.duration_s };
      playing.value = false;
      if (verdict.value?.videoId !== found.video_id) verdict.value = null;
      tab.value = search.value?.hits.length ? "hits" : "text";
    }
    span.value = from !== undefined && to !== undefined ? { startS: from, endS: to } : null;
    seek(from ?? 0);
    if (from !== undefined) reveal(from, to ?? from);
  });
  remember();
  if (same) return;
  watch(found.state === "running" || found.state === "queued");
  const lanes = await attempt(() => host.call<Lanes>("view_lanes", { video: found.video_id, bins: BINS }));
  if (turn === opened && lanes) overview.value = lanes;
}

/** Read the open video again: an ingest goes on. */
async function refresh(): Promise<void> {
  const id = hour.value?.video_id;
  if (!id) return;
  const turn = opened;
  const [found, lanes] = await Promise.all([
    attempt(() => host.call<Hour>("view_video", { video: id })),
    attempt(() => host.call<Lanes>("view_lanes", { video: id, bins: BINS })),
  ]);
  if (turn !== opened || !found) return;
  batch(() => {
    const whole = view.value.endS >= durationS.value;
    hour.value = found;
    if (whole) view.value = { ...view.value, endS: found.duration_s };
    if (lanes) overview.value = lanes;
    detail.value = null;
  });
  watch(found.state === "running" || found.state === "queued");
}

export function seek(to: number): void {
  performance.mark("seek");
  batch(() => {
    timeS.value = clamp(to, 0, Math.max(0, durationS.value - 0.05));
    seeks.value = seeks.peek() + 1;
  });
}

/** Jump to a span, choose it and bring it into view. */
export function choose(startS: number, endS: number): void {
  batch(() => {
    span.value = { startS, endS };
    seek(startS);
    reveal(startS, endS);
  });
  remember();
}

/** Move the view, and only as far as needed, so that a span is in it and wide enough to be seen. */
export function reveal(startS: number, endS: number): void {
  const { startS: from, endS: to } = view.value;
  const length = to - from;
  const wanted = Math.max(endS - startS, LEAST_VIEW_S);
  if (wanted > length) return setView(startS - wanted * 0.2, endS + wanted * 0.2);
  if (length > 600 && wanted < length / 40) {
    const around = Math.max(wanted * 8, 240);
    return setView((startS + endS - around) / 2, (startS + endS + around) / 2);
  }
  if (startS < from || endS > to) setView((startS + endS - length) / 2, (startS + endS + length) / 2);
}

export function setView(startS: number, endS: number): void {
  const length = clamp(endS - startS, Math.min(LEAST_VIEW_S, durationS.value), durationS.value);
  const from = clamp(startS, 0, durationS.value - length);
  view.value = { startS: from, endS: from + length };
}

/** Zoom by a factor around a time that keeps its place. Under 1 zooms in. */
export function zoom(factor: number, around = timeS.value): void {
  const { startS, endS } = view.value;
  const centre = clamp(around, startS, endS);
  const length = clamp((endS - startS) * factor, Math.min(LEAST_VIEW_S, durationS.value), durationS.value);
  const share = (centre - startS) / (endS - startS);
  setView(centre - share * length, centre + (1 - share) * length);
}

export function pan(seconds: number): void {
  setView(view.value.startS + seconds, view.value.endS + seconds);
}

let loading = false;

/** Load what the view needs: texts where they are few, else finer lanes. Called whenever the view has rested. */
export async function loadDetail(): Promise<void> {
  const now = hour.value;
  if (!now || loading) return;
  const { startS, endS } = view.value;
  const length = endS - startS;
  const held = detail.value;
  if (held && held.from <= startS + 0.01 && held.to >= endS - 0.01) return;
  const few = countBetween(overview.value, startS, endS) <= DETAIL_ENTRIES;
  const finer = fine.value;
  if (!few && finer && finer.start_s <= startS && finer.end_s >= endS && finer.end_s - finer.start_s < length * 4) return;
  const from = Math.max(0, startS - length / 2);
  const to = Math.min(now.duration_s, endS + length / 2);
  if (to - from < 0.01) return;
  loading = true;
  const asked = { video: now.video_id, start_s: from, end_s: to };
  if (few) {
    const entries = await attempt(() => allEntries(asked));
    if (entries && hour.value === now) detail.value = { from, to, byChannel: grouped(entries) };
  } else if (length < now.duration_s / 3) {
    const lanes = await attempt(() => host.call<Lanes>("view_lanes", { ...asked, bins: BINS }));
    if (lanes && hour.value === now) fine.value = lanes;
  }
  loading = false;
  const moved = view.value.startS !== startS || view.value.endS !== endS;
  if (moved) void loadDetail();
}

async function allEntries(asked: Record<string, unknown>): Promise<Entry[]> {
  const found: Entry[] = [];
  let more = "";
  do {
    const page = await host.call<Entries>("view_entries", { ...asked, ...(more ? { more } : {}) });
    found.push(...page.entries);
    more = page.cursor ?? "";
  } while (more && found.length < 3 * DETAIL_ENTRIES);
  return found;
}

function grouped(entries: Entry[]): Map<string, Entry[]> {
  const by = new Map<string, Entry[]>();
  for (const entry of entries) {
    const own = by.get(entry.channel);
    if (own) own.push(entry);
    else by.set(entry.channel, [entry]);
  }
  return by;
}

function countBetween(lanes: Lanes | null, startS: number, endS: number): number {
  if (!lanes) return Infinity;
  let count = 0;
  for (const runs of Object.values(lanes.lanes))
    for (const [from, to, n] of runs)
      if (to >= startS && from <= endS) {
        const inside = Math.min(to, endS) - Math.max(from, startS);
        count += to > from ? n * Math.min(1, Math.max(inside, 0) / (to - from)) : n;
      }
  return count;
}

// -- search and verdicts

export async function find(text: string, more = false): Promise<void> {
  const words = text.trim();
  if (!words) return;
  const where = hour.value?.video_id;
  const before = more ? search.value : null;
  const found = await attempt(() =>
    host.call<Search>("view_search", {
      query: words,
      ...(where ? { video: where } : {}),
      ...(before ? { more: before.cursor } : {}),
    }),
  );
  if (!found) return;
  batch(() => {
    const all = before ? [...before.hits, ...found.hits] : found.hits;
    search.value = { ...found, hits: all, query: words, everywhere: !where };
    tab.value = "hits";
  });
  const first = found.hits[0];
  if (!before && where && first && first.strength !== "weak") choose(first.start_s, first.end_s);
}

export async function check(text: string): Promise<void> {
  const event = text.trim();
  const now = hour.value;
  if (!event || !now) return;
  const found = await attempt(() => host.call<Verdict>("ground_event", { event, video: now.video_id }));
  if (found) showVerdict(found, event, now.video_id);
}

export function showVerdict(found: Verdict, event: string, videoId: string): void {
  batch(() => {
    verdict.value = { ...found, event, videoId };
    tab.value = "verdict";
  });
  const first = found.spans?.[0];
  if (first && hour.value) choose(first.start_s, first.end_s);
}

export async function writeNote(text: string, on: Span): Promise<boolean> {
  const now = hour.value;
  if (!now) return false;
  const args = { video: now.video_id, start_s: on.startS, end_s: on.endS, text };
  const done = await attempt(() => host.call<{ note: string }>("remember", args));
  if (!done) return false;
  say(`Note saved at ${clock(on.startS)}.`);
  void refresh().then(loadDetail);
  return true;
}

/** Send a message to the model in the chat. */
export async function ask(text: string): Promise<void> {
  const send = host.message.peek();
  if (send && (await attempt(() => send(text).then(() => true)))) say("Sent to the chat.");
}

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea"); // a frame without permission for the clipboard
    field.value = text;
    field.setAttribute("readonly", "");
    field.className = "offscreen";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) return say(text);
  }
  say(`${what} copied.`);
}

// -- the address of the page, in a browser

/** Keep the video and the time in the address, so that a reload and a bookmark come back to them. */
export function remember(): void {
  if (host.kind !== "browser") return;
  const now = hour.value;
  const at = span.value ? `&t=${Math.round(span.value.startS * 100) / 100}` : "";
  history.replaceState(null, "", now ? `#v=${now.video_id}${at}` : location.pathname);
}

/** Open what the address says, else the library. */
export async function openAddress(): Promise<void> {
  const asked = new URLSearchParams(location.hash.slice(1));
  const video = asked.get("v");
  const at = asked.get("t");
  if (!video) return loadLibrary();
  await openVideo(video, at === null || Number.isNaN(Number(at)) ? undefined : Number(at));
}

// -- in a chat: the result of a tool call opens the page

export async function openResult({ input, facts }: Opened): Promise<void> {
  const found = facts as unknown as Partial<Search & Verdict> & { video_id?: string; start_s?: number; end_s?: number; frames?: { at_s: number }[]; episodes?: unknown[] };
  if (found.hits) {
    const words = String(input["query"] ?? "");
    search.value = { ...(found as Search), query: words, everywhere: !input["video"] };
    query.value = words;
    const first = found.hits[0];
    if (first) await openVideo(first.video_id, first.start_s, first.end_s);
    else await (typeof input["video"] === "string" ? openVideo(input["video"]) : loadLibrary());
    tab.value = "hits";
  } else if (found.verdict || found.videos?.some((one) => "verdict" in one)) {
    const event = String(input["event"] ?? "");
    query.value = event;
    mode.value = "check";
    const uri = found.spans?.[0]?.uri ?? found.best_rejected?.uri ?? found.videos?.[0]?.best?.uri;
    const name = uri ?? (typeof input["video"] === "string" ? input["video"] : found.videos?.[0]?.video_id);
    if (name) await openVideo(name);
    else await loadLibrary();
    showVerdict(found as Verdict, event, hour.value?.video_id ?? "");
  } else if (found.video_id) {
    const at = found.frames?.[0]?.at_s ?? found.start_s;
    await (found.episodes ? openVideo(found.video_id) : openVideo(found.video_id, at, found.end_s));
  } else if (!hour.value) {
    await loadLibrary();
  }
}

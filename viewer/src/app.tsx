/** The whole page: the bar with the search, then the library or one video, the note form and the help. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { clock } from "./format";
import * as model from "./model";
import { Library } from "./library";
import { Panel } from "./panel";
import { Player } from "./player";
import { Timeline } from "./timeline";
import type { Hour } from "./types";

const LONGEST_NOTE = 2000;

export function Page() {
  const hour = model.hour.value;
  useEffect(() => {
    document.title = hour ? `${hour.title} · agent_tools` : "Videos · agent_tools";
  }, [hour?.title]);
  useEffect(() => {
    document.addEventListener("keydown", shortcut);
    return () => document.removeEventListener("keydown", shortcut);
  }, []);
  return (
    <div class={`page ${model.host.kind}`}>
      <Bar />
      <main>
        {model.opening.value && !hour ? (
          <p class="empty">Opening…</p>
        ) : hour ? (
          <div class="hour">
            <Player hour={hour} />
            <Panel hour={hour} />
            <Timeline hour={hour} />
          </div>
        ) : (
          <Library />
        )}
      </main>
      {model.writing.value && hour && <NoteForm />}
      {model.helping.value && <Help />}
      <div class="toasts" role="status" aria-live="polite">
        {model.toast.value && <p class={model.toast.value.bad ? "bad" : ""}>{model.toast.value.text}</p>}
      </div>
    </div>
  );
}

function Bar() {
  const hour = model.hour.value;
  return (
    <header class="bar">
      {hour ? <Heading hour={hour} /> : <h1>Videos</h1>}
      <SearchForm hour={hour} />
      {model.host.fullscreen.value && (
        <button
          type="button"
          class="icon"
          aria-label="Full screen"
          aria-pressed={model.host.full.value}
          title={model.host.full.value ? "Leave the full screen (f)" : "Full screen (f)"}
          onClick={fullscreen}
        >
          <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            <path d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4" fill="none" stroke="currentColor" stroke-width="1.6" />
          </svg>
        </button>
      )}
      <button type="button" class="icon" aria-label="Keys" title="Keys (?)" onClick={() => (model.helping.value = true)}>
        ?
      </button>
      <span class={`busy${model.busy.value ? " on" : ""}`} aria-hidden="true" />
    </header>
  );
}

function Heading({ hour }: { hour: Hour }) {
  return (
    <>
      <button type="button" class="back" onClick={model.showLibrary} aria-label="All videos" title="All videos">
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <path d="M10.5 2.5L5 8l5.5 5.5" fill="none" stroke="currentColor" stroke-width="1.8" />
        </svg>
      </button>
      <h1 dir="auto" title={hour.title}>
        {hour.title}
      </h1>
      <span class="state">
        {clock(hour.duration_s)}
        {hour.state === "running" && ` · ${Math.round((hour.progress ?? 0) * 100)} % read`}
        {hour.state === "queued" && " · waiting"}
        {(hour.state === "failed" || hour.state === "stopped") && <span class="bad"> · {hour.state}</span>}
      </span>
    </>
  );
}

function SearchForm({ hour }: { hour: Hour | null }) {
  const field = useSignal("");
  if (model.query.value && field.peek() === "") field.value = model.query.value;
  const submit = (event: Event, mode: model.Mode) => {
    event.preventDefault();
    model.query.value = field.value;
    model.mode.value = mode;
    if (mode === "check" && hour) void model.check(field.value);
    else void model.find(field.value);
  };
  return (
    <form role="search" class="search" onSubmit={(event) => submit(event, "find")}>
      <input
        id="search"
        type="search"
        dir="auto"
        autocomplete="off"
        maxLength={2000}
        aria-label={hour ? "Search this video" : "Search all videos"}
        aria-keyshortcuts="/"
        placeholder={hour ? "What is said or shown?" : "Search all videos"}
        value={field.value}
        onInput={(event) => (field.value = event.currentTarget.value)}
      />
      <button type="submit" class="primary">
        Find
      </button>
      {hour && (
        <button type="button" title="Does this happen in the video, and when?" onClick={(event) => submit(event, "check")}>
          Check
        </button>
      )}
    </form>
  );
}

function NoteForm() {
  const text = useSignal("");
  const on = useRef(model.target.peek()).current;
  const saving = useSignal(false);
  const save = async (event: Event) => {
    event.preventDefault();
    if (!text.value.trim() || saving.value) return;
    saving.value = true;
    const done = await model.writeNote(text.value.trim(), on);
    saving.value = false;
    if (done) model.writing.value = false;
  };
  return (
    <Dialog title="Note" onClose={() => (model.writing.value = false)}>
      <form onSubmit={save}>
        <p class="muted">
          On{" "}
          <span dir="ltr">
            {clock(on.startS)}–{clock(on.endS)}
          </span>
          . Later searches find it, yours and your assistant's.
        </p>
        <textarea
          dir="auto"
          rows={4}
          maxLength={LONGEST_NOTE}
          aria-label="Note"
          placeholder="One fact"
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void save(event);
          }}
        />
        <p class="row">
          <button type="button" onClick={() => (model.writing.value = false)}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={saving.value || !text.value.trim()}>
            Save note
          </button>
        </p>
      </form>
    </Dialog>
  );
}

const KEYS: [string, string][] = [
  ["/", "search"],
  ["Space", "play or pause"],
  ["j  l", "10 seconds back, forward"],
  ["←  →", "on the timeline: a step back, forward (with Shift one second)"],
  ["Page up, Page down", "on the timeline: most of a view"],
  ["+  −  0", "zoom in, zoom out, whole video"],
  ["p", "play the chosen span"],
  ["[  ]", "hit before, next hit"],
  ["c", "copy the uri"],
  ["n", "write a note"],
  ["f", "full screen"],
  ["Esc", "drop the chosen span, close"],
];

function Help() {
  return (
    <Dialog title="Keys" onClose={() => (model.helping.value = false)}>
      <dl class="keys">
        {KEYS.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p class="muted">Turn the wheel on the timeline to zoom, drag it to move, drag with Shift to choose a span.</p>
    </Dialog>
  );
}

function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: preact.ComponentChildren }) {
  const node = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = node.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={node}
      aria-label={title}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === node.current) onClose();
      }}
    >
      <div class="body">
        <h2>
          {title}
          <button type="button" class="icon" aria-label="Close" onClick={onClose}>
            ×
          </button>
        </h2>
        {children}
      </div>
    </dialog>
  );
}

/** Keys that hold everywhere but in fields and dialogs. */
function shortcut(event: KeyboardEvent): void {
  const at = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (at.closest("input, textarea, dialog")) {
    if (event.key === "Escape" && at.id === "search") at.blur();
    return;
  }
  const hour = model.hour.value;
  if (event.key === "/") return act(event, () => document.getElementById("search")?.focus());
  if (event.key === "?") return act(event, () => (model.helping.value = true));
  if (!hour) return;
  const onButton = at.closest("button, summary") !== null;
  const acts: Record<string, () => void> = {
    ...(onButton ? {} : { " ": () => (model.playing.value = !model.playing.value) }),
    k: () => (model.playing.value = !model.playing.value),
    j: () => jump(-10),
    l: () => jump(10),
    p: () => model.span.value && model.playSpan.value++,
    "[": () => nextHit(-1),
    "]": () => nextHit(1),
    c: () => void model.copy(uri(), "Uri"),
    n: () => !model.readOnly.value && (model.writing.value = true),
    f: fullscreen,
    "+": () => model.zoom(0.5),
    "=": () => model.zoom(0.5),
    "-": () => model.zoom(2),
    "0": () => model.setView(0, hour.duration_s),
    Escape: () => (model.span.value = null),
  };
  const wanted = acts[event.key];
  if (wanted) act(event, wanted);
}

function fullscreen(): void {
  const change = model.host.fullscreen.peek();
  if (change) void model.attempt(change);
}

function act(event: KeyboardEvent, work: () => unknown): void {
  event.preventDefault();
  work();
}

function jump(seconds: number): void {
  model.seek(model.timeS.value + seconds);
  model.reveal(model.timeS.value, model.timeS.value);
}

function nextHit(step: number): void {
  const hits = [...model.hits.value].sort((a, b) => a.start_s - b.start_s);
  const at = model.span.value?.startS ?? model.timeS.value;
  const next = step > 0 ? hits.find((hit) => hit.start_s > at + 0.01) : hits.reverse().find((hit) => hit.start_s < at - 0.01);
  if (next) model.choose(next.start_s, next.end_s);
}

function uri(): string {
  const { startS, endS } = model.target.value;
  return `video://${model.hour.value!.video_id}#t=${Math.round(startS * 100) / 100},${Math.round(endS * 100) / 100}`;
}

/** The picture at the playhead, and playing: the file itself where the page can reach it, else clips of it in a row. */

import { untracked, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { clock, fineClock, plain, spoken, videoUri } from "./format";
import { bytesOf } from "./host";
import * as model from "./model";
import type { Hour } from "./types";

const CLIP_S = 12; // of a clip where the file itself cannot be played: short, so that it starts soon
const FIRST_WIDTH = 352; // px: kept frames are not larger
const EXACT_WIDTH = 960;
const SETTLE_MS = 140; // a playhead that rests so long gets its exact picture
const LATE_S = 0.35;
const BRIDGE_MS = 80; // a file that seeks longer is bridged by the kept frame

type Source = "file" | "clips" | "none";

export function Player({ hour }: { hour: Hour }) {
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const source = useSignal<Source>(first(hour));
  const picture = useSignal(false);
  const waiting = useSignal(false);
  const moving = useSignal(false); // the video element shows the picture, not the image
  const state = useRef({ offsetS: 0, endS: 0, until: Infinity, turn: 0, url: "", next: null as Promise<string> | null, nextAt: -1 });

  useEffect(() => {
    source.value = first(hour);
    picture.value = false;
    moving.value = false;
    state.current = { ...state.current, offsetS: 0, endS: 0, until: Infinity, next: null, nextAt: -1 };
  }, [hour.video_id]);

  // -- the picture of a time

  useSignalEffect(() => {
    void model.seeks.value;
    const at = model.timeS.peek();
    const node = video.current;
    const turn = ++state.current.turn;
    if (source.value === "file" && node && node.readyState >= 1) {
      node.currentTime = at;
      const late = window.setTimeout(() => void still(at, turn, FIRST_WIDTH, false, true), BRIDGE_MS);
      return () => window.clearTimeout(late);
    }
    if (model.playing.peek() && source.value === "clips") {
      void playClip(at);
      return;
    }
    void still(at, turn, FIRST_WIDTH, false);
    const rest = window.setTimeout(() => void still(at, turn, EXACT_WIDTH, true), SETTLE_MS);
    return () => window.clearTimeout(rest);
  });

  /** Show the picture of a time as an image. Args: bridge: only while the file still seeks. */
  async function still(at: number, turn: number, width: number, exact: boolean, bridge = false): Promise<void> {
    if (!hour.width) return;
    try {
      const [found] = await model.host.pictures(hour.video_id, [at], width, exact);
      if (!found || turn !== state.current.turn || (bridge && !video.current?.seeking)) return;
      if (source.peek() === "file" && fileShows(at)) return;
      const image = await createImageBitmap(new Blob([bytesOf(found.jpeg)])); // a chat's policy may forbid images by address
      const node = canvas.current;
      if (turn !== state.current.turn || !node) return;
      node.width = image.width;
      node.height = image.height;
      node.getContext("2d")!.drawImage(image, 0, 0);
      picture.value = true;
      moving.value = false;
      shown();
    } catch (error) {
      if (exact) model.say(error instanceof Error ? error.message : String(error), true);
    }
  }

  /** Whether the video element shows the picture of a time already. */
  function fileShows(at: number): boolean {
    const node = video.current;
    return node !== null && node.readyState >= 2 && !node.seeking && (model.playing.peek() || Math.abs(node.currentTime - at) < LATE_S);
  }

  // -- playing

  useSignalEffect(() => {
    const on = model.playing.value;
    const node = video.current;
    if (!node) return;
    if (!on) {
      node.pause();
      return;
    }
    if (source.value === "file") void node.play().catch(() => (model.playing.value = false));
    else if (source.value === "clips") void playClip(model.timeS.peek());
    else {
      model.playing.value = false;
      model.say(hour.closed ? `It cannot be played: ${hour.closed}.` : "It cannot be played here.", true);
    }
  });

  useSignalEffect(() => {
    if (!model.playSpan.value) return;
    untracked(() => {
      const wanted = model.target.peek();
      state.current.until = wanted.endS;
      if (Math.abs(model.timeS.peek() - wanted.startS) > 0.05) model.seek(wanted.startS);
      model.playing.value = true;
    });
  });

  /** Load and play the clip that begins at a time; the next one is asked for meanwhile. */
  async function playClip(at: number): Promise<void> {
    const node = video.current;
    if (!node) return;
    const now = state.current;
    const turn = ++now.turn;
    const endS = Math.min(at + CLIP_S, hour.duration_s, Math.max(now.until, at + 0.5));
    waiting.value = true;
    const asked = now.nextAt === at && now.next ? now.next : clip(at, endS);
    const url = await model.attempt(() => asked);
    if (turn !== now.turn) return;
    waiting.value = false;
    if (!url || !model.playing.peek()) {
      model.playing.value = false;
      return;
    }
    now.offsetS = at;
    now.endS = endS;
    node.src = url;
    await node.play().catch(() => undefined);
    moving.value = true;
    if (endS < hour.duration_s && endS < now.until) {
      now.nextAt = endS;
      now.next = clip(endS, Math.min(endS + CLIP_S, hour.duration_s));
      now.next.catch(() => undefined); // its error is shown when it is played
    }
  }

  function clip(startS: number, endS: number): Promise<string> {
    return model.host.dataUrl(`video://${hour.video_id}/clip/${plain(startS)}-${plain(endS)}`);
  }

  // -- what the video element says

  function tick(): void {
    const node = video.current;
    if (!node || node.seeking || node.readyState < 2 || !model.playing.peek()) return;
    if (source.peek() === "clips" && (waiting.peek() || !moving.peek())) return; // the clip of this time is not there yet
    const at = node.currentTime + state.current.offsetS;
    model.timeS.value = Math.min(at, hour.duration_s);
    if (at >= state.current.until) {
      state.current.until = Infinity;
      model.playing.value = false;
      return;
    }
    const { startS, endS } = model.view.peek();
    if (at > endS - (endS - startS) * 0.05 && endS < hour.duration_s) model.pan((endS - startS) * 0.8);
  }

  useEffect(() => {
    let due = 0;
    const loop = () => {
      tick();
      due = requestAnimationFrame(loop);
    };
    due = requestAnimationFrame(loop);
    return () => cancelAnimationFrame(due);
  }, [hour.video_id]);

  function loaded(): void {
    const node = video.current!;
    if (source.peek() !== "file") return;
    if (hour.width && !node.videoWidth) return fallBack(); // the browser plays its sound, but not its pictures
    node.currentTime = model.timeS.peek();
  }

  function sought(): void {
    if (source.peek() !== "file") return;
    if (Math.abs(video.current!.currentTime - model.timeS.peek()) > LATE_S && !model.playing.peek()) return;
    moving.value = true;
    shown();
  }

  /** The browser cannot play this file: clips of it are made as they are needed. */
  function fallBack(): void {
    if (source.peek() !== "file") {
      if (video.current?.src) model.say("This clip cannot be played here.", true);
      return;
    }
    source.value = "clips";
    moving.value = false;
    video.current?.removeAttribute("src");
    video.current?.load();
    const turn = ++state.current.turn;
    void still(model.timeS.peek(), turn, EXACT_WIDTH, true);
    if (model.playing.peek()) void playClip(model.timeS.peek());
  }

  function ended(): void {
    const at = source.peek() === "clips" ? state.current.endS : hour.duration_s;
    if (source.peek() === "clips" && at < hour.duration_s - 0.1 && at < state.current.until - 0.05 && model.playing.peek()) {
      model.timeS.value = at;
      void playClip(at);
      return;
    }
    state.current.until = Infinity;
    model.playing.value = false;
  }

  function toggle(): void {
    state.current.until = Infinity;
    if (!model.playing.value && model.timeS.value >= hour.duration_s - 0.1) model.seek(0);
    model.playing.value = !model.playing.value;
  }

  const address = source.value === "file" ? (model.host.mediaUrl(hour.video_id) ?? undefined) : undefined;
  return (
    <section class="player" aria-label="Player">
      <div class="stage" style={hour.width && hour.height ? { aspectRatio: `${hour.width} / ${hour.height}` } : {}} onClick={toggle}>
        <video
          ref={video}
          {...(address ? { src: address } : {})}
          preload="auto"
          playsInline
          class={moving.value ? "" : "under"}
          onLoadedMetadata={loaded}
          onLoadedData={sought}
          onSeeked={sought}
          onPlaying={() => (moving.value = true)}
          onEnded={ended}
          onError={fallBack}
          aria-hidden="true"
          tabIndex={-1}
        />
        <canvas ref={canvas} role="img" aria-label={`The picture at ${spoken(model.timeS.value)}`} hidden={!picture.value || moving.value} />
        {!hour.width && <p class="empty">Sound only</p>}
        {!hour.file && hour.width && (
          <p class="still" title={hour.closed ?? ""}>
            Kept pictures
          </p>
        )}
        {waiting.value && <p class="wait">Making a clip…</p>}
      </div>
      <div class="controls">
        <button
          type="button"
          class="play"
          onClick={toggle}
          aria-label={model.playing.value ? "Pause" : "Play"}
          aria-keyshortcuts="Space"
          title={model.playing.value ? "Pause (space)" : "Play (space)"}
        >
          <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            <path d={model.playing.value ? "M3 2h4v12H3zM9 2h4v12H9z" : "M4 2l10 6-10 6z"} />
          </svg>
        </button>
        <span class="time">
          <b>{fineClock(model.timeS.value)}</b> / {clock(hour.duration_s)}
        </span>
        <Actions hour={hour} />
      </div>
    </section>
  );
}

/** What can be done with the chosen span. */
function Actions({ hour }: { hour: Hour }) {
  const on = model.target.value;
  const chosen = model.span.value !== null;
  const said = `${clock(on.startS)}–${clock(on.endS)}`;
  const uri = videoUri(hour.video_id, on.startS, on.endS);
  return (
    <div class="actions" role="group" aria-label={`Actions on ${said}`}>
      {chosen && (
        <span class="chosen">
          <span dir="ltr">{said}</span>
          <button type="button" class="icon" aria-label="Drop the chosen span" title="Drop the chosen span (Esc)" onClick={() => (model.span.value = null)}>
            ×
          </button>
        </span>
      )}
      {chosen && (
        <button type="button" onClick={() => model.playSpan.value++}>
          Play span
        </button>
      )}
      <button type="button" title="Copy the uri of this span (c)" onClick={() => void model.copy(uri, "Uri")}>
        Copy uri
      </button>
      <button type="button" title="Copy title, time and uri" onClick={() => void model.copy(`${hour.title}, ${said} (${uri})`, "Citation")}>
        Cite
      </button>
      {!model.readOnly.value && (
        <button type="button" title="Write a note on this span (n)" onClick={() => (model.writing.value = true)}>
          Note
        </button>
      )}
      {model.host.message && (
        <button
          type="button"
          onClick={() => void model.attempt(() => model.host.message!(`Look at ${uri} (${said}) and tell me what happens there.`))}
        >
          Ask the model
        </button>
      )}
    </div>
  );
}

function first(hour: Hour): Source {
  if (!hour.file) return "none";
  return model.host.mediaUrl(hour.video_id) ? "file" : "clips";
}

/** The first picture after a click is on screen: the bench measures from "seek" to here. */
function shown(): void {
  requestAnimationFrame(() => {
    if (!performance.getEntriesByName("seek").length) return;
    performance.measure("first picture", "seek");
    performance.clearMarks("seek");
  });
}

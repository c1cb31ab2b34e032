/** The player: the picture at the playhead, the buttons under it, and what can be done with the chosen span. */

import { untracked, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { clock, fineClock, spoken, videoUri } from "./format";
import * as model from "./model";
import { Playback } from "./playback";
import type { Hour } from "./types";

export function Player({ hour }: { hour: Hour }) {
  const playback = useMemo(() => new Playback(hour), [hour.video_id]);
  playback.hour = hour;
  return (
    <section class="player" aria-label="Player" key={hour.video_id}>
      <Stage hour={hour} playback={playback} />
      <div class="controls">
        <PlayButton playback={playback} />
        <span class="time">
          <b>{fineClock(model.timeS.value)}</b> / {clock(hour.duration_s)}
        </span>
        <Actions hour={hour} />
      </div>
    </section>
  );
}

function Stage({ hour, playback }: { hour: Hour; playback: Playback }) {
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    playback.video = video.current;
    playback.canvas = canvas.current;
  }, []);
  useSignalEffect(() => {
    void model.seeks.value;
    return playback.follow();
  });
  useSignalEffect(() => playback.obey(model.playing.value));
  useSignalEffect(() => {
    if (model.playSpan.value) untracked(() => playback.playSpan());
  });
  useEffect(() => {
    let due = 0;
    const loop = () => {
      playback.tick();
      due = requestAnimationFrame(loop);
    };
    due = requestAnimationFrame(loop);
    return () => cancelAnimationFrame(due);
  }, []);
  const moving = playback.moving.value;
  const address = playback.address;
  return (
    <div class="stage" style={hour.width && hour.height ? { aspectRatio: `${hour.width} / ${hour.height}` } : {}} onClick={() => playback.toggle()}>
      <video
        ref={video}
        {...(address ? { src: address } : {})}
        preload="auto"
        playsInline
        class={moving ? "" : "under"}
        onLoadedMetadata={() => playback.loaded()}
        onLoadedData={() => playback.sought()}
        onSeeked={() => playback.sought()}
        onPlaying={() => (playback.moving.value = true)}
        onEnded={() => playback.ended()}
        onError={() => playback.failed()}
        aria-hidden="true"
        tabIndex={-1}
      />
      <canvas ref={canvas} role="img" aria-label={`The picture at ${spoken(model.timeS.value)}`} hidden={!playback.picture.value || moving} />
      <Notices hour={hour} waiting={playback.waiting.value} />
    </div>
  );
}

/** What stands over the picture. */
function Notices({ hour, waiting }: { hour: Hour; waiting: boolean }) {
  return (
    <>
      {!hour.width && <p class="empty">Sound only</p>}
      {!hour.file && hour.width && (
        <p class="still" title={hour.closed ?? ""}>
          Kept pictures
        </p>
      )}
      {waiting && <p class="wait">Loading…</p>}
    </>
  );
}

function PlayButton({ playback }: { playback: Playback }) {
  const playing = model.playing.value;
  return (
    <button
      type="button"
      class="play"
      onClick={() => playback.toggle()}
      aria-label={playing ? "Pause" : "Play"}
      aria-keyshortcuts="Space"
      title={playing ? "Pause (space)" : "Play (space)"}
    >
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={playing ? "M3 2h4v12H3zM9 2h4v12H9z" : "M4 2l10 6-10 6z"} />
      </svg>
    </button>
  );
}

/** What can be done with the chosen span. */
function Actions({ hour }: { hour: Hour }) {
  const on = model.target.value;
  const chosen = model.span.value !== null;
  const said = `${clock(on.startS)}–${clock(on.endS)}`;
  const uri = videoUri(hour.video_id, on.startS, on.endS);
  const asks = model.host.message.value !== null;
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
      {asks && (
        <button type="button" onClick={() => void model.ask(`Look at ${uri} (${said}) and tell me what happens there.`)}>
          Ask the model
        </button>
      )}
    </div>
  );
}
